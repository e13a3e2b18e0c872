//! The timeline says what the entries say, on every node, also on one that began from a snapshot.

use bytes::Bytes;
use ledger_format::record::{AgentId, Entry, Record, Ulid};
use ledger_log::{Ack, Credential, Reader, TimelineQuery, TimelineRow};

use crate::harness::{Cluster, LIMIT, Tenant, member, submit, wait_for};
use crate::seal::agent_of;

/// The same question, answered from the entries one by one.
fn by_hand(all: &[(Ulid, TimelineRow)], query: &TimelineQuery<'_>) -> Vec<TimelineRow> {
    let wanted = |(tenant, row): &&(Ulid, TimelineRow)| {
        let of_type = query.types.is_empty() || query.types.contains(&row.type_name);
        let about = query.agent.is_none_or(|wanted| row.agent == Some(wanted));
        let within = (query.from..query.before.unwrap_or(u64::MAX)).contains(&row.index);
        *tenant == query.tenant && of_type && about && within
    };
    let mut rows: Vec<TimelineRow> = all.iter().filter(wanted).map(|(_, row)| row.clone()).collect();
    if !query.ascending {
        rows.reverse();
    }
    rows
}

/// Every record in the log, read from its entry.
fn all_rows(reader: &Reader) -> Vec<(Ulid, TimelineRow)> {
    let row = |index| {
        let bytes = reader.applied_entry(index).unwrap().unwrap();
        let entry = Entry::parse(&bytes).unwrap();
        let record = Record::parse(entry.record).ok()?;
        let (type_name, agent, id) = (record.type_name(), record.body.agent(), record.id);
        Some((record.tenant, TimelineRow { index, type_name, agent, id, log_ms: entry.at }))
    };
    (0..reader.applied_size()).filter_map(row).collect()
}

/// Every page of a question put together.
fn in_pages(reader: &Reader, query: &TimelineQuery<'_>, limit: usize) -> Vec<TimelineRow> {
    let (mut rows, mut next) = (Vec::new(), TimelineQuery { limit, ..query.clone() });
    loop {
        let page = reader.timeline(&next).unwrap();
        assert!(page.rows.len() <= limit);
        rows.extend(page.rows);
        match page.next {
            None => return rows,
            Some(last) if query.ascending => next.from = last + 1,
            Some(last) => next.before = Some(last),
        }
    }
}

fn same_everywhere(reader: &Reader, tenants: &[Ulid], agents: &[AgentId]) {
    let (size, all) = (reader.applied_size(), all_rows(reader));
    let types: [&[&str]; 4] =
        [&[], &["receipt.action"], &["agent.register", "session.open"], &["policy.put"]];
    for tenant in tenants {
        for types in types {
            for agent in [None, Some(agents[0]), Some(agents[1])] {
                for (ascending, from, before) in
                    [(false, 0, None), (true, 0, None), (false, 3, Some(size - 2)), (true, 3, Some(size - 2))]
                {
                    let tenant = *tenant;
                    let query = TimelineQuery { tenant, types, agent, before, from, limit: 7, ascending };
                    let want = by_hand(&all, &query);
                    for limit in [13, 1_000] {
                        assert_eq!(in_pages(reader, &query, limit), want, "{query:?} by {limit}");
                    }
                    if let ([type_name], 0, None) = (types, from, before) {
                        let count = reader.timeline_count(tenant, type_name, agent).unwrap();
                        assert_eq!(count, want.len() as u64, "{query:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_what_the_entries_say() {
    let mut cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let mut tenants = [Tenant::new(7), Tenant::new(9)];
    let mut agents = Vec::new();
    for tenant in &mut tenants {
        submit(&log, tenant.register(), Ack::Sequenced).await;
        let record = tenant.agent();
        submit(&log, record.clone(), Ack::Sequenced).await;
        agents.push(agent_of(&record));
    }
    let (session, record) = tenants[0].session(agents[0]);
    let opened = submit(&log, record, Ack::Sequenced).await.index;
    assert!(log.reader().wait_timeline(opened + 1, LIMIT).await);
    assert_eq!(log.reader().made_by(session.0).unwrap(), Some((opened, tenants[0].id)));
    for round in 0..20 {
        let tenant = &mut tenants[round % 2];
        let receipts: Vec<Bytes> = (0..17).map(|_| tenant.receipt(agents[round % 2])).collect();
        for answer in log.submit(receipts, Ack::Sequenced, LIMIT, Credential::Admin).await {
            answer.unwrap();
        }
    }
    let ids = tenants.each_ref().map(|tenant| tenant.id);
    let reader = log.reader();
    assert!(reader.wait_timeline(reader.applied_size(), LIMIT).await);
    same_everywhere(&reader, &ids, &agents);

    // A node that begins from a snapshot builds the same.
    log.snapshot().await.unwrap();
    cluster.run(2).await;
    log.add_learner(member(2)).await.unwrap();
    let joined = cluster.node(2);
    let size = reader.applied_size();
    wait_for("the learner to catch up", || (joined.reader().applied_size() >= size).then_some(())).await;
    assert!(joined.reader().wait_timeline(size, LIMIT).await);
    same_everywhere(&joined.reader(), &ids, &agents);
    drop((reader, log, joined));

    // And a node that stops goes on where it was.
    let more = tenants[0].receipt(agents[0]);
    cluster.stop(1).await;
    cluster.run(1).await;
    let log = cluster.node(1);
    cluster.leader().await;
    let index = submit(&log, more, Ack::Sequenced).await.index;
    assert!(log.reader().wait_timeline(index + 1, LIMIT).await);
    same_everywhere(&log.reader(), &ids, &agents);
}

/// Indices of what a tenant, or an agent of it, is a party to, newest first.
fn party(reader: &Reader, tenant: Ulid, types: &[&str], agent: Option<AgentId>) -> Vec<u64> {
    let query = TimelineQuery { tenant, types, agent, before: None, from: 0, limit: 1, ascending: false };
    let (mut indices, mut next) = (Vec::new(), query);
    loop {
        let page = reader.timeline_of_party(&next).unwrap();
        indices.extend(page.rows.iter().map(|row| row.index));
        let Some(last) = page.next else { break };
        next.before = Some(last);
    }
    let count = |name: &&str| reader.timeline_count_of_party(tenant, name, agent).unwrap();
    assert_eq!(types.iter().map(count).sum::<u64>(), indices.len() as u64, "{types:?}");
    indices
}

#[tokio::test(flavor = "multi_thread")]
async fn each_party_finds_what_it_is_a_party_to() {
    let cluster = Cluster::start(1).await;
    let log = cluster.node(1);
    let (mut own, mut peer) = (Tenant::new(7), Tenant::new(9));
    for record in [own.register(), peer.register()] {
        submit(&log, record, Ack::Sequenced).await;
    }
    let (_, giver) = own.agent_with_key();
    let (key, getter) = own.agent_with_key();
    let (from, to) = (agent_of(&giver), agent_of(&getter));
    submit(&log, giver, Ack::Sequenced).await;
    let now = submit(&log, getter, Ack::Sequenced).await.log_ms;
    let grants = [own.grant(from, to, &key, now + 3_600_000), own.grant(from, to, &key, now + 3_600_000)];
    let mut offered = Vec::new();
    for grant in grants {
        offered.insert(0, submit(&log, grant, Ack::Sequenced).await.index);
    }
    let agreed = submit(&log, own.agree(&peer, now + 3_600_000), Ack::Sequenced).await.index;
    let reader = log.reader();
    assert!(reader.wait_timeline(agreed + 1, LIMIT).await);
    let (grants, agreements): (&[&str], &[&str]) =
        (&["delegation.offer", "delegation.accept"], &["federation.agree"]);
    for agent in [None, Some(from), Some(to)] {
        assert_eq!(party(&reader, own.id, grants, agent), offered, "{agent:?}");
        assert_eq!(party(&reader, peer.id, grants, agent), [0; 0]);
    }
    for tenant in [own.id, peer.id] {
        assert_eq!(party(&reader, tenant, agreements, None), [agreed]);
    }
    // What a tenant is a party to is not its record.
    assert_eq!(reader.timeline_count(peer.id, "federation.agree", None).unwrap(), 0);
}

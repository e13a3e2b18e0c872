//! An agent as a register: one client changes its key and revokes it, others read it on any node, the way that a node offers to whoever must
//! not be told what was true a moment ago.

use std::time::Duration;

use ledger_log::{Subject, with_seed};

use super::{
    clients::{Client, closed},
    oracle::{Event, Op, Ret, Standing},
    records::Tenant,
};

/// How long a node may take to find out that it is not behind.
const PATIENCE: Duration = Duration::from_secs(3);
/// The client that changes agents.
pub(super) const KEEPER: u8 = 7;
/// Keys that an agent has in its life.
const KEYS: usize = 3;

/// Registers agents, gives each new keys and revokes it, one after the other, for ever.
pub(super) async fn keep(mut client: Client) {
    let mut tenant = Tenant::new(KEEPER);
    let registration = tenant.register();
    while !client.insist(registration.clone()).await {}
    for agent in 1.. {
        for step in 1..=KEYS + 1 {
            let revoked = step > KEYS;
            let record = match step {
                1 => tenant.register_agent(agent),
                _ if revoked => tenant.revoke(agent),
                key => tenant.rotate(agent, key),
            };
            let op = Op::Change(Standing { key: step.min(KEYS), revoked });
            let number = asked(&mut client, agent, op);
            if !client.insist(record).await {
                // It may still happen: nothing more is done to this agent.
                break;
            }
            told(&client, agent, number, Ret::Done);
            client.pause(30, 700).await;
        }
    }
}

/// Reads the agent that is being changed, for ever.
pub(super) async fn watch(mut client: Client) {
    let tenant = Tenant::new(KEEPER);
    loop {
        client.pause(20, 400).await;
        let newest = client.seen.facts().registers.keys().next_back().copied();
        let Some(agent) = newest else { continue };
        let node = client.dice.pick(&client.nodes).copied().unwrap_or(1);
        let Some(log) = client.network.running(node) else { continue };
        let number = asked(&mut client, agent, Op::Read);
        let reader = log.reader();
        // Whoever asks keeps no dead node's files open.
        drop(log);
        let seed = client.dice.bits();
        let fresh = tokio::select! {
            fresh = with_seed(seed, reader.is_latest(PATIENCE)) => fresh,
            () = closed(reader.clone()) => false,
        };
        if !fresh {
            continue;
        }
        let Ok(present) = reader.present(Subject::Agent(tenant.agent_id(agent))) else { continue };
        let status = present.status.map(|json| String::from_utf8_lossy(&json).into_owned());
        let Some(standing) = read(&tenant, agent, status.as_deref()) else { continue };
        client.history.note(&format!("client {} at {node}: agent {agent} is {standing:?}", client.number));
        told(&client, agent, number, Ret::Saw(standing));
    }
}

/// What a status says; `None`: the agent has a key that nobody gave it, which no read of the register explains.
fn read(tenant: &Tenant, agent: u64, status: Option<&str>) -> Option<Standing> {
    let Some(status) = status else { return Some(Standing { key: 0, revoked: false }) };
    let has = |key: &usize| {
        status.contains(&format!("\"key\":\"{}\"", tenant.agent_key(agent, *key).public().kid()))
    };
    let key = (1..=KEYS).find(has)?;
    Some(Standing { key, revoked: status.contains("\"status\":\"revoked\"") })
}

fn asked(client: &mut Client, agent: u64, op: Op) -> u64 {
    client.operations += 1;
    let number = u64::from(client.number) << 32 | client.operations;
    let event = Event::Asked { client: client.number, number, op };
    client.seen.facts().registers.entry(agent).or_default().push(event);
    number
}

fn told(client: &Client, agent: u64, number: u64, ret: Ret) {
    let event = Event::Told { client: client.number, number, ret };
    client.seen.facts().registers.entry(agent).or_default().push(event);
}

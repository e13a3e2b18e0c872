//! The staples: everything on the way lives, in the log where it lives, as of after what was done with it.

use std::collections::BTreeMap;

use super::fault::{ChainFault, ChainReason as Reason, must};
use super::links::Link;
use super::load::{Loaded, Stated};
use super::verify::{ChainEnd, ChainFreshness, ChainLog, ChainMoment, ChainQuestion};
use crate::policy::{FUTURE_TOLERANCE_S, Policy};
use crate::record::json::{self, Value};
use crate::record::{Actor, AgentId, RecordHash, TenantId, Ulid};
use crate::status_proof::{Staple, StapleQuestion, StapleVerdict, verify_staple};

/// What must be so in a status.
struct Need<'a> {
    words: &'static [&'static str],
    /// Fields that must hold these texts.
    fields: Vec<(&'static str, String)>,
    /// Records that the subject signed with its key.
    signed: Vec<&'a Stated>,
}

/// All that must live, by log and name.
type Needs<'a> = BTreeMap<(String, String), Need<'a>>;

/// What the statuses say.
pub(super) struct Known {
    pub(super) logs: Vec<ChainLog>,
    pub(super) freshness: ChainFreshness,
    /// What has ended after the receipt.
    pub(super) ended: Vec<ChainEnd>,
}

/// Checks that every grant, agreement, agent and tenant lives, or lived when the receipt was logged; gives what is known of each log.
pub(super) fn check(
    staples: &[Staple],
    loaded: &Loaded,
    links: &[Link<'_>],
    policy: &Policy,
    question: &ChainQuestion<'_>,
) -> Result<Known, ChainFault> {
    let mut given = BTreeMap::new();
    for staple in staples {
        let name = (staple.origin.clone(), staple.subject.clone());
        let is_first = given.insert(name, staple).is_none();
        must(is_first, Reason::SecondStaple, || format!("two staples of {}", staple.subject))?;
    }
    let mut logs: Vec<ChainLog> = Vec::new();
    let (mut freshness, mut ended) = (ChainFreshness::Fresh, Vec::new());
    let receipt = &loaded.receipt;
    for ((origin, subject), need) in needs(loaded, links) {
        let staple = given.get(&(origin.clone(), subject.clone())).ok_or_else(|| {
            ChainFault::new(Reason::NoStaple, format!("no staple says what {subject} is in {origin}"))
        })?;
        let asked =
            StapleQuestion { origin: &origin, subject: &subject, now_s: question.now_s, max_age_s: None };
        let verdict = verify_staple(staple, policy, &asked)
            .map_err(|error| ChainFault::new(Reason::BadStaple, format!("staple of {subject}: {error}")))?;
        check_place(loaded, &origin, &subject, &verdict)?;
        // Indices of two logs have no order: what ended in another one may have ended before.
        let until =
            (question.moment == ChainMoment::Receipt && origin == receipt.origin).then_some(receipt.index);
        if let Some((status, since)) = check_value(&subject, &need, verdict.value.as_deref(), until)? {
            ended.push(ChainEnd { origin: origin.clone(), subject: subject.clone(), status, since });
        }
        freshness = freshness.max(fresh(&verdict, question));
        note(&mut logs, &origin, &verdict);
    }
    Ok(Known { logs, freshness, ended })
}

fn needs<'a>(loaded: &'a Loaded, links: &[Link<'a>]) -> Needs<'a> {
    let mut needs = Needs::new();
    for link in links {
        let (here, there) = (link.stated.origin.as_str(), link.to_origin);
        let (from_tenant, to) = (link.stated.record.tenant, &link.offer.to);
        if let Some(agent) = link.offer.from {
            add_agent(&mut needs, here, agent, from_tenant);
        }
        add_agent(&mut needs, there, to.agent, to.tenant.0);
        add(&mut needs, here, TenantId(from_tenant).to_string(), &["active"], Vec::new());
        add(&mut needs, there, to.tenant.to_string(), &["active"], Vec::new());
        add_grant(&mut needs, link);
        if let Some(hash) = link.offer.agreement {
            add_agreement(&mut needs, here, hash);
        }
    }
    for accept in &loaded.accepts {
        if let crate::record::Body::DelegationAccept(body) = &accept.record.body
            && let Some(hash) = body.agreement
        {
            add_agreement(&mut needs, &accept.origin, hash);
        }
    }
    for stated in loaded.path() {
        let Actor::Agent(agent) = stated.record.actor else { continue };
        if let Some(need) = needs.get_mut(&(stated.origin.clone(), agent.to_string())) {
            need.signed.push(stated);
        }
    }
    needs
}

fn add(
    needs: &mut Needs<'_>,
    origin: &str,
    subject: String,
    words: &'static [&'static str],
    fields: Vec<(&'static str, String)>,
) {
    needs.entry((origin.to_owned(), subject)).or_insert(Need { words, fields, signed: Vec::new() });
}

fn add_agent(needs: &mut Needs<'_>, origin: &str, agent: AgentId, tenant: Ulid) {
    let fields = vec![("tenant", TenantId(tenant).to_string())];
    add(needs, origin, agent.to_string(), &["active"], fields);
}

/// A grant that goes to another log lives in both: where it is offered, and where it is taken.
fn add_grant(needs: &mut Needs<'_>, link: &Link<'_>) {
    let (here, there) = (link.stated.origin.as_str(), link.to_origin);
    let name = link.offer.grant.to_string();
    let fields = vec![("offer", link.stated.hash.to_string()), ("to", link.offer.to.agent.to_string())];
    let words: &[&str] =
        if link.crosses() && here == there { &["accepted"] } else { &["offered", "accepted"] };
    add(needs, here, name.clone(), words, fields.clone());
    if here != there {
        add(needs, there, name, &["accepted"], fields);
    }
}

fn add_agreement(needs: &mut Needs<'_>, origin: &str, hash: RecordHash) {
    add(needs, origin, format!("agreement:{hash}"), &["in_force"], Vec::new());
}

/// A status from before the last step of the chain in that log says nothing about it.
fn check_place(
    loaded: &Loaded,
    origin: &str,
    subject: &str,
    verdict: &StapleVerdict,
) -> Result<(), ChainFault> {
    let last = loaded.path().filter(|stated| stated.origin == origin).map(|stated| stated.index).max();
    let as_of = verdict.state_root.as_of_size;
    must(last.is_none_or(|last| as_of > last), Reason::StapleBehind, || {
        format!(
            "the staple of {subject} knows the first {as_of} entries of {origin}, and the chain goes on to index {}",
            last.unwrap_or_default()
        )
    })
}

/// The subject lives, or ended behind the index `until`; then what it is, and since when.
fn check_value(
    subject: &str,
    need: &Need<'_>,
    value: Option<&[u8]>,
    until: Option<u64>,
) -> Result<Option<(String, u64)>, ChainFault> {
    let ended = |detail: String| ChainFault::new(Reason::NotLive, format!("{subject} {detail}"));
    let fields = match value.map(json::parse) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => return Err(ended("is not known to its log".into())),
    };
    let word = text(&fields, "status").unwrap_or_default();
    let since = number(&fields, "since");
    let is_live = need.words.contains(&word);
    let later = since.filter(|since| !is_live && until.is_some_and(|until| until < *since));
    if !is_live && later.is_none() {
        let since = since.map_or(String::new(), |since| format!(" since index {since}"));
        return Err(ended(format!("is {word}{since}")));
    }
    for (name, want) in &need.fields {
        if text(&fields, name) != Some(want) {
            return Err(ended(format!("is another one: its {name} is not {want}")));
        }
    }
    for stated in &need.signed {
        must(key_fits(&fields, stated), Reason::KeyNotValid, || {
            format!("{}: its log says that key {} was not valid there", stated.what, stated.record.sig.kid)
        })?;
        // By the log's time: whoever has stolen a key writes any other.
        let stolen = number(&fields, "compromised_at").filter(|at| *at <= stated.at_ms);
        must(stolen.is_none(), Reason::KeyNotValid, || {
            format!("{}: its log says that {subject} was in foreign hands by then", stated.what)
        })?;
    }
    Ok(later.map(|since| (word.to_owned(), since)))
}

/// An agent's status tells when its newest keys were valid. Of an older one only the registrations tell.
fn key_fits(fields: &[(String, Value)], stated: &Stated) -> bool {
    let kid = stated.record.sig.kid.to_string();
    let Some(Value::Array(keys)) = field(fields, "keys") else { return true };
    let mut spans = keys.iter().filter_map(|key| match key {
        Value::Object(span) if text(span, "kid") == Some(&kid) => Some(span),
        _ => None,
    });
    let all_listed = number(fields, "key_count").is_some_and(|count| count <= keys.len() as u64);
    spans.next().map_or(!all_listed, |span| {
        number(span, "from").is_some_and(|from| from <= stated.index)
            && number(span, "until").is_none_or(|until| stated.index < until)
    })
}

fn field<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn text<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    match field(fields, name)? {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn number(fields: &[(String, Value)], name: &str) -> Option<u64> {
    match field(fields, name)? {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn fresh(verdict: &StapleVerdict, question: &ChainQuestion<'_>) -> ChainFreshness {
    let Some(max_age_s) = question.max_age_s else { return ChainFreshness::Fresh };
    let is_ahead = |witnessed: u64| witnessed > question.now_s.saturating_add(FUTURE_TOLERANCE_S);
    match (verdict.witnessed_s, verdict.known_s) {
        (Some(witnessed), Some(known)) if !is_ahead(witnessed) => {
            let is_old = question.now_s.saturating_sub(known) > max_age_s;
            if is_old { ChainFreshness::Stale } else { ChainFreshness::Fresh }
        }
        _ => ChainFreshness::Unknown,
    }
}

/// Of each log the least that any of its staples knows.
fn note(logs: &mut Vec<ChainLog>, origin: &str, verdict: &StapleVerdict) {
    let as_of_size = verdict.state_root.as_of_size;
    let (witnessed_s, known_s) = (verdict.witnessed_s, verdict.known_s);
    match logs.iter_mut().find(|log| log.origin == origin) {
        None => logs.push(ChainLog { origin: origin.to_owned(), as_of_size, witnessed_s, known_s }),
        Some(log) => {
            let least = |a: Option<u64>, b: Option<u64>| Some(a?.min(b?));
            log.as_of_size = log.as_of_size.min(as_of_size);
            log.witnessed_s = least(log.witnessed_s, witnessed_s);
            log.known_s = least(log.known_s, known_s);
        }
    }
}

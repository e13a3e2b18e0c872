//! A tenant's policies: `policy.put`, `policy.status`, and which of their rules an action meets.

use std::rc::Rc;

use ledger_format::record::{
    AgentId, AgentType, PolicyCondition, PolicyEffect, PolicyId, PolicyPut, PolicyRule, PolicyState,
    PolicyStatus, Record, RecordHash, RuleRef, Scope, Ulid,
};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::rejection::{Code, Rejection};
use crate::view::View;

/// Most policies of one tenant: a decision looks at all of them.
pub const POLICIES_MAX: usize = 64;

word_parts!(AgentType, PolicyEffect, PolicyState);

value! { part
    /// A condition: see the record's body.
    pub(crate) Condition {
        /// Most calls, window in seconds.
        calls: Option<(u64, u64)>,
        /// Days of the week.
        days: Option<Vec<u64>>,
        /// Most links above.
        depth_max: Option<u64>,
        /// Fewest links above.
        depth_min: Option<u64>,
        /// Part of the day, in minutes.
        minutes: Option<(u64, u64)>,
        /// Currency, most to spend, window in seconds.
        spend: Option<(String, (u64, u64))>,
        /// Highest score.
        trust_max_bp: Option<u64>,
        /// Lowest score.
        trust_min_bp: Option<u64>,
    }
}

value! { part
    /// A rule: see the record's body.
    pub(crate) Rule {
        /// The actions.
        actions: Vec<Scope>,
        /// The types of agents; `None`: all.
        agent_types: Option<Vec<AgentType>>,
        /// The agents; `None`: all.
        agents: Option<Vec<AgentId>>,
        /// What it does.
        effect: PolicyEffect,
        /// When.
        when: Option<Condition>,
    }
}

value! {
    /// A policy.
    pub(crate) Policy {
        /// What people call it.
        name: String,
        /// Smaller comes first.
        priority: u64,
        /// Index of its first version.
        created: u64,
        /// Index of the newest record about it.
        changed: u64,
        /// Hash of the `policy.put` record that is in force.
        put: RecordHash,
        /// Index of that record.
        put_at: u64,
        /// Whether it is looked at.
        state: PolicyState,
        /// Its rules.
        rules: Vec<Rule>,
    }
}

value! {
    /// The tenant that something belongs to.
    pub(crate) Owner {
        /// The tenant.
        tenant: Ulid,
    }
}

pub(crate) fn put<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &PolicyPut,
    hash: RecordHash,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let refuse = |code, message: String, fix: &str| Rejection::new(code, "body.policy", message, fix);
    let owner_key = keys::kept(Kept::PolicyOwner, &body.policy.0.to_bytes(), &[]);
    let key = keys::policy(record.tenant, body.policy);
    let known = batch.get::<Policy>(key.clone())?;
    if known.is_none() {
        if batch.get::<Owner>(owner_key.clone())?.is_some() {
            let message = format!("policy {} belongs to another tenant", body.policy);
            return Err(refuse(Code::PolicyOfOtherTenant, message, "make a new policy id").into());
        }
        if batch.policies(record.tenant)?.len() >= POLICIES_MAX {
            let message = format!("the tenant has {POLICIES_MAX} policies");
            return Err(refuse(Code::TooManyPolicies, message, "put more rules into one policy").into());
        }
        batch.put(owner_key, Owner { tenant: record.tenant });
    }
    let policy = Policy {
        name: body.name.clone(),
        priority: body.priority,
        created: known.map_or(batch.next_index(), |known| known.created),
        changed: batch.next_index(),
        put: hash,
        put_at: batch.next_index(),
        state: PolicyState::Active,
        rules: body.rules.iter().map(Rule::from).collect(),
    };
    batch.put(key, policy);
    Ok(())
}

pub(crate) fn set_status<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &PolicyStatus,
) -> Result<(), Stop> {
    let unknown = || {
        let message = format!("the tenant has no policy {}", body.policy);
        Rejection::new(Code::PolicyUnknown, "body.policy", message, "log policy.put first")
    };
    let key = keys::policy(record.tenant, body.policy);
    let policy = batch.get::<Policy>(key.clone())?.ok_or_else(unknown)?;
    let changed = batch.next_index();
    batch.put(key, Policy { state: body.status, changed, ..Rc::unwrap_or_clone(policy) });
    Ok(())
}

/// A policy as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyAt {
    /// Its id.
    pub policy: PolicyId,
    /// What people call it.
    pub name: String,
    /// Smaller comes first.
    pub priority: u64,
    /// Whether it is looked at.
    pub state: PolicyState,
    /// Index of its first version.
    pub created: u64,
    /// Index of the newest record about it.
    pub changed: u64,
    /// Hash of the `policy.put` record that is in force.
    pub put: RecordHash,
    /// Index of that record.
    pub put_at: u64,
}

impl PolicyAt {
    fn new((policy, at): (PolicyId, Rc<Policy>)) -> Self {
        let Policy { name, priority, created, changed, put, put_at, state, rules: _ } =
            Rc::unwrap_or_clone(at);
        Self { policy, name, priority, state, created, changed, put, put_at }
    }
}

/// A tenant's policies, in the order in which decisions look at them; those that are switched off, too.
///
/// # Errors
/// The state is damaged.
pub fn policies(view: &(impl View + ?Sized), tenant: Ulid) -> Result<Vec<PolicyAt>, Alarm> {
    let mut policies = Batch::new(view)?.policies(tenant)?;
    policies.sort_by_key(|(id, policy)| (policy.priority, policy.created, *id));
    Ok(policies.into_iter().map(PolicyAt::new).collect())
}

/// One of a tenant's policies.
///
/// # Errors
/// The state is damaged.
pub fn policy(view: &(impl View + ?Sized), tenant: Ulid, id: PolicyId) -> Result<Option<PolicyAt>, Alarm> {
    let policy = Batch::new(view)?.get::<Policy>(keys::policy(tenant, id))?;
    Ok(policy.map(|policy| PolicyAt::new((id, policy))))
}

impl From<&PolicyRule> for Rule {
    fn from(rule: &PolicyRule) -> Self {
        Rule {
            actions: rule.actions.clone(),
            agent_types: rule.agent_types.clone(),
            agents: rule.agents.clone(),
            effect: rule.effect,
            when: rule.when.as_ref().map(Condition::from),
        }
    }
}

impl From<&PolicyCondition> for Condition {
    fn from(when: &PolicyCondition) -> Self {
        Condition {
            calls: when.calls.as_ref().map(|rate| (rate.max, rate.window_s)),
            days: when.days.clone(),
            depth_max: when.depth_max,
            depth_min: when.depth_min,
            minutes: when.minutes.as_ref().map(|part| (part.from, part.to)),
            spend: when.spend.as_ref().map(|s| (s.currency.clone(), (s.max_minor, s.window_s))),
            trust_max_bp: when.trust_max_bp,
            trust_min_bp: when.trust_min_bp,
        }
    }
}

impl Rule {
    /// Whether the rule is about this action of this agent.
    pub(crate) fn is_about(&self, action: &Scope, agent: AgentId, agent_type: AgentType) -> bool {
        self.actions.iter().any(|scope| scope.covers(action))
            && self.agents.as_ref().is_none_or(|list| list.contains(&agent))
            && self.agent_types.as_ref().is_none_or(|list| list.contains(&agent_type))
    }

    /// The window in which it counts, in seconds; `None`: it counts nothing.
    pub(crate) fn window_s(&self) -> Option<u64> {
        let when = self.when.as_ref()?;
        when.calls.map(|(_, window)| window).or(when.spend.as_ref().map(|(_, (_, window))| *window))
    }
}

/// A rule where it stands, in its policy.
pub(crate) struct Placed {
    pub(crate) place: RuleRef,
    policy: Rc<Policy>,
}

impl Placed {
    /// The rule.
    pub(crate) fn rule(&self) -> &Rule {
        &self.policy.rules[self.place.place as usize]
    }
}

/// The active policies that a decision looks at: their hashes, sorted, and their rules in the order in which they are looked at.
pub(crate) type Looked = (Vec<RecordHash>, Vec<Placed>);

impl<V: View + ?Sized> Batch<'_, V> {
    /// The tenant's policies by id.
    pub(crate) fn policies(&mut self, tenant: Ulid) -> Result<Vec<(PolicyId, Rc<Policy>)>, Alarm> {
        let (mut from, to) = keys::policies(tenant);
        let mut list = Vec::new();
        while let Some(key) = self.next_key(&from, &to) {
            let corrupt = || Alarm::CorruptState { key: key.clone(), reason: "not a policy's key".into() };
            let id = key.last_chunk::<16>().map(|id| PolicyId(Ulid::from_bytes(*id))).ok_or_else(corrupt)?;
            if let Some(policy) = self.get::<Policy>(key.clone())? {
                list.push((id, policy));
            }
            from = [key.as_slice(), &[0]].concat();
        }
        Ok(list)
    }

    /// The rules that a decision looks at.
    pub(crate) fn rules_of(&mut self, tenant: Ulid) -> Result<Looked, Alarm> {
        let mut policies = self.policies(tenant)?;
        policies.retain(|(_, policy)| policy.state == PolicyState::Active);
        policies.sort_by_key(|(id, policy)| (policy.priority, policy.created, *id));
        let mut hashes: Vec<_> = policies.iter().map(|(_, policy)| policy.put).collect();
        hashes.sort_unstable();
        let rules = policies.iter().flat_map(|(id, policy)| {
            (0..policy.rules.len() as u64)
                .map(move |place| Placed { place: RuleRef { policy: *id, place }, policy: Rc::clone(policy) })
        });
        Ok((hashes, rules.collect()))
    }
}

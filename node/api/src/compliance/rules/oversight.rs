//! People and rules above the agents.

use ledger_format::record::AgentType;

use super::{
    super::{Outcome, Summary, Trail},
    number,
};

/// A policy is in force.
pub(crate) fn policies_are_in_force(summary: &Summary) -> Outcome {
    let policies = summary.policies();
    if !policies.is_empty() {
        let text = format!("{} in force", number(policies.count, "policy").replace("policys", "policies"));
        return Outcome::pass(policies, text);
    }
    match summary.active().next() {
        None => Outcome::nothing("no agent may act"),
        Some(_) => Outcome::fail(agents(summary), "agents may act and no policy is in force"),
    }
}

/// A guardrail stops what goes wrong again and again.
pub(crate) fn breakers_are_set(summary: &Summary) -> Outcome {
    if !summary.guardrails.is_empty() {
        let text = format!("{} defined", number(summary.guardrails.count, "guardrail"));
        return Outcome::pass(&summary.guardrails, text);
    }
    match summary.active().next() {
        None => Outcome::nothing("no agent may act"),
        Some(_) => Outcome::fail(agents(summary), "agents may act and no guardrail is defined"),
    }
}

/// Somebody can say no: a policy asks for approvals, the agents are supervised, or approvals were given.
pub(crate) fn people_can_step_in(summary: &Summary) -> Outcome {
    if !summary.unapproved.is_empty() {
        let text = format!(
            "{} without the approval or decision that was needed",
            number(summary.unapproved.count, "action")
        );
        return Outcome::fail(&summary.unapproved, text);
    }
    if summary.active().next().is_none() {
        return Outcome::nothing("no agent may act");
    }
    let asking = summary.approval_policies();
    let free: Trail = summary
        .active()
        .filter(|agent| agent.agent_type != AgentType::Supervised)
        .map(|agent| agent.registered)
        .collect();
    if free.is_empty() {
        return Outcome::pass(agents(summary), "every active agent is supervised");
    }
    if !asking.is_empty() {
        let text = format!(
            "{} in force that ask for approvals",
            number(asking.count, "policy").replace("policys", "policies")
        );
        return Outcome::pass(asking, text);
    }
    if !summary.approvals.is_empty() {
        return Outcome::pass(
            &summary.approvals,
            format!("{} on record", number(summary.approvals.count, "approval")),
        );
    }
    let text = format!(
        "{} neither supervised nor under a policy that asks for approvals",
        number(free.count, "active agent")
    );
    Outcome::fail(free, text)
}

/// What needed an approval had one.
pub(crate) fn approvals_were_had(summary: &Summary) -> Outcome {
    if !summary.unapproved.is_empty() {
        let text = format!(
            "{} without the approval or decision that was needed",
            number(summary.unapproved.count, "action")
        );
        return Outcome::fail(&summary.unapproved, text);
    }
    let evidence = summary.asked.and(&summary.approvals);
    if evidence.is_empty() {
        return Outcome::nothing("nothing asked for an approval");
    }
    let text = format!(
        "{} asked for an approval, {} given or refused; no action went without",
        number(summary.asked.count, "decision"),
        number(summary.approvals.count, "approval"),
    );
    Outcome::pass(evidence, text)
}

/// Decisions are on record, with what they were made from.
pub(crate) fn decisions_are_recorded(summary: &Summary) -> Outcome {
    if summary.decisions.is_empty() {
        return match summary.actions.is_empty() {
            true => Outcome::nothing("nothing was decided and nothing was done"),
            false => {
                Outcome::fail(&summary.actions, "actions are recorded and no decision that allowed them")
            }
        };
    }
    let text = format!(
        "{}, {} of them denied, each with the policies and rules that decided it",
        number(summary.decisions.count, "decision"),
        summary.denied.count,
    );
    Outcome::pass(&summary.decisions, text)
}

fn agents(summary: &Summary) -> Trail {
    summary.active().map(|agent| agent.registered).collect()
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{
        Actor, Body, Draft, PolicyEffect, PolicyId, PolicyPut, PolicyRule, PolicyState, PolicyStatus, Scope,
        SigningKey, Ulid,
    };
    use ledger_state::Flags;

    use super::super::super::AgentFact;
    use super::super::world::{agent, check, summary, trail};
    use super::*;

    fn add(summary: &mut Summary, index: u64, body: Body) {
        let key = SigningKey::from_seed([7; 32]);
        let record = Draft::new(Ulid(1), Ulid(index.into()), Actor::Operator, 0, body).sign(&key);
        summary.add(index, &record, Flags::NONE);
    }

    fn policy(summary: &mut Summary, index: u64, effect: PolicyEffect) {
        let rule = PolicyRule {
            actions: vec![Scope::parse("*:*").unwrap()],
            agent_types: None,
            agents: None,
            effect,
            when: None,
        };
        let put = PolicyPut {
            name: "p".into(),
            on_behalf_of: Some("key".into()),
            policy: PolicyId(Ulid(5)),
            priority: 1,
            rules: vec![rule],
        };
        add(summary, index, Body::PolicyPut(Box::new(put)));
    }

    fn switch(summary: &mut Summary, index: u64, status: PolicyState) {
        let policy = PolicyId(Ulid(5));
        let status = PolicyStatus { on_behalf_of: Some("key".into()), policy, status };
        add(summary, index, Body::PolicyStatus(Box::new(status)));
    }

    fn governed(effect: PolicyEffect, switches: &[PolicyState]) -> Summary {
        summary(|s| {
            s.agents = vec![agent(3)];
            policy(s, 4, effect);
            switches.iter().zip(5..).for_each(|(state, index)| switch(s, index, *state));
        })
    }

    #[test]
    fn policies() {
        use PolicyState::{Active, Disabled};
        check(
            policies_are_in_force,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.agents = vec![agent(3)]), "fail", &[3]),
                (governed(PolicyEffect::Deny, &[]), "pass", &[4]),
                (governed(PolicyEffect::Deny, &[Disabled]), "fail", &[3]),
                (governed(PolicyEffect::Deny, &[Disabled, Active]), "pass", &[4]),
            ],
        );
    }

    #[test]
    fn guardrails() {
        check(
            breakers_are_set,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.agents = vec![agent(3)]), "fail", &[3]),
                (summary(|s| (s.agents, s.guardrails) = (vec![agent(3)], trail(&[5]))), "pass", &[5]),
            ],
        );
    }

    #[test]
    fn oversight() {
        let supervised = AgentFact { agent_type: AgentType::Supervised, ..agent(3) };
        check(
            people_can_step_in,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.agents = vec![agent(3)]), "fail", &[3]),
                (summary(|s| s.agents = vec![supervised.clone()]), "pass", &[3]),
                (summary(|s| s.agents = vec![supervised.clone(), agent(4)]), "fail", &[4]),
                (governed(PolicyEffect::Approve, &[]), "pass", &[4]),
                (governed(PolicyEffect::Deny, &[]), "fail", &[3]),
                (summary(|s| (s.agents, s.approvals) = (vec![agent(3)], trail(&[6]))), "pass", &[6]),
                (summary(|s| (s.agents, s.unapproved) = (vec![supervised], trail(&[9]))), "fail", &[9]),
            ],
        );
    }

    #[test]
    fn approvals() {
        check(
            approvals_were_had,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| (s.asked, s.approvals) = (trail(&[5]), trail(&[6]))), "pass", &[5, 6]),
                (summary(|s| (s.asked, s.unapproved) = (trail(&[5]), trail(&[7]))), "fail", &[7]),
            ],
        );
    }

    #[test]
    fn decisions() {
        check(
            decisions_are_recorded,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.actions = trail(&[7])), "fail", &[7]),
                (summary(|s| (s.actions, s.decisions) = (trail(&[7]), trail(&[6]))), "pass", &[6]),
            ],
        );
    }
}

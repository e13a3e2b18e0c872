//! Who may do what, and for how long.

use super::{
    super::{Outcome, Summary, Trail},
    number,
};

const DAY_MS: u64 = 86_400_000;
/// Days after which a key should have been replaced.
const KEY_DAYS_MAX: u64 = 90;

/// Every agent is registered, so each action has one identity.
pub(crate) fn registered(summary: &Summary) -> Outcome {
    let agents: Trail = summary.agents.iter().map(|agent| agent.registered).collect();
    if agents.is_empty() {
        return Outcome::nothing("there is no agent");
    }
    let text = format!("{} registered, each with an id and a key of its own", are(agents.count, "agent"));
    Outcome::pass(agents, text)
}

/// No agent may do everything.
pub(crate) fn least_privilege(summary: &Summary) -> Outcome {
    let active: Trail = summary.active().map(|agent| agent.registered).collect();
    let unbounded: Trail =
        summary.active().filter(|agent| agent.unbounded).map(|agent| agent.registered).collect();
    if active.is_empty() {
        return Outcome::nothing("no agent may act");
    }
    if unbounded.is_empty() {
        let text = format!("{}, none with the scope *:*", number(active.count, "active agent"));
        return Outcome::pass(active, text);
    }
    let text =
        format!("{} of {} may do everything (*:*)", unbounded.count, number(active.count, "active agent"));
    Outcome::fail(unbounded, text)
}

/// No action went beyond scopes and grants.
pub(crate) fn within_scope(summary: &Summary) -> Outcome {
    let actions = number(summary.actions.count, "recorded action");
    if summary.actions.is_empty() {
        return Outcome::nothing("no action is recorded");
    }
    if summary.outside.is_empty() {
        return Outcome::pass(&summary.actions, format!("{actions}, none beyond scopes and grants"));
    }
    let text = format!("{} of {actions} went beyond scopes or grants", summary.outside.count);
    Outcome::fail(&summary.outside, text)
}

/// Nothing was done by an agent, in a session or under a grant that had ended.
pub(crate) fn no_action_after_the_end(summary: &Summary) -> Outcome {
    if !summary.after_end.is_empty() {
        let text = format!(
            "{} after the agent, session or grant had ended",
            number(summary.after_end.count, "action")
        );
        return Outcome::fail(&summary.after_end, text);
    }
    if summary.actions.is_empty() && summary.stopped.is_empty() {
        return Outcome::nothing("no action is recorded and no agent was stopped");
    }
    let actions = number(summary.actions.count, "recorded action");
    let text = format!("{actions}; {}; no action came after an end", stops(summary.stopped.count));
    Outcome::pass(summary.stopped.and(&summary.actions), text)
}

/// Access that was taken away stayed away.
pub(crate) fn access_ended(summary: &Summary) -> Outcome {
    if summary.stopped.is_empty() {
        return Outcome::nothing("no agent was suspended, revoked or killed");
    }
    if summary.after_end.is_empty() {
        let text = format!("{}, and no action after one", stops(summary.stopped.count));
        return Outcome::pass(&summary.stopped, text);
    }
    let text = format!("{} after access had ended", number(summary.after_end.count, "action"));
    Outcome::fail(&summary.after_end, text)
}

/// No key is older than 90 days.
pub(crate) fn keys_are_fresh(summary: &Summary) -> Outcome {
    let keys: Trail = summary.active().map(|agent| agent.key_index).collect();
    let old = |key_ms: u64| summary.now_ms.saturating_sub(key_ms) > KEY_DAYS_MAX * DAY_MS;
    let stale: Trail =
        summary.active().filter(|agent| old(agent.key_ms)).map(|agent| agent.key_index).collect();
    if keys.is_empty() {
        return Outcome::nothing("no agent may act");
    }
    if stale.is_empty() {
        let text = format!("{} in use, none older than {KEY_DAYS_MAX} days", number(keys.count, "key"));
        return Outcome::pass(keys, text);
    }
    let text =
        format!("{} of {} in use are older than {KEY_DAYS_MAX} days", stale.count, number(keys.count, "key"));
    Outcome::fail(stale, text)
}

/// No session may last longer than eight hours.
pub(crate) fn sessions_are_short(summary: &Summary) -> Outcome {
    if summary.sessions.is_empty() {
        return Outcome::nothing("no session was opened");
    }
    let sessions = number(summary.sessions.count, "session");
    if summary.long_sessions.is_empty() {
        return Outcome::pass(&summary.sessions, format!("{sessions}, each ends by itself within 8 hours"));
    }
    let text = format!("{} of {sessions} may last longer than 8 hours", summary.long_sessions.count);
    Outcome::fail(&summary.long_sessions, text)
}

fn are(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one} is") } else { format!("{count} {one}s are") }
}

fn stops(count: u64) -> String {
    match count {
        0 => "no access ended".to_owned(),
        1 => "access ended once".to_owned(),
        _ => format!("access ended {count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::AgentFact;
    use super::super::world::{agent, check, summary, trail};
    use super::*;

    #[test]
    fn registration() {
        check(
            registered,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.agents = vec![agent(3), agent(5)]), "pass", &[3, 5]),
            ],
        );
    }

    #[test]
    fn least_privileges() {
        let unbounded = |index| AgentFact { unbounded: true, ..agent(index) };
        let ended = |index| AgentFact { active: false, ..unbounded(index) };
        check(
            least_privilege,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.agents = vec![agent(3)]), "pass", &[3]),
                (summary(|s| s.agents = vec![agent(3), unbounded(5)]), "fail", &[5]),
                (summary(|s| s.agents = vec![agent(3), ended(5)]), "pass", &[3]),
            ],
        );
    }

    #[test]
    fn scopes() {
        check(
            within_scope,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.actions = trail(&[7, 8])), "pass", &[7, 8]),
                (summary(|s| (s.actions, s.outside) = (trail(&[7, 8]), trail(&[8]))), "fail", &[8]),
            ],
        );
    }

    #[test]
    fn ends() {
        let after =
            summary(|s| (s.actions, s.stopped, s.after_end) = (trail(&[7, 9]), trail(&[8]), trail(&[9])));
        let stopped = summary(|s| (s.actions, s.stopped) = (trail(&[7]), trail(&[8])));
        check(
            no_action_after_the_end,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.actions = trail(&[7])), "pass", &[7]),
                (stopped.clone(), "pass", &[7, 8]),
                (after.clone(), "fail", &[9]),
            ],
        );
        check(
            access_ended,
            &[
                (summary(|s| s.actions = trail(&[7])), "not_applicable", &[]),
                (stopped, "pass", &[8]),
                (after, "fail", &[9]),
            ],
        );
    }

    #[test]
    fn keys() {
        let of_age = |days: u64| {
            summary(|s| {
                s.now_ms = 1_000 * DAY_MS;
                s.agents = vec![AgentFact { key_index: 4, key_ms: (1_000 - days) * DAY_MS, ..agent(3) }];
            })
        };
        check(
            keys_are_fresh,
            &[
                (Summary::default(), "not_applicable", &[]),
                (of_age(90), "pass", &[4]),
                (of_age(91), "fail", &[4]),
            ],
        );
    }

    #[test]
    fn sessions() {
        check(
            sessions_are_short,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.sessions = trail(&[6])), "pass", &[6]),
                (summary(|s| (s.sessions, s.long_sessions) = (trail(&[6, 7]), trail(&[7]))), "fail", &[7]),
            ],
        );
    }
}

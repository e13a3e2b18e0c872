//! Whether what was done is on record, and whether the record can be trusted.

use super::{
    super::{Outcome, Summary},
    number,
};

/// Actions and decisions are in the log, and a published checkpoint covers them.
pub(crate) fn actions_are_recorded(summary: &Summary) -> Outcome {
    let recorded = summary.actions.and(&summary.decisions);
    if recorded.is_empty() {
        return Outcome::nothing("no action and no decision is recorded");
    }
    let actions = number(summary.actions.count, "action");
    let decisions = number(summary.decisions.count, "decision");
    match summary.published {
        None => Outcome::fail(
            recorded,
            format!("{actions} and {decisions} are in a log that publishes no checkpoint"),
        ),
        Some(published) => {
            let text = format!(
                "{actions} and {decisions} are recorded; the checkpoint of size {} is published",
                published.size
            );
            Outcome::pass(recorded, text)
        }
    }
}

/// Independent witnesses have seen the log in this state.
pub(crate) fn records_are_witnessed(summary: &Summary) -> Outcome {
    if summary.all.is_empty() {
        return Outcome::nothing("nothing is recorded");
    }
    match summary.published {
        Some(published) if published.witnessed => {
            let text = format!(
                "witnesses have cosigned the checkpoint of size {}: nobody can rewrite what it covers",
                published.size
            );
            Outcome::pass(&summary.all, text)
        }
        Some(published) => {
            let text = format!(
                "no witness has cosigned the checkpoint of size {}: the operator alone vouches for it",
                published.size
            );
            Outcome::fail(&summary.all, text)
        }
        None => Outcome::fail(&summary.all, "no checkpoint is published"),
    }
}

/// Every record is signed and follows the one that its agent made before.
pub(crate) fn records_are_signed(summary: &Summary) -> Outcome {
    if summary.all.is_empty() {
        return Outcome::nothing("nothing is recorded");
    }
    if !summary.broken.is_empty() {
        let text = format!("{} not follow the record that the agent made before", does(summary.broken.count));
        return Outcome::fail(&summary.broken, text);
    }
    let text = format!(
        "{}, each signed; {} of {} by the agent's own key, the others by the operator for a named credential",
        number(summary.all.count, "record"),
        summary.by_agents.count,
        number(summary.actions.count, "action"),
    );
    Outcome::pass(&summary.all, text)
}

fn does(count: u64) -> String {
    if count == 1 { "1 record does".to_owned() } else { format!("{count} records do") }
}

#[cfg(test)]
mod tests {
    use super::super::super::Published;
    use super::super::world::{check, summary, trail};
    use super::*;

    fn published(witnessed: bool) -> Option<Published> {
        Some(Published { size: 9, witnessed })
    }

    #[test]
    fn recording() {
        check(
            actions_are_recorded,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.actions = trail(&[7])), "fail", &[7]),
                (
                    summary(|s| {
                        (s.actions, s.decisions, s.published) = (trail(&[7]), trail(&[6]), published(false))
                    }),
                    "pass",
                    &[6, 7],
                ),
            ],
        );
    }

    #[test]
    fn witnesses() {
        let of = |published| summary(|s| (s.all, s.published) = (trail(&[7]), published));
        check(
            records_are_witnessed,
            &[
                (Summary::default(), "not_applicable", &[]),
                (of(None), "fail", &[7]),
                (of(published(false)), "fail", &[7]),
                (of(published(true)), "pass", &[7]),
            ],
        );
    }

    #[test]
    fn signatures() {
        check(
            records_are_signed,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.all = trail(&[7, 8])), "pass", &[7, 8]),
                (summary(|s| (s.all, s.broken) = (trail(&[7, 8]), trail(&[8]))), "fail", &[8]),
            ],
        );
    }
}

//! The rules: each a question to the summary, used by the controls of several frameworks.

mod access;
mod data;
mod incidents;
mod oversight;
mod records;
#[cfg(test)]
mod world;

pub(super) use access::{
    access_ended, keys_are_fresh, least_privilege, no_action_after_the_end, registered, sessions_are_short,
    within_scope,
};
pub(super) use data::{data_is_known, erasures_are_on_record};
pub(crate) use incidents::answer_within_ms;
pub(super) use incidents::{answered_in_time, closed_within};
pub(super) use oversight::{
    approvals_were_had, breakers_are_set, decisions_are_recorded, people_can_step_in, policies_are_in_force,
};
pub(super) use records::{actions_are_recorded, records_are_signed, records_are_witnessed};

/// `1 action`, `2 actions`.
fn number(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

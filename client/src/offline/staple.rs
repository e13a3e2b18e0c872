//! From the bytes of a staple to the status of its subject.

use ledger_format::{Policy, Staple, StapleFailure, StapleQuestion, StapleVerdict, verify_staple};

use super::{
    sniff::Kind,
    verdict::{Finding, No, Question, Verdict, invalid, read_entry},
};

/// What a valid staple proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFinding {
    /// Name of the subject.
    pub subject: String,
    /// The verifier asked for this subject; otherwise the file chose it.
    pub asked: bool,
    /// Its status, canonical JSON; `None`: the log knows no such subject.
    pub value: Option<Vec<u8>>,
    /// Every change by an entry below this size is in it.
    pub as_of_size: u64,
    /// Index of the `state.root`.
    pub index: u64,
    /// The log's time there, ms since 1970.
    pub log_ms: u64,
    /// When a quorum of witnesses vouched for the checkpoint, seconds since 1970.
    pub witnessed_s: Option<u64>,
}

impl StatusFinding {
    /// No change waited to get into the map when its root was stated.
    pub fn is_complete(&self) -> bool {
        self.as_of_size == self.index
    }
}

/// Judges a staple. Its age counts from when the status was last known to be this.
pub(super) fn judge_staple(bytes: &[u8], question: &Question<'_>) -> Result<Verdict, No> {
    let staple = Staple::parse(bytes).map_err(invalid)?;
    let origin = match question.origin {
        Some(origin) => origin,
        None => only_origin(question.policy)?,
    };
    let subject = question.subject.unwrap_or(&staple.subject);
    let asked = StapleQuestion { origin, subject, now_s: question.now_s, max_age_s: None };
    let verdict = verify_staple(&staple, question.policy, &asked).map_err(refused)?;
    let finding = finding(&staple, verdict, question)?;
    let Some(_) = question.max_age_s else { return Ok(Verdict::Valid(finding)) };
    let asked = StapleQuestion { max_age_s: question.max_age_s, ..asked };
    match verify_staple(&staple, question.policy, &asked) {
        Ok(_) => Ok(Verdict::Valid(finding)),
        Err(StapleFailure::Stale { .. }) => Ok(Verdict::Stale(finding)),
        Err(failure) => Err(refused(failure)),
    }
}

/// The log that the policy trusts. Where it trusts several, a staple of one says nothing about a subject of another.
fn only_origin(policy: &Policy) -> Result<&str, No> {
    let mut origins = policy.logs().iter().map(|log| log.vkey.name());
    let first = origins.next().unwrap_or_default();
    match origins.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => Err(No::CannotJudge(format!(
            "the policy trusts several logs ({first}, {other}, …): say with --origin in which the subject lives"
        ))),
    }
}

fn refused(failure: StapleFailure) -> No {
    match failure {
        StapleFailure::FromTheFuture { .. } | StapleFailure::NoWitnessTime | StapleFailure::Behind { .. } => {
            No::CannotJudge(failure.to_string())
        }
        other => No::Invalid(other.to_string()),
    }
}

fn finding(staple: &Staple, verdict: StapleVerdict, question: &Question<'_>) -> Result<Finding, No> {
    let entry = staple.inclusion.entry().unwrap_or_default();
    let stated = read_entry(&verdict.proven.checkpoint.origin, verdict.proven.index, entry, question)?;
    Ok(Finding {
        kind: Kind::Staple,
        log: verdict.proven.log.name().to_owned(),
        as_of_s: verdict.known_s,
        age_s: verdict.known_s.map(|known| question.now_s.saturating_sub(known)),
        entries: vec![stated],
        status: Some(StatusFinding {
            subject: staple.subject.clone(),
            asked: question.subject.is_some(),
            value: verdict.value,
            as_of_size: verdict.state_root.as_of_size,
            index: verdict.proven.index,
            log_ms: verdict.log_ms,
            witnessed_s: verdict.witnessed_s,
        }),
        checkpoint: verdict.proven.checkpoint,
        cosigners: verdict.proven.cosigners,
    })
}

//! From the bytes of a file to a verdict.

use ledger_format::{
    Checkpoint, CoseProof, CoseReceipt, Hash, MultiProof, Policy, TlogProof, leaf_hash,
    record::{Entry, Record, StateRoot},
    verify,
};

use super::{
    age::{FUTURE_TOLERANCE_S, as_of},
    binding::{Bindings, SignatureFinding},
    sniff::{Kind, later_version, sniff},
    staple::{StatusFinding, judge_staple},
};

/// What the verifier is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom to trust.
    pub policy: &'a Policy,
    /// Keys of actors, with or without proof of whose they are.
    pub bindings: &'a Bindings,
    /// The entry, for a file that does not carry it.
    pub entry: Option<&'a [u8]>,
    /// Whose status is asked for; without it, of whomever a staple names.
    pub subject: Option<&'a str>,
    /// The log in which that subject lives; without it, the only one of the policy.
    pub origin: Option<&'a str>,
    /// Oldest acceptable quorum of cosignatures, in seconds. A status: longest time since it is no longer known.
    pub max_age_s: Option<u64>,
    /// The verifier's clock, seconds since 1970.
    pub now_s: u64,
}

/// The answer for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proven.
    Valid(Finding),
    /// Proven, but older than asked for.
    Stale(Finding),
    /// Not proven: the file is wrong.
    Invalid(String),
    /// What is at hand does not suffice for an answer.
    CannotJudge(String),
}

/// What a valid file proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Format of the file.
    pub kind: Kind,
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// Name of the log's key.
    pub log: String,
    /// Witnesses by name, with the time each stated, seconds since 1970.
    pub cosigners: Vec<(String, u64)>,
    /// Since when a whole quorum vouches; see [`as_of`].
    pub as_of_s: Option<u64>,
    /// That time's distance from the verifier's clock.
    pub age_s: Option<u64>,
    /// The entries, in the order of the file.
    pub entries: Vec<Stated>,
    /// What a staple says of its subject.
    pub status: Option<StatusFinding>,
}

/// One proven entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// What its record says; `None` for an entry that holds no record of ours.
    pub record: Option<RecordFacts>,
    /// What the log itself states there, if it does instead of a record: the root of its status map.
    pub state_root: Option<StateRoot>,
}

/// What a proven record states, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// E.g. `receipt.action`.
    pub type_name: &'static str,
    /// Its id.
    pub id: String,
    /// Its tenant.
    pub tenant: String,
    /// `maip-agent:…`, `tenant` or `operator`.
    pub actor: String,
    /// For whom the operator signed.
    pub on_behalf_of: Option<String>,
    /// Id of the key that signed.
    pub kid: String,
    /// What is known about that signature.
    pub signature: SignatureFinding,
    /// The log's time, ms.
    pub log_ms: u64,
    /// The actor's clock, ms; informative.
    pub actor_ms: u64,
}

/// Judges one file.
pub fn verify_file(bytes: &[u8], question: &Question<'_>) -> Verdict {
    let judged = match sniff(bytes) {
        Some(Kind::Staple) => return judge_staple(bytes, question).unwrap_or_else(Verdict::from),
        Some(kind) if question.subject.is_some() => Err(No::CannotJudge(format!(
            "a status was asked for, and this file is a {}: take a staple, `maip proof status`",
            kind.name()
        ))),
        Some(Kind::Proof) => judge_proof(bytes, question),
        Some(Kind::MultiProof) => judge_multi_proof(bytes, question),
        Some(Kind::Cose) => judge_cose(bytes, question),
        Some(Kind::Chain) => Err(No::CannotJudge("a chain is judged as a whole, not as one proof".into())),
        None => Err(unknown(bytes)),
    };
    judged.and_then(|finding| check_age(finding, question)).unwrap_or_else(Verdict::from)
}

/// What to say of a file in none of the forms.
fn unknown(bytes: &[u8]) -> No {
    match later_version(bytes) {
        Some(form) => No::CannotJudge(format!(
            "its form is {form}, a later one than this program knows: verify it with a newer maip"
        )),
        None => No::Invalid(
            "this is not a proof: neither a .tlog-proof, nor a multi-proof, nor a COSE receipt, nor a staple, nor a chain"
                .into(),
        ),
    }
}

/// Why a file proves nothing.
pub(super) enum No {
    Invalid(String),
    CannotJudge(String),
}

impl From<No> for Verdict {
    fn from(no: No) -> Self {
        match no {
            No::Invalid(why) => Self::Invalid(why),
            No::CannotJudge(why) => Self::CannotJudge(why),
        }
    }
}

pub(super) fn invalid(why: impl ToString) -> No {
    No::Invalid(why.to_string())
}

fn judge_proof(bytes: &[u8], question: &Question<'_>) -> Result<Finding, No> {
    let proof = TlogProof::parse(bytes).map_err(invalid)?;
    let entry = match (proof.extra.as_deref(), question.entry) {
        (_, Some(entry)) => entry,
        (Some(extra), None) => extra,
        (None, None) => {
            return Err(No::CannotJudge(
                "the file does not hold its entry: give it with --entry FILE".into(),
            ));
        }
    };
    let proven = verify(entry, &proof, question.policy).map_err(invalid)?;
    let as_of_s = as_of(question.policy, &proof.note, &proven.cosigners);
    let stated = read_entry(&proven.checkpoint.origin, proven.index, entry, question)?;
    Ok(Finding {
        kind: Kind::Proof,
        checkpoint: proven.checkpoint,
        log: proven.log.name().to_owned(),
        cosigners: proven.cosigners,
        as_of_s,
        age_s: None,
        entries: vec![stated],
        status: None,
    })
}

fn judge_multi_proof(bytes: &[u8], question: &Question<'_>) -> Result<Finding, No> {
    let proof = MultiProof::parse(bytes).map_err(invalid)?;
    let witnessed = proof.verify(question.policy).map_err(invalid)?;
    let as_of_s = as_of(question.policy, &proof.note, &witnessed.cosigners);
    let entries = proof
        .entries
        .iter()
        .map(|(index, entry)| read_entry(&witnessed.checkpoint.origin, *index, entry, question))
        .collect::<Result<_, _>>()?;
    Ok(Finding {
        kind: Kind::MultiProof,
        checkpoint: witnessed.checkpoint,
        log: witnessed.log.name().to_owned(),
        cosigners: witnessed.cosigners,
        as_of_s,
        age_s: None,
        entries,
        status: None,
    })
}

/// A receipt carries the log's signature only, so it answers only a policy that asks for no witness.
fn judge_cose(bytes: &[u8], question: &Question<'_>) -> Result<Finding, No> {
    let receipt = CoseReceipt::parse(bytes).map_err(invalid)?;
    let CoseProof::Inclusion { size, index, .. } = receipt.proof else {
        return Err(No::CannotJudge(
            "this receipt proves consistency of two trees, not an entry: use `maip consistency`".into(),
        ));
    };
    let Some(entry) = question.entry else {
        return Err(No::CannotJudge(
            "a COSE receipt does not hold its entry: give it with --entry FILE".into(),
        ));
    };
    let mut logs = question.policy.logs().iter().map(|l| &l.vkey);
    let Some(log) = logs.find(|vkey| vkey.key_id() == receipt.key_id) else {
        return Err(invalid(format!("the policy lists no log with key {}", receipt.key_id)));
    };
    let root = receipt.verify_inclusion(entry, log).map_err(invalid)?;
    if !question.policy.needs_no_witness() {
        return Err(No::CannotJudge(format!(
            "{} signed a tree of {size} entries that holds entry {index}, but a receipt carries no witness and the \
             policy asks for {}: take a .tlog-proof",
            log.name(),
            question.policy.quorum()
        )));
    }
    Ok(Finding {
        kind: Kind::Cose,
        checkpoint: Checkpoint::new(log.name(), size, root),
        log: log.name().to_owned(),
        cosigners: Vec::new(),
        as_of_s: None,
        age_s: None,
        entries: vec![read_entry(log.name(), index, entry, question)?],
        status: None,
    })
}

/// Reads the record in a proven entry. The log proves that it was logged; the bindings say who stated it.
pub(super) fn read_entry(
    origin: &str,
    index: u64,
    entry: &[u8],
    question: &Question<'_>,
) -> Result<Stated, No> {
    let leaf = leaf_hash(entry);
    let parsed = Entry::parse(entry).ok().and_then(|e| Some((e.at, Record::parse(e.record).ok()?)));
    let Some((log_ms, record)) = parsed else {
        let state_root = Entry::parse(entry).ok().and_then(|entry| entry.state_root()?.ok());
        return Ok(Stated { index, leaf, record: None, state_root });
    };
    let signature = question.bindings.judge(origin, index, &record).map_err(|why| {
        invalid(format!("entry {index} is in the log, but its record is not signed as it says: {why}"))
    })?;
    if signature == SignatureFinding::Unchecked && question.bindings.has_given_keys() {
        return Err(invalid(format!(
            "entry {index} is in the log, but its record is signed by key {}, not by the key given",
            record.sig.kid
        )));
    }
    let facts = RecordFacts {
        type_name: record.type_name(),
        id: record.id.to_string(),
        tenant: record.tenant.to_string(),
        actor: record.actor.to_string(),
        on_behalf_of: record.body.on_behalf_of().map(str::to_owned),
        kid: record.sig.kid.to_string(),
        signature,
        log_ms,
        actor_ms: record.at,
    };
    Ok(Stated { index, leaf, record: Some(facts), state_root: None })
}

fn check_age(mut finding: Finding, question: &Question<'_>) -> Result<Verdict, No> {
    finding.age_s = finding.as_of_s.map(|time| question.now_s.saturating_sub(time));
    let Some(max) = question.max_age_s else { return Ok(Verdict::Valid(finding)) };
    match (finding.as_of_s, finding.age_s) {
        (Some(time), _) if time > question.now_s.saturating_add(FUTURE_TOLERANCE_S) => {
            Err(No::CannotJudge(format!(
                "the witnesses' time is {} s ahead of this machine's clock: one of them is wrong",
                time - question.now_s
            )))
        }
        (_, Some(age)) if age <= max => Ok(Verdict::Valid(finding)),
        (_, Some(_)) => Ok(Verdict::Stale(finding)),
        (_, None) => Err(No::CannotJudge(
            "no witness states a time, so the age is unknown: the policy asks for none".into(),
        )),
    }
}

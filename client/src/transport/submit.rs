//! The calls of the `Ledger` service, each answer checked against what was asked.

use std::time::Duration;

use bytes::Bytes;
use ledger_format::{
    Hash, Note, TlogProof, leaf_hash,
    record::{Entry, Record},
    verify_inclusion,
};
use ledger_proto::v1::{self, Ack};
use tonic::Request;

use super::Nodes;
use crate::error::{ClientError, Refused};

/// Most records of one batch call.
pub const BATCH_MAX: usize = 256;
/// How often the records of a batch that were refused for the moment (no leader, busy) are sent again.
const BATCH_ROUNDS_MAX: usize = 8;
/// Pause before they are sent again when the node does not name one.
const BATCH_PAUSE: Duration = Duration::from_millis(200);
/// What the transport waits beyond the time the server was given.
const GRACE: Duration = Duration::from_secs(5);

/// A record that is in the log.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Its place in the log, final.
    pub index: u64,
    /// The log's time of the entry, ms.
    pub log_ms: u64,
    /// The same record had been logged before, at this index.
    pub duplicate: bool,
    /// The level that was reached.
    pub ack: Ack,
    /// The entry's exact bytes, rebuilt here from the record.
    pub entry: Vec<u8>,
    /// Its leaf hash, computed here and equal to the node's.
    pub leaf: Hash,
    /// The proof file's bytes, when the level gives one; its entry and its path are checked, its signatures are not.
    pub proof: Option<Vec<u8>>,
}

/// How to find one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its place.
    Index(u64),
    /// By the id of its record, in a tenant (may be empty where the id alone decides).
    Record {
        /// ULID, with or without a prefix.
        id: String,
        /// ULID, with or without a prefix.
        tenant: String,
    },
}

impl Nodes {
    /// Submits one record and waits for `ack`, at most `timeout`.
    ///
    /// # Errors
    /// [`ClientError::NotARecord`] before anything is sent; a refusal; no node; or a node whose leaf hash or proof is
    /// not that of this record.
    pub async fn submit(
        &self,
        log: &str,
        record: &[u8],
        ack: Ack,
        timeout: Duration,
    ) -> Result<Submitted, ClientError> {
        Record::parse(record).map_err(|e| ClientError::NotARecord(e.to_string()))?;
        let message = v1::SubmitRequest {
            log: log.into(),
            record: Bytes::copy_from_slice(record),
            ack: ack.into(),
            timeout_ms: ms(timeout),
        };
        let answer =
            self.ledger(async |mut c| c.submit(self.with_key(timed(message.clone(), timeout))).await).await?;
        checked(self.preferred_url(), record, answer)
    }

    /// Submits up to [`BATCH_MAX`] records; the results come in their order. Records that were refused only for the
    /// moment are sent again a few times.
    ///
    /// # Errors
    /// When no node answers, or one answers wrongly. A refused record is a result, not an error.
    pub async fn submit_batch(
        &self,
        log: &str,
        records: &[Vec<u8>],
        ack: Ack,
        timeout: Duration,
    ) -> Result<Vec<Result<Submitted, Refused>>, ClientError> {
        assert!(records.len() <= BATCH_MAX, "a batch holds at most {BATCH_MAX} records");
        let mut results: Vec<Option<Result<Submitted, Refused>>> = records.iter().map(|_| None).collect();
        for _ in 0..BATCH_ROUNDS_MAX {
            let open: Vec<usize> = (0..records.len()).filter(|&i| is_open(results[i].as_ref())).collect();
            if open.is_empty() {
                break;
            }
            if let Some(Some(Err(refused))) = open.first().map(|&i| &results[i]) {
                let pause = Duration::from_millis(refused.retry_after_ms.into()).max(BATCH_PAUSE);
                tokio::time::sleep(pause).await;
            }
            let message = v1::SubmitBatchRequest {
                log: log.into(),
                records: open.iter().map(|&i| Bytes::copy_from_slice(&records[i])).collect(),
                ack: ack.into(),
                timeout_ms: ms(timeout),
            };
            let answer = self
                .ledger(async |mut c| c.submit_batch(self.with_key(timed(message.clone(), timeout))).await)
                .await?;
            self.sort_in(records, &open, answer, &mut results)?;
        }
        Ok(results.into_iter().map(|r| r.expect("every record was sent in the first round")).collect())
    }

    fn sort_in(
        &self,
        records: &[Vec<u8>],
        open: &[usize],
        answer: v1::SubmitBatchResponse,
        results: &mut [Option<Result<Submitted, Refused>>],
    ) -> Result<(), ClientError> {
        let url = self.preferred_url();
        if answer.results.len() != open.len() {
            let reason = format!("{} results for {} records", answer.results.len(), open.len());
            return Err(ClientError::Dishonest { url: url.into(), reason });
        }
        for (&i, result) in open.iter().zip(answer.results) {
            results[i] = Some(match result.result {
                Some(v1::submit_result::Result::Ok(ok)) => Ok(checked(url, &records[i], ok)?),
                Some(v1::submit_result::Result::Refused(refusal)) => Err(refusal.into()),
                None => {
                    let reason = "a result that is neither accepted nor refused".into();
                    return Err(ClientError::Dishonest { url: url.into(), reason });
                }
            });
        }
        Ok(())
    }

    /// The bytes of one entry and its index, unproven: only a proof ties them to a checkpoint.
    ///
    /// # Errors
    /// No such entry, or no node.
    pub async fn entry(&self, log: &str, which: &Which) -> Result<(u64, Vec<u8>), ClientError> {
        use v1::get_entry_request::Which as W;
        let (w, tenant) = match which {
            Which::Index(index) => (W::Index(*index), String::new()),
            Which::Record { id, tenant } => (W::RecordId(id.clone()), tenant.clone()),
        };
        let message = v1::GetEntryRequest { log: log.into(), which: Some(w), tenant };
        let answer = self.ledger(async |mut c| c.get_entry(message.clone()).await).await?;
        if let Which::Index(index) = which
            && answer.index != *index
        {
            let reason = format!("entry {} when asked for {index}", answer.index);
            return Err(ClientError::Dishonest { url: self.preferred_url().into(), reason });
        }
        Ok((answer.index, answer.entry.to_vec()))
    }

    /// The proof file of one entry: its entry is in its checkpoint's tree. Signatures are the policy's business.
    ///
    /// # Errors
    /// No such entry (or not published and `wait` is not set), no node, or a proof that does not hold.
    pub async fn proof(
        &self,
        log: &str,
        which: &Which,
        wait: Option<Duration>,
    ) -> Result<Vec<u8>, ClientError> {
        use v1::get_proof_request::Which as W;
        let (w, tenant) = match which {
            Which::Index(index) => (W::Index(*index), String::new()),
            Which::Record { id, tenant } => (W::RecordId(id.clone()), tenant.clone()),
        };
        let message = v1::GetProofRequest {
            log: log.into(),
            which: Some(w),
            tenant,
            wait: wait.is_some(),
            timeout_ms: wait.map_or(0, ms),
        };
        let timeout = wait.unwrap_or_default();
        let answer = self.ledger(async |mut c| c.get_proof(timed(message.clone(), timeout)).await).await?;
        let dishonest = |reason| ClientError::Dishonest { url: self.preferred_url().into(), reason };
        let (index, _) = check_path(&answer.proof).map_err(dishonest)?;
        if let Which::Index(asked) = which
            && index != *asked
        {
            return Err(dishonest(format!("a proof of entry {index} when asked for {asked}")));
        }
        Ok(answer.proof.to_vec())
    }

    /// The latest published checkpoint, at least `min_size` entries large.
    ///
    /// # Errors
    /// No node, or no such checkpoint within `timeout`.
    pub async fn checkpoint(
        &self,
        log: &str,
        min_size: u64,
        timeout: Duration,
    ) -> Result<Vec<u8>, ClientError> {
        let message = v1::GetCheckpointRequest { log: log.into(), min_size, timeout_ms: ms(timeout) };
        let answer =
            self.ledger(async |mut c| c.get_checkpoint(timed(message.clone(), timeout)).await).await?;
        Ok(answer.checkpoint.to_vec())
    }

    /// A consistency proof between two sizes with the latest checkpoint, unverified.
    ///
    /// # Errors
    /// No node, or sizes beyond the published one.
    pub async fn consistency(
        &self,
        log: &str,
        old_size: u64,
        new_size: u64,
    ) -> Result<v1::GetConsistencyResponse, ClientError> {
        let message = v1::GetConsistencyRequest { log: log.into(), old_size, new_size };
        self.ledger(async |mut c| c.get_consistency(message.clone()).await).await
    }

    /// Published entries from `from` on; with `follow` without end.
    ///
    /// # Errors
    /// No node.
    pub async fn tail(
        &self,
        log: &str,
        from: u64,
        follow: bool,
    ) -> Result<tonic::Streaming<v1::TailResponse>, ClientError> {
        let message = v1::TailRequest { log: log.into(), from, follow };
        self.ledger(async |mut c| c.tail(message.clone()).await).await
    }
}

fn is_open(result: Option<&Result<Submitted, Refused>>) -> bool {
    match result {
        None => true,
        Some(Err(refused)) => refused.is_transient(),
        Some(Ok(_)) => false,
    }
}

pub(super) fn ms(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

pub(super) fn timed<M>(message: M, timeout: Duration) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(timeout + GRACE);
    request
}

/// Rebuilds the entry from the record that was sent and holds the answer against it.
fn checked(url: &str, record: &[u8], answer: v1::SubmitResponse) -> Result<Submitted, ClientError> {
    let dishonest = |reason: String| ClientError::Dishonest { url: url.into(), reason };
    let entry = Entry::encode(answer.log_ms, record);
    let leaf = leaf_hash(&entry);
    if answer.leaf_hash[..] != leaf.0 {
        return Err(dishonest(format!(
            "the leaf hash at index {} is not that of the record sent",
            answer.index
        )));
    }
    let ack = Ack::try_from(answer.ack).unwrap_or(Ack::Sequenced);
    let proof = (!answer.proof.is_empty()).then(|| answer.proof.to_vec());
    if let Some(bytes) = &proof {
        let (index, proven) = check_path(bytes).map_err(dishonest)?;
        if index != answer.index || proven != leaf {
            return Err(dishonest(format!("its proof is of another entry than index {}", answer.index)));
        }
    }
    Ok(Submitted {
        index: answer.index,
        log_ms: answer.log_ms,
        duplicate: answer.duplicate,
        ack,
        entry,
        leaf,
        proof,
    })
}

/// The entry in a proof file lies in its checkpoint's tree. Says nothing about who signed the checkpoint.
fn check_path(bytes: &[u8]) -> Result<(u64, Hash), String> {
    let proof = TlogProof::parse(bytes).map_err(|e| format!("not a proof file: {e}"))?;
    let entry = proof.extra.as_deref().ok_or("the proof file holds no entry")?;
    let leaf = leaf_hash(entry);
    let checkpoint = checkpoint_of(&proof.note)?;
    verify_inclusion(leaf, proof.index, checkpoint.size, &proof.hashes, checkpoint.root)
        .map_err(|e| format!("the proof does not hold: {e}"))?;
    Ok((proof.index, leaf))
}

fn checkpoint_of(note: &Note) -> Result<ledger_format::Checkpoint, String> {
    ledger_format::Checkpoint::parse(note.text()).map_err(|e| format!("not a checkpoint: {e}"))
}

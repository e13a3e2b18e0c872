//! A log on the way of a chain: nodes that are asked by gRPC, or published files that anybody may read.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use ledger_client::{
    Nodes, Source, SourceError,
    source::{CHECKPOINT_BYTES_MAX, Tiles, bundles, read_bundle, split_bundle},
    transport::{Which, check_staple},
};
use ledger_format::{
    Checkpoint, Note, Staple, TILE_WIDTH, TileHashReader, TlogProof, leaf_hash, prove_inclusion,
    record::{Entry, Record},
    status_proof::STAPLE_BYTES_MAX,
    verify_inclusion,
};
use serde_json::Value;

use crate::command::{Failure, Global};

/// Between two looks for a newer staple: a log seals about once a second.
const SEAL_POLL: Duration = Duration::from_millis(500);

/// Published files, and whoever may be asked from any thread.
pub(crate) type Files = Box<dyn Source + Send + Sync>;

/// A log, and where it is read.
pub(super) struct LogAt<'f> {
    pub(super) origin: String,
    door: Door<'f>,
    timeout: Duration,
    /// Entries that were read lie below: a status from before the last of them says too little.
    read: Cell<u64>,
}

enum Door<'f> {
    /// Nodes, and what they call the log.
    Nodes(Nodes, String),
    /// A monitoring prefix, and the checkpoint under which everything is proven.
    Files { files: &'f Files, note: Note, size: u64 },
}

/// A record and its proof.
pub(super) struct Found {
    pub(super) proof: TlogProof,
    pub(super) record: Record,
}

/// The log's files, if the options name its monitoring prefix. Not inside an async runtime.
pub(crate) fn files(global: &Global) -> Result<Option<Files>, Failure> {
    if global.is_prefix() { global.source(None).map(Some) } else { Ok(None) }
}

impl<'f> LogAt<'f> {
    /// Connects, and asks the log what its origin is.
    pub(super) async fn open(global: &Global, files: Option<&'f Files>) -> Result<Self, Failure> {
        let bad = |why: String| Failure::no("the log's checkpoint cannot be used").why(why);
        let (bytes, nodes) = match files {
            Some(files) => (blocking(|| files.fetch("checkpoint", CHECKPOINT_BYTES_MAX))?, None),
            None => {
                let nodes = global.nodes()?;
                (nodes.checkpoint(&global.log, 1, global.timeout).await?, Some(nodes))
            }
        };
        let note = Note::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        let Checkpoint { origin, size, .. } =
            Checkpoint::parse(note.text()).map_err(|e| bad(e.to_string()))?;
        let door = match (nodes, files) {
            (None, Some(files)) => Door::Files { files, note, size },
            (Some(nodes), _) => Door::Nodes(nodes, global.log.clone()),
            (None, None) => return Err(bad("nobody has given it".into())),
        };
        Ok(Self { origin, door, timeout: global.timeout, read: Cell::new(0) })
    }

    /// A record with its proof.
    pub(super) async fn proof(&self, which: &Which) -> Result<Found, Failure> {
        let bad = |why: String| {
            Failure::no("the proof of an entry does not hold").why(why).next("ask another node")
        };
        let proof = match &self.door {
            Door::Nodes(nodes, name) => {
                let bytes = nodes.proof(name, which, Some(self.timeout)).await?;
                TlogProof::parse(&bytes).map_err(|e| bad(e.to_string()))?
            }
            Door::Files { files, note, size } => {
                let Which::Index(index) = *which else {
                    return Err(Failure::cannot("published files are not searched for the id of a record")
                        .next("give the receipt's index"));
                };
                blocking(|| prove(files, note, *size, index))?
            }
        };
        let entry = Entry::parse(proof.entry().unwrap_or_default()).map_err(|e| bad(e.to_string()))?;
        let record = Record::parse(entry.record).map_err(|e| bad(e.to_string()))?;
        self.read.set(self.read.get().max(proof.index + 1));
        Ok(Found { proof, record })
    }

    /// What a subject is now: where its records are follows from it. Each is held against its proof afterwards.
    pub(super) async fn status(&self, subject: &str) -> Result<Value, Failure> {
        let status = match &self.door {
            Door::Nodes(nodes, name) => nodes.status(name, subject, false, self.timeout).await?.status,
            Door::Files { files, .. } => {
                let (min_size, timeout) = (self.read.get(), self.timeout);
                let staple = blocking(|| sealed(files, subject, min_size, true, timeout))?;
                staple.value().unwrap_or_default().to_vec().into()
            }
        };
        if status.is_empty() {
            return Err(Failure::no(format!("{} knows no {subject}", self.origin)));
        }
        serde_json::from_slice(&status)
            .map_err(|e| Failure::no("the log's status is not JSON").why(e).next("ask another node"))
    }

    /// The staple of a subject that holds every change by an entry below that size.
    pub(super) async fn staple(&self, subject: &str, min_size: u64) -> Result<Staple, Failure> {
        match &self.door {
            Door::Nodes(nodes, name) => Ok(nodes.staple(name, subject, min_size, self.timeout).await?),
            Door::Files { files, .. } => {
                let timeout = self.timeout;
                blocking(|| sealed(files, subject, min_size, false, timeout))
            }
        }
    }
}

/// Published files are read by blocking calls, each of which brings a runtime of its own along.
pub(crate) fn blocking<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// An entry and its path, from bundles and tiles.
fn prove(files: &Files, note: &Note, size: u64, index: u64) -> Result<TlogProof, Failure> {
    let unpublished =
        || Failure::cannot(format!("entry {index} is not published: the checkpoint has {size} entries"));
    let id = bundles(index, size).next().filter(|_| index < size).ok_or_else(unpublished)?;
    let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
    let entry = split_bundle(id, &read_bundle(files, id)?)?.into_iter().nth(place).ok_or_else(unpublished)?;
    let tiles = Tiles(files);
    let hashes = prove_inclusion(&TileHashReader::new(&tiles, size), index, size)
        .map_err(|e| Failure::no("the log's files do not give a proof").why(e))?;
    let bad = |why: String| Failure::no("the log's files do not belong to its checkpoint").why(why);
    let root = Checkpoint::parse(note.text()).map_err(|e| bad(e.to_string()))?.root;
    verify_inclusion(leaf_hash(&entry), index, size, &hashes, root).map_err(|e| bad(e.to_string()))?;
    Ok(TlogProof { extra: Some(entry), index, hashes, note: note.clone() })
}

/// A staple that knows the first `min_size` entries and, if it must, the subject. Waits for the log to seal it.
pub(crate) fn sealed(
    files: &Files,
    subject: &str,
    min_size: u64,
    known: bool,
    timeout: Duration,
) -> Result<Staple, Failure> {
    let bad = |why: String| Failure::no("the log's staple does not hold").why(why).next("ask another node");
    let deadline = Instant::now() + timeout;
    loop {
        let late = Instant::now() >= deadline;
        match files.fetch(&format!("status/{subject}"), STAPLE_BYTES_MAX) {
            // A log that has sealed nothing yet says so with 503.
            Err(SourceError::Unreachable { .. }) if !late => {}
            Err(error) => return Err(error.into()),
            Ok(bytes) => {
                let staple = Staple::parse(&bytes).map_err(|e| bad(e.to_string()))?;
                check_staple(&staple, subject).map_err(bad)?;
                let is_new = staple.state_root().is_some_and(|root| root.as_of_size >= min_size);
                if is_new && (late || !known || staple.value().is_some()) {
                    return Ok(staple);
                }
                if late {
                    let what = format!("no staple of {subject} knows the first {min_size} entries yet");
                    return Err(Failure::cannot(what).next("ask again, or wait longer with --timeout"));
                }
            }
        }
        thread::sleep(SEAL_POLL);
    }
}

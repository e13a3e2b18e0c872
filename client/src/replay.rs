//! Replay: the state of a log from its published entries alone, and answers from it.
//!
//! ```text
//!   checkpoint ---> signed, witnessed? ---> entries ---> replay (form, signatures, rules) ---> root equal? ---> questions
//! ```
//!
//! Whoever replays needs nobody's word: every answer follows from entries that the log has signed. Memory: about 300 bytes an entry.

use ledger_format::{
    Checkpoint, Hash, Note, Policy, TILE_WIDTH, TileHashReader, prove_subtree, record::AgentId,
    record::SessionId, verify_subtree,
};
use ledger_state::{AgentStatus, MemoryState, ReplayError, Replayer};
use serde_json::{Value, json};

use crate::source::{
    BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, Source, SourceError, Tiles, bundles, read_bundle, split_bundle,
};

/// How many bundles are fetched before their entries are replayed.
const BUNDLES_AHEAD: usize = 16;

/// Why a log could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayTrouble {
    /// A file could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint is not one that the policy accepts.
    #[error("the checkpoint is not accepted: {0}")]
    Checkpoint(String),
    /// More entries were asked for than the checkpoint covers.
    #[error("the checkpoint covers {size} entries, not {wanted}")]
    TooFar {
        /// Entries covered.
        size: u64,
        /// Entries asked for.
        wanted: u64,
    },
    /// An entry is not what an honest log would hold, or was changed on the way: the first one that is wrong.
    #[error(transparent)]
    Entry(#[from] ReplayError),
    /// The entries are not those of the signed tree.
    #[error("the first {size} entries give another root than the tree that the log signed")]
    OtherRoot {
        /// Entries replayed.
        size: u64,
    },
    /// The tiles do not show that the entries begin the signed tree.
    #[error("the tiles do not connect the first {size} entries with the signed tree: {reason}")]
    Tiles {
        /// Entries replayed.
        size: u64,
        /// What is wrong with them.
        reason: String,
    },
}

/// A log, replayed up to some size.
#[derive(Debug)]
pub struct Replayed {
    checkpoint: Checkpoint,
    state: MemoryState,
}

/// Replays the first `to` entries of a log, or all that its checkpoint covers. `progress` is told how many of how many are done.
///
/// # Errors
/// The first thing that is wrong; of entries, the first wrong one is named.
pub fn replay<S: Source>(
    source: &S,
    policy: &Policy,
    to: Option<u64>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Replayed, ReplayTrouble> {
    let bytes = source.fetch("checkpoint", CHECKPOINT_BYTES_MAX)?;
    let refuse = |reason: String| ReplayTrouble::Checkpoint(reason);
    let note = Note::parse(&bytes).map_err(|e| refuse(e.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| refuse(e.to_string()))?;
    policy.check(&note).map_err(|e| refuse(e.to_string()))?;
    let size = to.unwrap_or(checkpoint.size);
    if size > checkpoint.size {
        return Err(ReplayTrouble::TooFar { size: checkpoint.size, wanted: size });
    }
    let mut replayer = Replayer::new();
    let ids: Vec<_> = bundles(0, checkpoint.size).take_while(|id| id.index * TILE_WIDTH < size).collect();
    for chunk in ids.chunks(BUNDLES_AHEAD) {
        let paths: Vec<_> = chunk.iter().map(|id| id.path()).collect();
        for (&id, answer) in chunk.iter().zip(source.fetch_many(&paths, BUNDLE_BYTES_MAX)) {
            let bytes = match answer {
                // The log may have grown past a partial bundle meanwhile.
                Err(SourceError::Missing { .. }) => read_bundle(source, id)?,
                other => other?,
            };
            for (index, entry) in (id.index * TILE_WIDTH..size).zip(split_bundle(id, &bytes)?) {
                replayer.push(index, &entry)?;
            }
        }
        progress(replayer.size(), size);
    }
    belongs(source, &checkpoint, size, replayer.root())?;
    Ok(Replayed { checkpoint, state: replayer.into_state() })
}

/// Whether `root` is that of the first `size` leaves of the signed tree.
fn belongs<S: Source>(
    source: &S,
    checkpoint: &Checkpoint,
    size: u64,
    root: Hash,
) -> Result<(), ReplayTrouble> {
    if size == checkpoint.size || size == 0 {
        let equal = size == 0 || root == checkpoint.root;
        return if equal { Ok(()) } else { Err(ReplayTrouble::OtherRoot { size }) };
    }
    let tiles = Tiles(source);
    let reader = TileHashReader::new(&tiles, checkpoint.size);
    let hashes = prove_subtree(&reader, 0, size, checkpoint.size)
        .map_err(|e| ReplayTrouble::Tiles { size, reason: e.to_string() })?;
    verify_subtree(0, size, checkpoint.size, &hashes, root, checkpoint.root)
        .map_err(|_| ReplayTrouble::OtherRoot { size })
}

/// A question to the state of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is known of an agent.
    Agent(AgentId),
    /// What is known of a session.
    Session(SessionId),
    /// The trust in an agent at the log's time, and where it comes from.
    Trust(AgentId),
    /// What the log noticed about an entry.
    Flags(u64),
}

impl Question {
    /// Reads `agent ID`, `session ID`, `trust ID` or `flags INDEX`.
    pub fn parse(text: &str) -> Option<Question> {
        let (kind, id) = text.split_once(' ')?;
        match kind {
            "agent" => AgentId::parse_any(id).map(Question::Agent),
            "session" => SessionId::parse_any(id).map(Question::Session),
            "trust" => AgentId::parse_any(id).map(Question::Trust),
            "flags" => id.parse().ok().map(Question::Flags),
            _ => None,
        }
    }
}

impl Replayed {
    /// The checkpoint under which everything was checked.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Entries replayed.
    pub fn size(&self) -> u64 {
        ledger_state::status(&self.state).size
    }

    /// The log's time in the last entry, ms since 1970.
    pub fn last_entry_ms(&self) -> u64 {
        ledger_state::status(&self.state).last_entry_ms
    }

    /// The answer as of the last entry; `None` if there is no such thing.
    pub fn ask(&self, question: Question) -> Option<Value> {
        match question {
            Question::Agent(id) => self.agent(id),
            Question::Session(id) => self.session(id),
            Question::Trust(id) => self.trust(id),
            Question::Flags(index) => (index < self.size()).then(|| {
                let flags: Vec<_> = ledger_state::flags(&self.state, index).names().collect();
                json!({ "index": index, "flags": flags })
            }),
        }
    }

    fn agent(&self, id: AgentId) -> Option<Value> {
        let agent = ledger_state::agent(&self.state, id)?;
        let chain = ledger_state::chain(&self.state, id);
        let texts =
            |list: &[ledger_format::record::Scope]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut status = json!({ "word": "active" });
        match &agent.status {
            AgentStatus::Active => {}
            AgentStatus::Suspended { index, reason, .. } => {
                status = json!({ "word": "suspended", "since": index, "reason": reason });
            }
            AgentStatus::Revoked { killed, index, cause, reason, compromised_at, .. } => {
                let word = if *killed { "killed" } else { "revoked" };
                let cause = cause.to_string();
                status = json!({
                    "word": word, "since": index, "reason": reason, "cause": cause, "compromised_at": compromised_at
                });
            }
        }
        Some(json!({
            "agent": id.to_string(), "tenant": agent.tenant.to_string(), "name": agent.name,
            "type": agent.agent_type.as_str(), "scopes": texts(&agent.scopes), "denies": texts(&agent.denies),
            "parent": agent.parent.map(|parent| parent.to_string()), "depth": agent.depth,
            "kid": agent.key.kid.to_string(), "registered": agent.registered, "status": status,
            "receipts": { "count": chain.count, "flagged": chain.flagged },
        }))
    }

    fn session(&self, id: SessionId) -> Option<Value> {
        let session = ledger_state::session(&self.state, id)?;
        let agent = ledger_state::agent(&self.state, session.agent)?;
        let tenant = ledger_state::tenant(&self.state, session.tenant)?;
        let scopes: Vec<_> = session.scopes.iter().map(ToString::to_string).collect();
        Some(json!({
            "session": id.to_string(), "agent": session.agent.to_string(), "opened": session.opened,
            "scopes": scopes, "expires_at": session.expires_at, "standing": session.standing.as_str(),
            "live": session.is_live(&agent, &tenant, self.last_entry_ms()),
        }))
    }

    fn trust(&self, id: AgentId) -> Option<Value> {
        let ms = self.last_entry_ms();
        let reading = ledger_state::trust_reading(&self.state, id, ms)?;
        let mut answer: Value = serde_json::from_slice(&reading.explain(ms)).ok()?;
        answer["agent"] = json!(id.to_string());
        answer["as_of_size"] = json!(self.size());
        Some(answer)
    }
}

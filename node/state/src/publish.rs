//! Publishing a checkpoint: rule S5 of the log's safety.

use ledger_format::{Checkpoint, Hash, Note, Policy, Vkey, tree_root};

use crate::applied::{Alarm, Applied, Ignored, Outcome, Published};
use crate::keys;
use crate::values::{Genesis, LogKeys, Service, Tree, Value};
use crate::view::{View, ViewHashes, load};

/// Publishes the note if it is the log's own, no larger than the log, no smaller than what is published, and says the root
/// that this node computes. Anything else is counted and ignored, except the last: a root that the log has signed and this
/// node does not compute means that one of the two is damaged.
pub(crate) fn apply(view: &(impl View + ?Sized), note: &[u8]) -> Result<Applied, Alarm> {
    match judge(view, note)? {
        Ok(published) => {
            let writes = vec![(keys::PUBLISHED.to_vec(), Some(published.encode()))];
            Ok(Applied {
                outcomes: vec![Outcome::Done],
                writes,
                published: Some(published),
                ..Applied::default()
            })
        }
        Err(ignored) => {
            let mut service: Service = load(view, keys::SERVICE)?.unwrap_or_default();
            service.publishes_ignored = service.publishes_ignored.saturating_add(1);
            let writes = vec![(keys::SERVICE.to_vec(), Some(service.encode()))];
            Ok(Applied { outcomes: vec![Outcome::Ignored(ignored)], writes, ..Applied::default() })
        }
    }
}

fn judge(view: &(impl View + ?Sized), bytes: &[u8]) -> Result<Result<Published, Ignored>, Alarm> {
    let Some(genesis) = load::<Genesis>(view, keys::GENESIS)? else { return Ok(Err(Ignored::NoGenesis)) };
    let log_keys: LogKeys = load(view, keys::LOG_KEYS)?.unwrap_or_default();
    let (note, checkpoint) = match signed_by_log(&genesis.origin, &log_keys, bytes) {
        Ok(signed) => signed,
        Err(ignored) => return Ok(Err(ignored)),
    };
    let tree: Tree = load(view, keys::TREE)?.unwrap_or_default();
    if checkpoint.size > tree.frontier.size() {
        return Ok(Err(Ignored::Ahead));
    }
    let ours = root_at(view, &tree, checkpoint.size)?;
    if ours != checkpoint.root {
        return Err(Alarm::RootMismatch { size: checkpoint.size, ours, signed: checkpoint.root });
    }
    let last: Option<Published> = load(view, keys::PUBLISHED)?;
    if last.is_some_and(|last| checkpoint.size < last.size) {
        return Ok(Err(Ignored::Behind));
    }
    let service: Service = load(view, keys::SERVICE)?.unwrap_or_default();
    // The publisher decides whether an unwitnessed checkpoint may be published (it fails closed by default); the state
    // says which kind it was.
    let witnessed = Policy::parse(&genesis.policy).is_ok_and(|policy| policy.check_cosigners(&note).is_ok());
    let Checkpoint { size, root, .. } = checkpoint;
    Ok(Ok(Published { size, root, log_ms: service.log_ms, witnessed, note: bytes.to_vec() }))
}

/// Reads the note and checks that a key in force signed it, for this origin. A line of a key that the log has or had and that
/// does not verify voids the note, as it does for every verifier (R5: during a rotation there are two lines).
fn signed_by_log(origin: &str, keys: &LogKeys, bytes: &[u8]) -> Result<(Note, Checkpoint), Ignored> {
    let note = Note::parse(bytes).map_err(|_| Ignored::Malformed)?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| Ignored::Malformed)?;
    let mut signed = false;
    for key in &keys.0 {
        // Keys were parsed when their record was read; one that no longer parses signs nothing.
        let Ok(vkey) = Vkey::parse(&key.vkey) else { continue };
        if let Some(line) = note.signature_of(&vkey) {
            vkey.verify(note.text(), line).map_err(|_| Ignored::Signature)?;
            signed |= key.until.is_none();
        }
    }
    if !signed {
        return Err(Ignored::Signature);
    }
    if checkpoint.origin != origin {
        return Err(Ignored::Origin);
    }
    if !checkpoint.extensions.is_empty() {
        return Err(Ignored::Extensions);
    }
    Ok((note, checkpoint))
}

/// The root at a size that this node has reached.
fn root_at(view: &(impl View + ?Sized), tree: &Tree, size: u64) -> Result<Hash, Alarm> {
    if size == tree.frontier.size() { Ok(tree.frontier.root()) } else { tree_root(&ViewHashes(view), size) }
}

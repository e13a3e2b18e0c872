use std::pin::pin;
use std::task::Poll;

use ledger_format::AddCheckpoint;

use super::*;
use crate::decide::decide;
use crate::testsite::{MaipLog, Site};

/// A log that offers everything to its witnesses, and a verifier that knows it.
struct Bench {
    maip: MaipLog,
    log: Log,
    verifier: Verifier,
}

impl Bench {
    fn new(size: u64) -> Self {
        let maip = MaipLog::new(size);
        let site = Site::start(maip.clone());
        site.show(|shown| shown.applied = size);
        let entries_urls = vec![site.unpublished_url()];
        let log = Log { entries_urls, ..Log::new(&maip.tree.vkey(), None).expect("a log") };
        let verifier = Verifier::new(VerifyConfig::default(), Arc::default()).expect("a verifier");
        Self { maip, log, verifier }
    }

    /// Asks for the step from one size to another, as the witness does.
    async fn admit(&self, from: u64, to: u64) -> Result<(), Doubt> {
        let tree = &self.maip.tree;
        let latest = (from > 0).then(|| Latest { size: from, root: tree.root(from) });
        let AddCheckpoint { proof, note, .. } = tree.request(from, to);
        let checkpoint = Checkpoint::parse(note.text()).expect("a checkpoint");
        let advance = decide(latest, from, &checkpoint, &proof).expect("an honest request");
        let replays = self.verifier.of(&self.log.origin);
        let mut replay = replays.turn().await.expect("nobody else asks");
        self.verifier.admit(&replays, &mut replay, &self.log, &advance, &note).await
    }
}

/// What `future` gives, or nothing if it is dropped after it had to wait `waits` times.
async fn cut_after<F: Future>(waits: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut waited = 0;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if waited == waits => Poll::Ready(None),
        Poll::Pending => {
            waited += 1;
            Poll::Pending
        }
    })
    .await
}

/// A request whose caller has hung up stops wherever it waits, and the last place is the replay on its thread.
#[tokio::test]
async fn a_request_that_stops_anywhere_is_not_held_against_the_log() {
    let mut waits = 0;
    loop {
        let bench = Bench::new(300);
        assert_eq!(bench.admit(0, 5).await, Ok(()));
        let stopped = cut_after(waits, bench.admit(5, 300)).await;
        assert_eq!(bench.admit(5, 300).await, Ok(()), "stopped at wait {waits}");
        assert_eq!(bench.verifier.verified(&bench.log.origin), Some(300));
        if stopped.is_some() {
            break;
        }
        waits += 1;
    }
    assert!(waits > 0);
}

/// A tree that was cosigned below what is replayed and not checked is still compared: the replay begins again.
#[tokio::test]
async fn a_tree_cosigned_behind_an_unchecked_replay_is_compared() {
    let maip = MaipLog::new(8);
    let mut replay = Replay::default();
    assert_eq!(replay.progress.take(&maip.entries), None);
    let other = Latest { size: 6, root: maip.tree.fork(4, "other").root(6) };
    replay.was_cosigned(Latest { size: 9, root: other.root });
    assert_eq!(replay.progress.replayed(), 8);
    replay.was_cosigned(other);
    assert_eq!((replay.progress.replayed(), replay.cosigned.len()), (0, 2));
    assert_eq!(replay.progress.take(&maip.entries[..6]), None);
    assert_eq!(replay.contradiction(replay.progress.read()), Some(6));
    // It is known now, so that nothing begins again.
    replay.was_cosigned(other);
    assert_eq!(replay.progress.replayed(), 6);
}

/// An entry out of order is our mistake, whatever the log did.
#[test]
fn an_entry_out_of_order_is_not_held_against_the_log() {
    let maip = MaipLog::new(3);
    let mut replay = Replay::default();
    assert_eq!(replay.progress.take(&maip.entries), None);
    let invalid = ReplayError { index: 7, fault: ledger_state::ReplayFault::Order { expected: 3 } };
    let tree = Latest { size: 3, root: maip.tree.root(3) };
    let doubt = replay.judge(&invalid, Signed { tree, note: Vec::new() });
    assert!(matches!(doubt, Doubt::NotYet(_)), "{doubt:?}");
    assert_eq!((replay.progress.replayed(), replay.check()), (0, Ok(())));
}

//! A whole cluster in one thread: the product's node, state, store, publisher and witnesses over a simulated network, clock and
//! disk. What is real and what is simulated is said in `simulations/README.md`.
//!
//! Built with `--cfg simulation --cfg tokio_unstable` only: then Raft takes its chance from the seed, and the runtime too.

mod clients;
mod clock;
mod faults;
mod history;
mod machine;
mod network;
mod operator;
mod oracle;
mod plan;
mod records;
mod registers;
mod rot;
mod set_back;
mod site;
mod storage;
mod story;
mod twins;
mod witness_port;
mod witnesses;

use ledger_format::Hash;
use ledger_log::{ablation, with_seed};

pub use self::plan::{Luck, Plan, SWITCHES, Switch};

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Hash of the whole history: the same seed, the same hash.
    pub history: Hash,
    /// Steps in it.
    pub steps: u64,
    /// Simulated time, milliseconds.
    pub simulated_ms: u64,
    /// Records acknowledged, and notes signed.
    pub counts: (usize, usize),
    /// The story in sentences.
    pub sentences: Vec<String>,
    /// The invariant that was broken, and how.
    pub broken: Option<String>,
}

/// Runs one simulation to its end.
///
/// # Panics
/// When the machine that it runs on fails: no directory, no thread.
pub fn run(plan: Plan) -> Ended {
    ablation::switch_off(plan.off.map_or(&[], Switch::rules));
    let shared_memory = std::path::Path::new("/dev/shm");
    let root = if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
    let root = root.expect("a directory for the run");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(tokio::runtime::RngSeed::from_bytes(&plan.seed.to_be_bytes()))
        .build()
        .expect("a runtime");
    let path = root.path().to_owned();
    let path_text = path.to_string_lossy().into_owned();
    runtime.block_on(with_seed(plan.seed, async move {
        let mut cluster = site::Cluster::new(plan, path);
        let broken = cluster.story().await.err().map(|broken| broken.replace(&*path_text, ""));
        cluster.stop_all().await;
        let simulated_ms = cluster.history.elapsed_ms();
        let (history, steps, sentences) = cluster.history.end();
        let counts = {
            let facts = cluster.seen.facts();
            (facts.acknowledged.len(), facts.signed.len())
        };
        Ended { history, steps, simulated_ms, counts, sentences, broken }
    }))
}

//! One node alone, for measurements: real Raft log, real storage, real signatures, no peers and no witnesses.

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ledger_format::{NoteSigner, Policy, SignatureType, record::SigningKey};
use ledger_log::{
    Clock, HostedLog, LogLimits, LogOptions, Member, PublishOptions, RaftOptions, SealOptions, World,
};

mod nobody;

use nobody::Nobody;

const ORIGIN: &str = "log.example/alone";

struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
    }
}

/// Opens the log in `dir` and waits until it takes records.
pub(crate) async fn open(dir: &Path, engine: &str, seal: SealOptions) -> Result<HostedLog, Box<dyn Error>> {
    let world = World { peers: Arc::new(Nobody), witnesses: Arc::new(Nobody), clock: Arc::new(SystemClock) };
    let log = HostedLog::open(options(dir, engine, seal)?, world).await?;
    while log.ready().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(log)
}

fn options(dir: &Path, engine: &str, seal: SealOptions) -> Result<LogOptions, Box<dyn Error>> {
    let signer = NoteSigner::new(ORIGIN, SignatureType::Ed25519, [1; 32])?;
    let policy_text = format!("log {}\nquorum none\n", signer.vkey());
    let member = Member { id: 1, peer: "127.0.0.1:1".into(), api: "https://127.0.0.1:2".into() };
    Ok(LogOptions {
        name: "alone".into(),
        origin: ORIGIN.into(),
        node_id: 1,
        dir: dir.to_owned(),
        engine: engine.parse()?,
        engine_cache_bytes: 48 << 20,
        signer,
        operator: SigningKey::from_seed([2; 32]),
        timeline: false,
        generation: None,
        policy: Policy::parse(&policy_text)?,
        policy_text,
        additional_signers: Vec::new(),
        predecessor: None,
        fail_open: false,
        publish: PublishOptions::default(),
        seal,
        bootstrap: Some(vec![member]),
        limits: LogLimits::default(),
        raft: RaftOptions::default(),
    })
}

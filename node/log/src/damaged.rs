//! Damaged snapshots and bundles from other nodes: refused with a typed error that names the file, and nothing of them is kept.

#[path = "../../../ledger-format/fuzz/src/damage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "public in the fuzz crate, whose file it is; this crate uses its part"
)]
pub(crate) mod damage;

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use ledger_format::record::{Actor, Body, Draft, Record, SigningKey, TenantRegister, Ulid};
use ledger_format::{BundleId, TILE_WIDTH, prove_subtree};
use ledger_state::{Command, Private};
use ledger_store::{Engine, EngineKind, EngineOptions, Space};
use openraft::{EntryPayload, storage::RaftStateMachine as _};

use crate::{
    alarm::Alarms,
    bytes_codec::Writer,
    incoming::parse_bundle_answer,
    ledger::{Imported, Ledger, LedgerError},
    raft::{
        machine::Machine,
        types::{LeaderId, LogId, Proposal, RaftEntry},
    },
    snapshot::{Manifest, SnapshotFile, SnapshotWriter, Written},
};
use damage::Dice;

/// Records that a small log takes, one of each type.
const POPULATION: &str = include_str!("../../state/fuzz/population");
pub(crate) const TIME_MS: u64 = 1_769_000_000_000;

fn memory(dir: &Path) -> Arc<dyn Engine> {
    ledger_store::open(EngineKind::Memory, dir, &EngineOptions::default()).unwrap()
}

fn open(dir: &Path, engine: &Arc<dyn Engine>) -> Result<Arc<Ledger>, LedgerError> {
    Ledger::open(dir, engine.clone(), Arc::new(Alarms::default()))
}

/// A ledger with the population, and so many tenants beside it.
pub(crate) async fn filled(dir: &Path, tenants: u16) -> Arc<Ledger> {
    let ledger = open(dir, &memory(dir)).unwrap();
    let mut records = population();
    records.extend((0..tenants).map(|number| tenant(number).to_bytes()));
    let append = Command::Append { log_ms: TIME_MS, records };
    apply(&ledger, &[append, Command::Seal { log_ms: TIME_MS }]).await;
    assert!(ledger.size() > u64::from(tenants) + 50, "{} entries", ledger.size());
    ledger
}

/// The records that a log begins with.
pub(crate) fn population() -> Vec<Vec<u8>> {
    POPULATION.lines().map(|line| line.as_bytes().to_vec()).collect()
}

pub(crate) async fn apply(ledger: &Arc<Ledger>, commands: &[Command]) {
    let entries = (1..).zip(commands).map(|(index, command)| {
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
        let payload = EntryPayload::Normal(Proposal(Bytes::from(command.encode())));
        Ok((RaftEntry { log_id, payload }, None))
    });
    Machine::new(ledger.clone()).apply(futures::stream::iter(entries)).await.unwrap();
}

pub(crate) fn tenant(number: u16) -> Record {
    let mut seed = [number as u8; 32];
    seed[0] ^= (number >> 8) as u8;
    let (key, id) = (SigningKey::from_seed(seed), Ulid::from_parts(TIME_MS, 1 << 60 | u128::from(number)));
    let name = format!("Another {number}");
    let body = TenantRegister { key: Some(key.public()), name, on_behalf_of: None, plan: None };
    Draft::new(id, Ulid::from_parts(TIME_MS, 1), Actor::Tenant, TIME_MS, Body::TenantRegister(body))
        .sign(&key)
}

/// Everything that an engine holds.
fn contents(engine: &Arc<dyn Engine>) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    Space::ALL.iter().map(|space| engine.scan(*space, &[], None, usize::MAX).unwrap()).collect()
}

async fn written(ledger: &Arc<Ledger>) -> Written {
    SnapshotWriter::begin(ledger).unwrap().finish().await.unwrap()
}

/// An error that says which file it is about, and that somebody can act on.
#[track_caller]
fn names_the_file(error: &LedgerError, file: &str) {
    assert!(matches!(error, LedgerError::Corrupt { .. } | LedgerError::Newer { .. }), "{error:?}");
    assert!(error.to_string().contains(file), "{error}");
}

#[tokio::test]
async fn a_damaged_snapshot_is_never_installed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = filled(from.path(), 0).await;
    let Written { manifest, path, .. } = written(&source).await;
    let good = fs::read(path).unwrap();
    source.stop();
    let engine = memory(to.path());
    let ledger = open(to.path(), &engine).unwrap();
    apply(&ledger, &[Command::Private(Private::NodeId { id: 1, incarnation: 7 })]).await;
    let (before, taken) = (contents(&engine), to.path().join("taken.snapshot"));
    let mut dice = Dice::seeded();
    for _ in 0..damage::cases(300) {
        let bad = dice.damage(&good);
        if bad == good {
            continue;
        }
        fs::write(&taken, &bad).unwrap();
        names_the_file(&SnapshotFile::read(&taken).map(drop).unwrap_err(), "taken.snapshot");
        names_the_file(&ledger.install(&taken).unwrap_err(), "taken.snapshot");
        assert!(contents(&engine) == before, "something of it was kept");
    }
    ledger.stop();
    let ledger = open(to.path(), &engine).expect("nothing is left half-installed");
    fs::write(&taken, &good).unwrap();
    assert_eq!(SnapshotFile::verify(&taken).unwrap(), manifest);
    Imported::begin(&ledger, &manifest).unwrap().finish().unwrap();
    ledger.install(&taken).unwrap();
    assert_eq!((ledger.size(), ledger.root_at(manifest.size).unwrap()), (manifest.size, manifest.root));
    ledger.stop();
}

/// As from a peer whose memory or software is at fault: nothing that can be seen in the file alone is found out later.
#[tokio::test]
async fn a_snapshot_with_a_right_checksum_and_wrong_content_is_taken_as_a_whole_or_refused_before() {
    let from = tempfile::tempdir().unwrap();
    let source = filled(from.path(), 0).await;
    let Written { manifest: good_manifest, path, .. } = written(&source).await;
    let good = fs::read(&path).unwrap();
    source.stop();
    let (mut dice, mut sound, mut refused) = (Dice::seeded(), 0, 0);
    let begin = 20..20 + good_manifest.encode().len();
    for case in 0..damage::cases(400) {
        let (mut bad, body) = (Vec::new(), &good[..good.len() - 32]);
        match case % 3 {
            0 => bad.extend(dice.damage(body)),
            1 => {
                // The manifest is short and says the most.
                bad.extend(&body[..begin.start]);
                bad.extend(dice.damage(&body[begin.clone()]));
                bad.extend(&body[begin.end..]);
            }
            _ => {
                bad.extend(body);
                let at = dice.below(bad.len());
                bad[at] ^= 1 << dice.below(8);
            }
        }
        let checksum = *blake3::hash(&bad).as_bytes();
        bad.extend(checksum);
        fs::write(&path, &bad).unwrap();
        let manifest = match SnapshotFile::verify(&path) {
            Ok(manifest) => manifest,
            Err(error) => {
                names_the_file(&error, ".snapshot");
                refused += 1;
                continue;
            }
        };
        assert_eq!((manifest.size, manifest.root), (good_manifest.size, good_manifest.root));
        assert_eq!(Manifest::decode(manifest.encode()).unwrap(), manifest);
        let to = tempfile::tempdir().unwrap();
        let engine = memory(to.path());
        let ledger = open(to.path(), &engine).unwrap();
        // As a follower does: the entries come first, and only with them the state.
        let entries = Imported::begin(&ledger, &manifest).unwrap().finish();
        if entries.is_ok() {
            sound += 1;
            if ledger.install(&path).is_ok() {
                assert_eq!(ledger.root_at(manifest.size).unwrap(), manifest.root);
            }
        } else {
            assert!(contents(&engine).iter().all(Vec::is_empty), "something of it was kept");
        }
        ledger.stop();
    }
    assert!(sound > 10 && refused > 10, "{sound} taken, {refused} refused");
}

#[tokio::test]
async fn a_damaged_bundle_or_proof_is_never_filed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = filled(from.path(), 220).await;
    let Written { manifest, .. } = written(&source).await;
    let bundle = source.bundle_bytes(BundleId { index: 0, width: TILE_WIDTH as u16 }).unwrap().unwrap();
    let proof = prove_subtree(&source.hashes(), 0, TILE_WIDTH, manifest.size).unwrap();
    let mut w = Writer::default();
    w.bytes(&bundle).u32(proof.len() as u32);
    for hash in &proof {
        w.raw(&hash.0);
    }
    let good = w.finish();
    let engine = memory(to.path());
    let ledger = open(to.path(), &engine).unwrap();
    let mut import = Imported::begin(&ledger, &manifest).unwrap();
    let (mut dice, mut read) = (Dice::seeded(), 0);
    for case in 0..damage::cases(300) {
        // The proof is at the end, and short beside the bundle.
        let cut = if case % 2 == 0 { 0 } else { good.len() - 40 * proof.len() };
        let bad = [&good[..cut], &dice.damage(&good[cut..])].concat();
        if bad == good {
            continue;
        }
        if let Ok((bundle, proof)) = parse_bundle_answer(bad.into()) {
            read += 1;
            let error = import.add(&bundle, &proof).expect_err("another bundle than the log's");
            assert!(matches!(error, LedgerError::Corrupt { .. }), "{error:?}");
        }
        assert_eq!(import.next_bundle(), Some(0));
    }
    assert!(read > 20, "only {read} got as far as the proof");
    assert!(contents(&engine).iter().all(Vec::is_empty), "something of them was kept");
    assert_eq!(ledger.bundle_bytes(BundleId { index: 0, width: TILE_WIDTH as u16 }).unwrap(), None);
    import.add(&bundle, &proof).unwrap();
    import.finish().unwrap();
    ledger.stop();
    source.stop();
}

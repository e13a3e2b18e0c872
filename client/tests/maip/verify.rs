//! `maip verify` and the judging behind it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ledger_client::offline::{Bindings, Question, SignatureFinding, Verdict, verify_file};
use ledger_format::{MultiProof, Policy};

use crate::support::{NOW_S, Ran, World, agent_key, maip, tenant_key, world::ORIGIN};

/// A directory with the world's policy and one file.
pub(crate) struct Files {
    pub(crate) dir: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new(world: &World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("policy.txt"), world.policy_text()).unwrap();
        Self { dir }
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.txt")
    }

    /// Runs `maip verify FILE --policy ... extra...`.
    pub(crate) fn verify(&self, file: &Path, extra: &[&str]) -> Ran {
        let policy = self.policy();
        let mut args = vec!["verify", file.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
        args.extend(extra);
        maip(args)
    }
}

/// About the file itself, now.
pub(crate) fn question<'a>(
    policy: &'a Policy,
    bindings: &'a Bindings,
    max_age_s: Option<u64>,
) -> Question<'a> {
    Question { policy, bindings, entry: None, subject: None, origin: None, max_age_s, now_s: NOW_S }
}

/// Origin of a second log.
const OTHER: &str = "ledger.example/other";

fn judge(bytes: &[u8], policy: &Policy) -> Verdict {
    verify_file(bytes, &question(policy, &Bindings::default(), None))
}

#[test]
fn a_valid_proof_is_explained_in_words_and_in_json() {
    let world = World::with_receipts(9);
    let files = Files::new(&world);
    let file = files.put("r.tlog-proof", &world.proof(5).to_bytes());

    files
        .verify(&file, &[])
        .exits(0)
        .says("VALID")
        .says("receipt.action")
        .says("the agent maip-agent:")
        .says("signature not checked here")
        .says("as of size 12")
        .says("witnessed by w1 at 2026-01-21 12:53:20 UTC");

    let json = files.verify(&file, &["--json"]).exits(0).json();
    assert_eq!(json["verdict"], "valid");
    assert_eq!(json["exit"], 0);
    let finding = &json["finding"];
    assert_eq!(finding["format"], "tlog-proof");
    assert_eq!(finding["size"], 12);
    assert_eq!(finding["cosigners"][0]["name"], "w1");
    let entry = &finding["entries"][0];
    assert_eq!(entry["index"], 5);
    assert_eq!(entry["record"]["type"], "receipt.action");
    assert_eq!(entry["record"]["signature"]["checked"], false);
}

/// Every single bit decides: with just enough cosigners, no byte of the file is free.
#[test]
fn every_flipped_byte_is_refused() {
    let world = World::with_receipts(4);
    let good = world.proof(4).to_bytes();
    let policy = world.policy();
    assert!(matches!(judge(&good, &policy), Verdict::Valid(_)));
    for at in 0..good.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            match judge(&bad, &policy) {
                Verdict::Invalid(why) => assert!(!why.is_empty()),
                other => panic!("byte {at} ^ {bit:#x}: {other:?}"),
            }
        }
    }
    for length in 0..good.len() {
        assert!(matches!(judge(&good[..length], &policy), Verdict::Invalid(_)), "cut to {length} bytes");
    }
}

#[test]
fn a_flipped_byte_exits_1_with_its_reason() {
    let world = World::with_receipts(4);
    let files = Files::new(&world);
    let text = world.proof(4).to_string();
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate().filter(|(_, l)| !l.is_empty()) {
        let mut changed: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let middle = line.char_indices().nth(line.chars().count() / 2).unwrap();
        let other = if middle.1 == 'A' { 'B' } else { 'A' };
        changed[number].replace_range(middle.0..middle.0 + middle.1.len_utf8(), &other.to_string());
        let file = files.put("bad.tlog-proof", format!("{}\n", changed.join("\n")).as_bytes());
        let json = files.verify(&file, &["--json"]).exits(1).json();
        assert_eq!(json["verdict"], "invalid", "line {number}: {line}");
        assert!(json["reason"].as_str().is_some_and(|r| !r.is_empty()), "line {number}: {line}");
    }
}

#[test]
fn a_policy_that_does_not_fit_refuses() {
    let world = World::with_receipts(2);
    let files = Files::new(&world);
    let one = world.proof_under(3, world.cosigned(5, &[(2, NOW_S)]));
    let file = files.put("one-witness.tlog-proof", &one.to_bytes());
    files.verify(&file, &[]).exits(1).says("INVALID").says("quorum");

    let good = files.put("good.tlog-proof", &world.proof(3).to_bytes());
    let other =
        ledger_format::NoteSigner::new("other.example/log", ledger_format::SignatureType::Ed25519, [9; 32]);
    let text = format!("log {}\nquorum none\n", other.unwrap().vkey());
    let policy = files.put("other.txt", text.as_bytes());
    maip(["verify".as_ref(), good.as_os_str(), "--policy".as_ref(), policy.as_os_str()])
        .exits(1)
        .says("lists no log");
}

#[test]
fn what_cannot_be_judged_exits_2() {
    let world = World::with_receipts(2);
    let files = Files::new(&world);
    let file = files.put("good.tlog-proof", &world.proof(3).to_bytes());
    maip(["verify".as_ref(), file.as_os_str()]).exits(2).says("no policy");
    maip(["verify", file.to_str().unwrap(), "--policy", "/nonexistent"]).exits(2).says("cannot be used");
    files.verify(Path::new("/nonexistent"), &[]).exits(2).says("CANNOT JUDGE");

    let mut bare = world.proof(3);
    bare.extra = None;
    let bare = files.put("bare.tlog-proof", &bare.to_bytes());
    files.verify(&bare, &[]).exits(2).says("--entry");
    let entry = files.put("entry.json", &world.entries[3]);
    files.verify(&bare, &["--entry", entry.to_str().unwrap()]).exits(0);
}

/// Age counts from when a whole quorum vouches, and only with `--max-age` does it matter.
#[test]
fn age_needs_a_fresh_quorum() {
    let world = World::with_receipts(2);
    let policy = world.policy();
    let bindings = Bindings::default();
    /// What, (witness, time) of each cosignature, `--max-age`, exit code.
    type Case = (&'static str, &'static [(usize, u64)], Option<u64>, u8);
    let cases: &[Case] = &[
        ("fresh", &[(0, NOW_S), (1, NOW_S - 5)], Some(5), 0),
        ("one of two is old", &[(0, NOW_S), (1, NOW_S - 900)], Some(600), 3),
        (
            "a third, fresh one makes the quorum",
            &[(0, NOW_S), (1, NOW_S - 900), (2, NOW_S - 10)],
            Some(600),
            0,
        ),
        ("old but nobody asks", &[(0, NOW_S - 900), (1, NOW_S - 900)], None, 0),
        ("slightly ahead of our clock", &[(0, NOW_S + 20), (1, NOW_S + 20)], Some(5), 0),
        ("far ahead of our clock", &[(0, NOW_S + 9_000), (1, NOW_S + 9_000)], Some(5), 2),
    ];
    for &(what, cosigners, max_age_s, want) in cases {
        let proof = world.proof_under(3, world.cosigned(5, cosigners)).to_bytes();
        let got = match verify_file(&proof, &question(&policy, &bindings, max_age_s)) {
            Verdict::Valid(_) => 0,
            Verdict::Invalid(_) => 1,
            Verdict::CannotJudge(_) => 2,
            Verdict::Stale(_) => 3,
        };
        assert_eq!(got, want, "{what}");
    }

    let files = Files::new(&world);
    let file = files.put("old.tlog-proof", &world.proof(3).to_bytes());
    let json = files.verify(&file, &["--max-age", "1s", "--json"]).exits(3).json();
    assert_eq!(json["verdict"], "stale");
    files.verify(&file, &["--max-age", "36500d"]).exits(0);
}

#[test]
fn the_worst_of_several_files_decides() {
    let world = World::with_receipts(2);
    let files = Files::new(&world);
    let good = files.put("good.tlog-proof", &world.proof(3).to_bytes());
    let bad = files.put("bad.tlog-proof", b"nothing");
    let ran = files.verify(&good, &[bad.to_str().unwrap(), "/nonexistent", "--json"]).exits(1);
    let verdicts: Vec<String> = ran
        .stdout
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["verdict"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(verdicts, ["valid", "invalid", "cannot_judge"]);
}

#[test]
fn registrations_bind_the_key_to_its_actor() {
    let world = World::with_receipts(2);
    let files = Files::new(&world);
    let receipt = files.put("r.tlog-proof", &world.proof(3).to_bytes());
    let tenant = files.put("tenant.tlog-proof", &world.proof(1).to_bytes());
    let agent = files.put("agent.tlog-proof", &world.proof(2).to_bytes());
    let how = |extra: &[&str]| {
        let mut args = vec!["--json"];
        args.extend(extra);
        files.verify(&receipt, &args).exits(0).json()["finding"]["entries"][0]["record"]["signature"].clone()
    };

    let alone = how(&["--registration", agent.to_str().unwrap()]);
    assert_eq!(alone["how"], "bound");
    assert_eq!(alone["bound_by_index"], 2);
    assert_eq!(alone["binding_vouched"], false, "nothing says whose key signed the agent's registration");

    // In either order: the log's order counts.
    let both = how(&["--registration", agent.to_str().unwrap(), "--registration", tenant.to_str().unwrap()]);
    assert_eq!(both["binding_vouched"], true);

    let given = how(&["--key", &agent_key().public().to_string()]);
    assert_eq!(given["how"], "given-key");
    files
        .verify(&receipt, &["--key", &tenant_key().public().to_string()])
        .exits(1)
        .says("not by the key given");
    files.verify(&receipt, &["--registration", receipt.to_str().unwrap()]).exits(1).says("binds no key");
}

/// The log proves that it was logged, not that the signature in it is good.
#[test]
fn a_wrong_signature_in_a_logged_record_is_refused_when_the_key_is_known() {
    let mut world = World::new();
    let mut record = world.unlogged_receipt();
    record.sig.value[5] ^= 1;
    // The state machine leaves signatures to the node that receives a record, so this gets in.
    let (index, ..) = world.submit(&record.to_bytes());
    let files = Files::new(&world);
    let file = files.put("r.tlog-proof", &world.proof(index).to_bytes());
    let agent = files.put("agent.tlog-proof", &world.proof(2).to_bytes());
    files.verify(&file, &[]).exits(0).says("signature not checked here");
    files.verify(&file, &["--registration", agent.to_str().unwrap()]).exits(1).says("not signed as it says");
}

#[test]
fn what_only_the_operator_vouches_for_is_shown_as_that() {
    let mut world = World::new();
    let index = world.receipt_on_behalf_of("key-7");
    let files = Files::new(&world);
    let file = files.put("r.tlog-proof", &world.proof(index).to_bytes());
    files.verify(&file, &[]).exits(0).says("only the operator, on behalf of key-7");
    let genesis = files.put("genesis.tlog-proof", &world.proof(0).to_bytes());
    let json = files.verify(&file, &["--json", "--registration", genesis.to_str().unwrap()]).exits(0).json();
    assert_eq!(json["finding"]["entries"][0]["record"]["signature"]["how"], "bound");
    assert_eq!(json["finding"]["entries"][0]["record"]["on_behalf_of"], "key-7");
}

/// A key is bound from its registration on, never before.
#[test]
fn a_binding_does_not_reach_back() {
    let world = World::with_receipts(1);
    let mut bindings = Bindings::default();
    let registration = world.entries[2].clone();
    let entry = ledger_format::record::Entry::parse(&registration).unwrap();
    let record = ledger_format::record::Record::parse(entry.record).unwrap();
    bindings.learn(ORIGIN, 2, &record).unwrap();
    let entry = ledger_format::record::Entry::parse(&world.entries[3]).unwrap();
    let receipt = ledger_format::record::Record::parse(entry.record).unwrap();
    assert!(matches!(bindings.judge(ORIGIN, 3, &receipt), Ok(SignatureFinding::Bound { index: 2, .. })));
    assert!(bindings.judge(ORIGIN, 1, &receipt).is_err());
}

/// What one log registers says nothing about the records of another, wherever in them both stand.
#[test]
fn a_binding_holds_in_its_own_log_only() {
    let record = |world: &World, index: usize| {
        let entry = ledger_format::record::Entry::parse(&world.entries[index]).unwrap();
        ledger_format::record::Record::parse(entry.record).unwrap()
    };
    let mut other = World::of(OTHER);
    let index = other.other_tenant();
    let (registration, receipt) = (record(&other, 3), record(&World::with_receipts(1), 3));
    let mut bindings = Bindings::default();
    bindings.learn(OTHER, 2, &record(&other, 2)).unwrap();
    assert_eq!(bindings.judge(ORIGIN, 9, &receipt), Ok(SignatureFinding::Unchecked));
    assert_eq!(bindings.judge(ORIGIN, 1, &receipt), Ok(SignatureFinding::Unchecked));
    assert!(matches!(bindings.judge(OTHER, 9, &receipt), Ok(SignatureFinding::Bound { index: 2, .. })));

    // There the same key is somebody else's, which is no reason to refuse what its owner here signs with it.
    let mut bindings = Bindings::default();
    bindings.learn(OTHER, index, &registration).unwrap();
    assert_eq!(bindings.judge(ORIGIN, 9, &receipt), Ok(SignatureFinding::Unchecked));
    assert!(bindings.judge(OTHER, 9, &receipt).is_err());
}

#[test]
fn a_registration_in_another_log_of_the_policy_vouches_for_nobody() {
    let (world, mut other) = (World::with_receipts(2), World::of(OTHER));
    let index = other.other_tenant();
    let files = Files::new(&world);
    let both = format!("log {}\n{}", other.log.vkey(), world.policy_text());
    fs::write(files.policy(), both).unwrap();
    let receipt = files.put("r.tlog-proof", &world.proof(3).to_bytes());
    let here = files.put("here.tlog-proof", &world.proof(2).to_bytes());
    let there = files.put("there.tlog-proof", &other.proof(2).to_bytes());
    let another = files.put("another.tlog-proof", &other.proof(index).to_bytes());
    let signature = |registrations: &[&PathBuf]| {
        let mut args = vec!["--json"];
        for path in registrations {
            args.extend(["--registration", path.to_str().unwrap()]);
        }
        files.verify(&receipt, &args).exits(0).json()["finding"]["entries"][0]["record"]["signature"].clone()
    };
    assert_eq!(signature(&[&there])["how"], "unchecked");
    assert_eq!(signature(&[&another])["how"], "unchecked", "of another tenant, and not before entry 3");
    let all = signature(&[&there, &another, &here]);
    assert_eq!((&all["how"], &all["bound_by_index"]), (&"bound".into(), &2.into()));
}

#[test]
fn multi_proofs_and_cose_receipts_are_told_apart_and_judged() {
    let world = World::with_receipts(300);
    let files = Files::new(&world);
    let entries = [3usize, 4, 280].map(|i| (i as u64, world.entries[i].clone())).to_vec();
    let multi = MultiProof::build(&world.leaves()[..], world.checkpoint(world.size()), entries).unwrap();
    let file = files.put("m.multi-proof", &multi.to_bytes());
    let json = files.verify(&file, &["--json"]).exits(0).json();
    assert_eq!(json["finding"]["format"], "multi-proof");
    assert_eq!(json["finding"]["entries"].as_array().unwrap().len(), 3);
    let mut bad = multi.to_bytes();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    let bad = files.put("bad.multi-proof", &bad);
    files.verify(&bad, &[]).exits(1);

    let cose = files.put("r.cose", &world.cose(3));
    let entry = files.put("entry.json", &world.entries[3]);
    let with_entry = ["--entry", entry.to_str().unwrap()];
    files.verify(&cose, &[]).exits(2).says("--entry");
    files.verify(&cose, &with_entry).exits(2).says("carries no witness");
    let text = format!("log {}\nquorum none\n", world.log.vkey());
    fs::write(files.policy(), text).unwrap();
    files.verify(&cose, &with_entry).exits(0).says("VALID");
    let mut bytes = world.cose(3);
    *bytes.last_mut().unwrap() ^= 1;
    let bad = files.put("bad.cose", &bytes);
    files.verify(&bad, &with_entry).exits(1);
}

/// The log's own entry is shown as that, not as somebody's record and not as damage.
#[test]
fn a_state_root_is_shown_as_the_logs_own() {
    let mut world = World::with_receipts(2);
    let index = world.seal();
    let files = Files::new(&world);
    let file = files.put("root.tlog-proof", &world.proof(index).to_bytes());
    files.verify(&file, &[]).exits(0).says("version 1 of the status map").says("signed by    nobody");
    let json = files.verify(&file, &["--json"]).exits(0).json();
    let entry = &json["finding"]["entries"][0];
    assert!(entry["record"].is_null());
    assert_eq!(
        (&entry["state_root"]["version"], &entry["state_root"]["as_of_size"]),
        (&1.into(), &index.into())
    );
}

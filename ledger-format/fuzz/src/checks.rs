//! What must hold of every parser on every input: it does not panic, it prints what it read, it reads what it
//! printed, and what it read can be verified or judged without a panic.
//!
//! One function a target. The fuzz targets run them on what libFuzzer invents, `ledger-format/tests/parsers` runs
//! them on the corpus and on damaged copies of it in every `cargo test`.

use std::fmt::Debug;
use std::sync::OnceLock;

use ledger_format::http_signature::CallProof;
use ledger_format::record::{Entry, Record, StateRoot, json};
use ledger_format::{
    AddCheckpoint, BundleId, Chain, ChainQuestion, Checkpoint, CoseReceipt, Evidence, MultiProof, Note,
    NoteSigner, Policy, SignSubtree, SignatureLine, SignatureType, Staple, StapleQuestion, TileId, TlogProof,
    Token, Vkey, encode_cosignature_lines, encode_tile, parse_bundle, parse_cosignature_lines,
    parse_size_answer, parse_tile, push_bundle_entry, tile_root, verify, verify_chain, verify_staple,
};

/// A check of one parser.
pub type Check = fn(&[u8]);

/// Every target by the name of its program and its corpus.
pub const TARGETS: &[(&str, Check)] = &[
    ("vkey", vkey),
    ("note", note),
    ("checkpoint", checkpoint),
    ("cosignature", cosignature),
    ("policy", policy),
    ("tile_path", tile_path),
    ("tile", tile),
    ("bundle", bundle),
    ("proof", proof),
    ("add_checkpoint", add_checkpoint),
    ("sign_subtree", sign_subtree),
    ("multiproof", multiproof),
    ("cose", cose),
    ("evidence", evidence),
    ("staple", staple),
    ("chain", chain),
    ("token", token),
    ("http_signature", http_signature),
    ("record_json", record_json),
    ("record", record),
    ("entry", entry),
    ("state_root", state_root),
    ("size_answer", size_answer),
    ("cosignature_lines", cosignature_lines),
    ("signer", signer),
];

/// The log and witnesses that signed the corpus.
fn trusted() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let text = "\
            log maip.example/main+af04b8a9+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n\
            witness w1 witness1.example/w+9755e017+BNYvAWoe/R5P33k+tCzYRHHhup8M8E0Sh7XMcfYWKHy4\n\
            witness w2 witness2.example/w+3c587d55+BDS02QQxVsttzwvrCilJt1WclA0ry22+jFOpswJ446dG\n\
            witness w3 witness3.example/w+b051b75c+BBKkFZLIt8F9QFnnspth6P+Wx0FfL4AzSPLwF+BbnqHa\n\
            group all-three 2 w1 w2 w3\n\
            quorum all-three\n";
        Policy::parse(text).expect("well-formed")
    })
}

/// Reads, prints, compares, reads again, compares.
fn round_trip<T: Debug + PartialEq, E>(
    input: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, E>,
    print: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = parse(input).ok()?;
    let printed = print(&value);
    assert_eq!(String::from_utf8_lossy(&printed), String::from_utf8_lossy(input), "prints as read");
    assert_eq!(printed, input);
    assert_eq!(parse(&printed).ok().as_ref(), Some(&value), "reads what it printed");
    Some(value)
}

/// The same for parsers of text; input that is not UTF-8 does not reach them.
fn round_trip_text<T: Debug + PartialEq, E>(
    input: &[u8],
    parse: impl Fn(&str) -> Result<T, E>,
    print: impl Fn(&T) -> String,
) -> Option<T> {
    std::str::from_utf8(input).ok()?;
    round_trip(
        input,
        |bytes| parse(std::str::from_utf8(bytes).expect("checked")),
        |value| print(value).into_bytes(),
    )
}

/// `name+id+key`.
pub fn vkey(input: &[u8]) {
    round_trip_text(input, Vkey::parse, Vkey::to_string);
}

/// A signed note.
pub fn note(input: &[u8]) {
    if let Some(note) = round_trip(input, Note::parse, Note::to_bytes) {
        let _ = trusted().check(&note);
    }
}

/// The text of a checkpoint.
pub fn checkpoint(input: &[u8]) {
    round_trip_text(input, Checkpoint::parse, Checkpoint::to_string);
}

/// A signature line, verified as a cosignature.
pub fn cosignature(input: &[u8]) {
    if let Some(line) = round_trip_text(input, SignatureLine::parse, SignatureLine::to_string) {
        for witness in trusted().witnesses() {
            let _ = line.timestamp(witness.vkey.signature_type());
            let _ = witness.vkey.verify("maip.example/main\n", &line);
        }
    }
}

/// A policy; comments and white space are not printed again.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(policy) = Policy::parse(text) {
        let printed = policy.to_string();
        assert_eq!(Policy::parse(&printed).as_ref(), Ok(&policy), "reads what it printed");
        round_trip_text(printed.as_bytes(), Policy::parse, Policy::to_string);
        let _ = policy.quorum();
    }
}

/// The path of a tile or bundle.
pub fn tile_path(input: &[u8]) {
    round_trip_text(input, TileId::parse, TileId::path);
    round_trip_text(input, BundleId::parse, BundleId::path);
}

/// Two bytes of width, then a tile.
pub fn tile(input: &[u8]) {
    let Some((width, bytes)) = input.split_first_chunk() else { return };
    let width = u16::from_be_bytes(*width);
    if let Some(hashes) = round_trip(bytes, |bytes| parse_tile(bytes, width), |hashes| encode_tile(hashes)) {
        let _ = tile_root(&hashes);
    }
}

/// Two bytes of width, then a bundle.
pub fn bundle(input: &[u8]) {
    let Some((width, bytes)) = input.split_first_chunk() else { return };
    let width = u16::from_be_bytes(*width);
    if let Ok(entries) = parse_bundle(bytes, width) {
        let mut printed = Vec::new();
        entries.iter().for_each(|entry| push_bundle_entry(&mut printed, entry).expect("was in a bundle"));
        assert_eq!(printed, bytes, "prints as read");
    }
}

/// A proof file.
pub fn proof(input: &[u8]) {
    if let Some(proof) = round_trip(input, TlogProof::parse, TlogProof::to_bytes) {
        let _ = verify(proof.entry().unwrap_or_default(), &proof, trusted());
    }
}

/// The body of `add-checkpoint`.
pub fn add_checkpoint(input: &[u8]) {
    round_trip(input, AddCheckpoint::parse, AddCheckpoint::to_bytes);
}

/// The body of `sign-subtree`.
pub fn sign_subtree(input: &[u8]) {
    round_trip(input, SignSubtree::parse, SignSubtree::to_bytes);
}

/// A multi-proof.
pub fn multiproof(input: &[u8]) {
    if let Some(proof) = round_trip(input, MultiProof::parse, MultiProof::to_bytes) {
        let _ = proof.verify(trusted());
    }
}

/// A COSE receipt.
pub fn cose(input: &[u8]) {
    if let Some(receipt) = round_trip(input, CoseReceipt::parse, CoseReceipt::to_bytes) {
        let log = &trusted().logs()[0].vkey;
        let _ = receipt.verify_inclusion(b"entry 5", log);
        let _ = receipt.verify_consistency(ledger_format::empty_root(), log);
    }
}

/// An evidence file.
pub fn evidence(input: &[u8]) {
    if let Some(evidence) = round_trip(input, Evidence::parse, Evidence::to_bytes) {
        let _ = evidence.judge(trusted());
    }
}

/// A staple, asked for what it claims to be.
pub fn staple(input: &[u8]) {
    if let Some(staple) = round_trip(input, Staple::parse, Staple::to_bytes) {
        let (origin, subject) = (staple.origin.as_str(), staple.subject.as_str());
        let question = StapleQuestion { origin, subject, now_s: 1_767_225_660, max_age_s: Some(120) };
        let _ = verify_staple(&staple, trusted(), &question);
    }
}

/// A chain file.
pub fn chain(input: &[u8]) {
    if let Some(chain) = round_trip(input, Chain::parse, Chain::to_bytes) {
        let question = ChainQuestion {
            now_s: 1_767_225_660,
            max_age_s: Some(120),
            tenant_roots: &[],
            moment: Default::default(),
        };
        let _ = verify_chain(&chain, trusted(), &question);
    }
}

/// A session token.
pub fn token(input: &[u8]) {
    round_trip_text(input, Token::parse, Token::to_string);
}

/// The value of `Signature-Input`, beside a signature.
pub fn http_signature(input: &[u8]) {
    let signature = format!("maip=:{}==:", "A".repeat(86));
    round_trip_text(input, |text| CallProof::parse(text, &signature), CallProof::signature_input);
}

/// Canonical JSON.
pub fn record_json(input: &[u8]) {
    round_trip(input, json::parse, json::Value::to_bytes);
}

/// A record.
pub fn record(input: &[u8]) {
    if let Some(record) = round_trip(input, Record::parse, Record::to_bytes) {
        let _ = record.signed_bytes();
        let _ = record.hash();
    }
}

/// An entry; that it prints the same again is promised for entries whose record reads.
pub fn entry(input: &[u8]) {
    if let Ok(entry) = Entry::parse(input)
        && (Record::parse(entry.record).is_ok() || matches!(entry.state_root(), Some(Ok(_))))
    {
        assert_eq!(Entry::encode(entry.at, entry.record), input, "prints as read");
    }
}

/// What stands in the place of a record where the log commits to statuses.
pub fn state_root(input: &[u8]) {
    if let Some(root) = round_trip(input, StateRoot::parse, StateRoot::to_bytes) {
        assert!(Record::parse(input).is_err(), "nobody may send one as a record");
        let entry = Entry::encode(1_769_000_000_000, input);
        let entry = Entry::parse(&entry).expect("an entry");
        assert_eq!(entry.state_root(), Some(Ok(root)), "reads the same in its entry");
    }
}

/// The body of a witness's answer 409.
pub fn size_answer(input: &[u8]) {
    round_trip_text(input, parse_size_answer, |size| ledger_format::size_answer(*size));
}

/// The body of a witness's answer 200, each line verified as a cosignature.
pub fn cosignature_lines(input: &[u8]) {
    let print = |lines: &Vec<SignatureLine>| encode_cosignature_lines(lines).into_bytes();
    for line in round_trip(input, parse_cosignature_lines, print).unwrap_or_default() {
        for witness in trusted().witnesses() {
            let _ = witness.vkey.verify("maip.example/main\n1\nAAAA\n", &line);
        }
    }
}

/// A private key; what it signs is good under its public half.
pub fn signer(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(signer) = NoteSigner::parse(text) {
        let line = text.strip_suffix('\n').unwrap_or(text);
        assert_eq!(signer.to_private_text(), line, "prints as read");
        assert!(!format!("{signer:?}").contains(&line[line.len() - 43..]), "shows its public half only");
        let text = "maip.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let signed = match signer.vkey().signature_type() {
            SignatureType::Ed25519 => signer.sign(text),
            _ => signer.cosign(text, 1_767_225_600),
        };
        assert!(signer.vkey().verify(text, &signed).is_ok(), "its public half verifies");
    }
}

//! Runs one vector: the input of a case against the code, whatever the case expects.
//!
//! Shared by the test that reads the files and the example that writes them.

use std::fmt::Debug;

use ledger_format::http_signature::{Call, CallProof, CallProofError};
use ledger_format::record::PublicKey;
use ledger_format::token::{Claims as _, Thumbprint, TokenError};
use ledger_format::*;
use serde_json::Value;

/// What a case's input leads to: `Err` holds the name of the error's variant, inner variants after a dot.
pub(crate) type Outcome = Result<(), String>;

/// Runs the input of one case.
pub(crate) type Run = fn(&Input<'_>) -> Outcome;

/// The names of every format that has a file of vectors.
pub(crate) const FORMATS: &[(&str, Run)] = &[
    ("merkle-root", merkle_root),
    ("inclusion", inclusion),
    ("consistency", consistency),
    ("subtree", subtree),
    ("tile-path", tile_path),
    ("tile", tile),
    ("entry-bundle", entry_bundle),
    ("vkey", vkey),
    ("note", note),
    ("signed-note", signed_note),
    ("checkpoint", checkpoint),
    ("cosignature", cosignature),
    ("cosignature-ml-dsa", cosignature_ml_dsa),
    ("policy", policy),
    ("policy-check", policy_check),
    ("proof", proof),
    ("add-checkpoint", add_checkpoint),
    ("sign-subtree", sign_subtree),
    ("multi-proof", multi_proof),
    ("cose-receipt", cose_receipt),
    ("evidence", evidence),
    ("staple", staple),
    ("token", token),
    ("http-signature", http_signature),
];

/// The input of a case: named strings, lists of strings.
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl Input<'_> {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some()
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("input has no text {field:?}"))
    }

    /// Text as bytes, or `<field>_hex` where the bytes are no text.
    fn bytes(&self, field: &str) -> Vec<u8> {
        match self.0.get(format!("{field}_hex")) {
            Some(hex) => from_hex(hex.as_str().expect("hex is a string")),
            None => self.text(field).as_bytes().to_vec(),
        }
    }

    /// Numbers are decimal strings: not every language has 64-bit integers in JSON.
    fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap_or_else(|_| panic!("input {field:?} is not a number"))
    }

    fn hash(&self, field: &str) -> Hash {
        Hash::from_hex(self.text(field)).unwrap_or_else(|| panic!("input {field:?} is not a hash"))
    }

    fn list(&self, field: &str) -> Vec<&str> {
        let list = self.0[field].as_array().unwrap_or_else(|| panic!("input has no list {field:?}"));
        list.iter().map(|item| item.as_str().expect("an item is a string")).collect()
    }

    fn hashes(&self, field: &str) -> Vec<Hash> {
        self.list(field).into_iter().map(|hex| Hash::from_hex(hex).expect("an item is a hash")).collect()
    }
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "hex has an even length");
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
}

/// `Policy(BadSignature { .. })` becomes `Policy.BadSignature`.
fn reason(error: impl Debug) -> String {
    let debug = format!("{error:?}");
    let names: Vec<&str> = debug
        .split('{')
        .next()
        .unwrap_or_default()
        .split('(')
        .map(|name| name.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect();
    names.join(".")
}

fn prints_as_read(printed: impl AsRef<[u8]>, read: &[u8]) {
    assert_eq!(String::from_utf8_lossy(printed.as_ref()), String::from_utf8_lossy(read), "prints as read");
}

fn merkle_root(input: &Input<'_>) -> Outcome {
    let leaves: Vec<Hash> = input.list("entries").iter().map(|hex| leaf_hash(&from_hex(hex))).collect();
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|&leaf| frontier.push(leaf));
    let root = tree_root(&leaves, frontier.size()).expect("in memory");
    assert_eq!(frontier.root(), root);
    if root == input.hash("root") { Ok(()) } else { Err("RootMismatch".to_owned()) }
}

fn inclusion(input: &Input<'_>) -> Outcome {
    let (index, size) = (input.number("index"), input.number("size"));
    let (proof, root) = (input.hashes("proof"), input.hash("root"));
    verify_inclusion(input.hash("leaf"), index, size, &proof, root).map_err(reason)
}

fn consistency(input: &Input<'_>) -> Outcome {
    let (old, new, proof) = (input.number("old"), input.number("new"), input.hashes("proof"));
    verify_consistency(old, new, &proof, input.hash("old_root"), input.hash("new_root")).map_err(reason)
}

fn subtree(input: &Input<'_>) -> Outcome {
    let (start, end, size) = (input.number("start"), input.number("end"), input.number("size"));
    let proof = input.hashes("proof");
    verify_subtree(start, end, size, &proof, input.hash("subtree"), input.hash("root")).map_err(reason)
}

fn tile_path(input: &Input<'_>) -> Outcome {
    let path = input.text("path");
    let printed = if path.starts_with("tile/entries/") {
        BundleId::parse(path).map_err(reason)?.path()
    } else {
        TileId::parse(path).map_err(reason)?.path()
    };
    prints_as_read(printed, path.as_bytes());
    Ok(())
}

fn tile(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("tile");
    let width = u16::try_from(input.number("width")).expect("a width");
    let hashes = parse_tile(&bytes, width).map_err(reason)?;
    assert_eq!(encode_tile(&hashes), bytes);
    if tile_root(&hashes) == input.hash("root") { Ok(()) } else { Err("RootMismatch".to_owned()) }
}

fn entry_bundle(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("bundle");
    let width = u16::try_from(input.number("width")).expect("a width");
    let entries = parse_bundle(&bytes, width).map_err(reason)?;
    let mut printed = Vec::new();
    entries.iter().for_each(|entry| push_bundle_entry(&mut printed, entry).expect("was in a bundle"));
    assert_eq!(printed, bytes);
    Ok(())
}

fn vkey(input: &Input<'_>) -> Outcome {
    let text = input.text("vkey");
    prints_as_read(Vkey::parse(text).map_err(reason)?.to_string(), text.as_bytes());
    Ok(())
}

fn note(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("note");
    prints_as_read(Note::parse(&bytes).map_err(reason)?.to_bytes(), &bytes);
    Ok(())
}

fn signed_note(input: &Input<'_>) -> Outcome {
    let note = Note::parse(&input.bytes("note")).expect("the note is well-formed");
    let vkey = Vkey::parse(input.text("vkey")).expect("the key is well-formed");
    let line = note.signature_of(&vkey).ok_or("NoSignature")?;
    vkey.verify(note.text(), line).map_err(reason)?;
    Ok(())
}

fn checkpoint(input: &Input<'_>) -> Outcome {
    let text = input.text("checkpoint");
    prints_as_read(Checkpoint::parse(text).map_err(reason)?.to_string(), text.as_bytes());
    Ok(())
}

fn cosignature(input: &Input<'_>) -> Outcome {
    let vkey = Vkey::parse(input.text("vkey")).expect("the key is well-formed");
    let line = SignatureLine::parse(input.text("line")).map_err(reason)?;
    let time_s = vkey.verify(input.text("checkpoint"), &line).map_err(reason)?;
    assert_eq!(line.timestamp(vkey.signature_type()), time_s);
    assert_eq!(time_s, Some(input.number("time_s")));
    Ok(())
}

/// Without feature `ml-dsa` every line of this type is one that says nothing.
fn cosignature_ml_dsa(input: &Input<'_>) -> Outcome {
    if !input.has("start") {
        return cosignature(input);
    }
    let vkey = Vkey::parse(input.text("vkey")).expect("the key is well-formed");
    let line = SignatureLine::parse(input.text("line")).map_err(reason)?;
    let range = (input.number("start"), input.number("end"));
    vkey.verify_subtree(input.text("origin"), range, input.hash("hash"), &line).map_err(reason)?;
    Ok(())
}

fn policy(input: &Input<'_>) -> Outcome {
    let text = input.text("policy");
    let policy = Policy::parse(text).map_err(|error| format!("{}@{}", reason(error.reason), error.line))?;
    let printed = policy.to_string();
    assert_eq!(Policy::parse(&printed).expect("reads what it printed"), policy);
    assert_eq!(policy.quorum(), input.text("quorum"));
    Ok(())
}

fn policy_check(input: &Input<'_>) -> Outcome {
    let policy = Policy::parse(input.text("policy")).expect("the policy is well-formed");
    let note = Note::parse(&input.bytes("note")).expect("the note is well-formed");
    let witnessed = policy.check(&note).map_err(reason)?;
    let names: Vec<&str> = witnessed.cosigners.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, input.list("cosigners"));
    Ok(())
}

fn proof(input: &Input<'_>) -> Outcome {
    let policy = Policy::parse(input.text("policy")).expect("the policy is well-formed");
    let bytes = input.bytes("proof");
    let proof = TlogProof::parse(&bytes).map_err(reason)?;
    prints_as_read(proof.to_bytes(), &bytes);
    let entry = match input.has("entry_hex") {
        true => input.bytes("entry"),
        false => proof.entry().expect("the case gives an entry").to_vec(),
    };
    verify(&entry, &proof, &policy).map_err(reason)?;
    Ok(())
}

fn add_checkpoint(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("body");
    prints_as_read(AddCheckpoint::parse(&bytes).map_err(reason)?.to_bytes(), &bytes);
    Ok(())
}

fn sign_subtree(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("body");
    prints_as_read(SignSubtree::parse(&bytes).map_err(reason)?.to_bytes(), &bytes);
    Ok(())
}

fn multi_proof(input: &Input<'_>) -> Outcome {
    let policy = Policy::parse(input.text("policy")).expect("the policy is well-formed");
    let bytes = input.bytes("proof");
    let proof = MultiProof::parse(&bytes).map_err(reason)?;
    prints_as_read(proof.to_bytes(), &bytes);
    proof.verify(&policy).map_err(reason)?;
    Ok(())
}

fn cose_receipt(input: &Input<'_>) -> Outcome {
    let bytes = input.bytes("receipt");
    let receipt = CoseReceipt::parse(&bytes).map_err(reason)?;
    assert_eq!(receipt.to_bytes(), bytes);
    let log = Vkey::parse(input.text("vkey")).expect("the key is well-formed");
    let root = match input.has("old_root") {
        true => receipt.verify_consistency(input.hash("old_root"), &log).map_err(reason)?,
        false => receipt.verify_inclusion(&input.bytes("entry"), &log).map_err(reason)?,
    };
    assert_eq!(root, input.hash("root"));
    Ok(())
}

fn evidence(input: &Input<'_>) -> Outcome {
    let policy = Policy::parse(input.text("policy")).expect("the policy is well-formed");
    let bytes = input.bytes("evidence");
    let evidence = Evidence::parse(&bytes).map_err(reason)?;
    prints_as_read(evidence.to_bytes(), &bytes);
    let verdict = evidence.judge(&policy).map_err(|error| format!("NotEvidence.{}", reason(error)))?;
    let mut culprits = verdict.witnesses;
    if verdict.log {
        culprits.insert(0, format!("log {}", verdict.origin));
    }
    assert_eq!(culprits, input.list("culprits"));
    Ok(())
}

fn staple(input: &Input<'_>) -> Outcome {
    let policy = Policy::parse(input.text("policy")).expect("the policy is well-formed");
    let bytes = input.bytes("staple");
    let staple = Staple::parse(&bytes).map_err(reason)?;
    prints_as_read(staple.to_bytes(), &bytes);
    let question = StapleQuestion {
        origin: input.text("origin"),
        subject: input.text("subject"),
        now_s: input.number("now_s"),
        max_age_s: input.has("max_age_s").then(|| input.number("max_age_s")),
    };
    let verdict = verify_staple(&staple, &policy, &question).map_err(reason)?;
    assert_eq!(verdict.value.as_deref(), staple.value());
    Ok(())
}

fn token(input: &Input<'_>) -> Outcome {
    let key = PublicKey::parse(input.text("key")).expect("the key is well-formed");
    assert_eq!(key.kid().to_string(), input.text("kid"));
    assert_eq!(Thumbprint::of(&key).to_string(), input.text("jkt"));
    if input.has("operator_seed") {
        let seed = format!("maip-ed25519-seed:{}\n", input.text("operator_seed"));
        let operator = record::SigningKey::parse_seed_text(&seed).expect("a seed");
        assert_eq!(token::signing_key(&operator).public(), key);
    }
    let text = input.text("token");
    let token = Token::parse(text).map_err(|error| match &error {
        TokenError::Header(json) => format!("Header.{}", json.reason.code()),
        TokenError::Claims(json) => format!("Claims.{}", json.reason.code()),
        other => reason(other),
    })?;
    prints_as_read(token.to_string(), text.as_bytes());
    token.verify(&key).map_err(reason)?;
    assert_eq!(token.claims.to_bytes(), input.bytes("claims"));
    Ok(())
}

fn http_signature(input: &Input<'_>) -> Outcome {
    let key = PublicKey::parse(input.text("key")).expect("the key is well-formed");
    let (fields, signature) = (input.text("signature_input"), input.text("signature"));
    let parsed = CallProof::parse(fields, signature).map_err(|error| match error {
        CallProofError::Parameter(name) => format!("Parameter.{name}"),
        other => reason(other),
    })?;
    prints_as_read(parsed.signature_input(), fields.as_bytes());
    prints_as_read(parsed.signature_field(), signature.as_bytes());
    let call = Call {
        method: input.text("method"),
        target_uri: input.text("target_uri"),
        token: input.text("token"),
        content_digest: input.text("content_digest"),
        audience: input.text("audience"),
        grant: input.has("grant").then(|| input.text("grant")),
    };
    parsed.verify(&call, &key).map_err(|error| match error {
        CallProofError::Call(error) => format!("Call.{}", error.component),
        other => reason(other),
    })
}

//! Writes the seed corpus of the fuzz targets, `ledger-format/fuzz/corpus/<target>/`, from the vectors:
//! `cargo run -p ledger-format --example make_corpus`.
//!
//! A few small inputs a target, good and bad ones. What fuzzing adds to a corpus stays out of the repository unless
//! somebody finds it worth a file of its own.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Seeds of one kind, at most.
const SEEDS_MAX: usize = 6;

/// Longest seed, in bytes: libFuzzer is slow on long ones.
const SEED_BYTES_MAX: usize = 4_096;

/// Target, file of vectors, field of the input that the target reads.
const SOURCES: &[(&str, &str, &str)] = &[
    ("vkey", "vkey", "vkey"),
    ("note", "note", "note"),
    ("note", "policy-check", "note"),
    ("checkpoint", "checkpoint", "checkpoint"),
    ("cosignature", "cosignature", "line"),
    ("policy", "policy", "policy"),
    ("tile_path", "tile-path", "path"),
    ("tile", "tile", "tile"),
    ("bundle", "entry-bundle", "bundle"),
    ("proof", "proof", "proof"),
    ("add_checkpoint", "add-checkpoint", "body"),
    ("sign_subtree", "sign-subtree", "body"),
    ("multiproof", "multi-proof", "proof"),
    ("cose", "cose-receipt", "receipt"),
    ("evidence", "evidence", "evidence"),
    ("staple", "staple", "staple"),
    ("token", "token", "token"),
    ("http_signature", "http-signature", "signature_input"),
];

fn main() {
    for &(target, format, field) in SOURCES {
        let file = read(format);

        for valid in [true, false] {
            let cases = file["cases"].as_array().expect("cases is a list").iter();
            let seeds = cases.filter(|case| case["valid"] == valid).filter_map(|case| {
                let bytes = bytes(&case["input"], field, target)?;
                (bytes.len() <= SEED_BYTES_MAX).then(|| (format!("{format}-{}", case["id"]), bytes))
            });
            seeds.take(SEEDS_MAX).for_each(|(name, bytes)| write(target, &name, &bytes));
        }
    }
    records();
    chains();
    let root = r#"{"as_of_size":9,"map_root":"HEX","trust_alg":"maip-trust/1","version":4}"#
        .replace("HEX", &"0a".repeat(32));
    let root = format!(r#"{{"body":{root},"type":"state.root","v":1}}"#);
    write("entry", "state-root", format!(r#"{{"at":1769000000000,"record":{root}}}"#).as_bytes());
    state_roots(&root);
    answers();
    signers();
}

/// A `state.root` as earlier software wrote it, one with its step, and both with something wrong.
fn state_roots(plain: &str) {
    let step = plain
        .replace(r#""map_root""#, r#""from":3,"map_root""#)
        .replace(r#""trust_alg""#, r#""subjects":32,"trust_alg""#);
    write("state_root", "plain", plain.as_bytes());
    write("state_root", "step", step.as_bytes());
    write("state_root", "version-0", plain.replace(r#""version":4"#, r#""version":0"#).as_bytes());
    write("state_root", "half-a-step", step.replace(r#""from":3,"#, "").as_bytes());
    write("state_root", "too-many-subjects", step.replace(":32,", ":1025,").as_bytes());
    write("state_root", "largest-numbers", step.replace(":9,", ":9007199254740991,").as_bytes());
}

/// What a witness answers.
fn answers() {
    for (name, body) in [("zero", "0\n"), ("some", "70000\n"), ("largest", "18446744073709551615\n")] {
        write("size_answer", name, body.as_bytes());
    }
    write("size_answer", "too-large", b"18446744073709551616\n");
    write("size_answer", "leading-zero", b"07\n");
    let file = read("cosignature");
    let cases = file["cases"].as_array().expect("cases is a list").iter();
    let valid = cases.filter(|case| case["valid"] == true);
    let lines: Vec<_> = valid.filter_map(|case| case["input"]["line"].as_str()).take(SEEDS_MAX).collect();
    write("cosignature_lines", "one", format!("{}\n", lines[0]).as_bytes());
    write("cosignature_lines", "some", format!("{}\n", lines.join("\n")).as_bytes());
    write("cosignature_lines", "no-newline", lines.join("\n").as_bytes());
    write("cosignature_lines", "empty-line", format!("{}\n\n{}\n", lines[0], lines[1]).as_bytes());
}

/// Private keys of tests: one of each type that signs.
fn signers() {
    use ledger_format::{NoteSigner, SignatureType};
    for (name, signature_type) in [("log", SignatureType::Ed25519), ("witness", SignatureType::CosignatureV1)]
    {
        let signer = NoteSigner::new("maip.example/main", signature_type, [7; 32]).expect("a good name");
        let text = signer.to_private_text();
        write("signer", name, text.as_bytes());
        write("signer", &format!("{name}-newline"), format!("{text}\n").as_bytes());
        write("signer", &format!("{name}-other-name"), text.replacen("main", "side", 1).as_bytes());
    }
}

/// Chains have a file of their own kind: only small ones are written out there.
fn chains() {
    let file = read("chain");
    let cases = file["cases"].as_array().expect("cases is a list").iter();
    let small = cases.filter_map(|case| Some((case["id"].as_u64()?, case["file"].as_str()?)));
    for (id, text) in small.filter(|(_, text)| text.len() <= SEED_BYTES_MAX) {
        write("chain", &format!("chain-{id}"), text.as_bytes());
    }
}

/// Records have a file of their own kind.
fn records() {
    let file = read("record");
    for (list, field) in [("valid", "record"), ("invalid", "record"), ("entries", "entry")] {
        let Some(cases) = file[list].as_array() else { continue };
        for case in cases.iter().take(2 * SEEDS_MAX) {
            let (Some(text), Some(id)) = (case[field].as_str(), id(case)) else { continue };
            let name = format!("{list}-{id}");
            if list == "entries" {
                write("entry", &name, text.as_bytes());
            } else {
                write("record", &name, text.as_bytes());
                write("record_json", &name, text.as_bytes());
                write("entry", &name, format!(r#"{{"at":1769000000000,"record":{text}}}"#).as_bytes());
            }
        }
    }
}

fn id(case: &Value) -> Option<String> {
    case["id"].as_str().map(str::to_owned).or_else(|| case["id"].as_u64().map(|id| id.to_string()))
}

fn bytes(input: &Value, field: &str, target: &str) -> Option<Vec<u8>> {
    let bytes = match input.get(format!("{field}_hex")).and_then(Value::as_str) {
        Some(hex) => {
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
        }
        None => input.get(field)?.as_str()?.as_bytes().to_vec(),
    };
    // Tiles and bundles are read with the width that was asked for.
    if !matches!(target, "tile" | "bundle") {
        return Some(bytes);
    }
    let width: u16 = input["width"].as_str()?.parse().ok()?;
    Some([&width.to_be_bytes()[..], &bytes].concat())
}

fn read(format: &str) -> Value {
    let path = crate_directory().join("vectors").join(format!("{format}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = crate_directory().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    std::fs::write(directory.join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn crate_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

//! Vectors of staples: the map, the log that commits to it, and every way to show something else.

use ledger_format::record::{Entry, StateRoot};
use ledger_format::*;
use serde_json::{Value, json};

use crate::File;
use crate::reference::Reference;
use crate::world::{ORIGIN, TIME_S, entry, flip, log_signer, note_of, policy_text, root, witness};

const AGENT: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N";
const OTHER: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7P";
const NOBODY: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7Q";
const ACTIVE: &[u8] = br#"{"since":3,"status":"active","type":"agent"}"#;
const REVOKED: &[u8] = br#"{"since":8,"status":"revoked","type":"agent"}"#;

/// Place of the `state.root` entry.
const INDEX: u64 = 10;

/// The statuses before and after the agent was revoked.
fn statuses(agent: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![(AGENT.to_owned(), agent.to_vec()), (OTHER.to_owned(), ACTIVE.to_vec())];
    for number in 0..20 {
        let status = format!(r#"{{"n":{number},"type":"agreement"}}"#).into_bytes();
        all.push((format!("agreement:{number:064x}"), status));
    }
    all
}

fn map(agent: &[u8]) -> Reference {
    let all = statuses(agent);
    Reference::new(all.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

fn root_entry(map: &Reference, as_of_size: u64, at_s: u64) -> Vec<u8> {
    let state_root = StateRoot {
        as_of_size,
        map_root: map.root(),
        trust_alg: "maip-trust/1".into(),
        step: None,
        version: 4,
    };
    Entry::encode(at_s * 1_000, &state_root.to_bytes())
}

/// The proof of a chosen entry at [`INDEX`] in a log of `size`.
fn inclusion(entry_at: &[u8], size: u64, witnesses: &[u8]) -> TlogProof {
    let leaf = |index| if index == INDEX { leaf_hash(entry_at) } else { leaf_hash(&entry(index)) };
    let leaves: Vec<Hash> = (0..size).map(leaf).collect();
    let text = Checkpoint::new(ORIGIN, size, root(&leaves)).to_string();
    let hashes = prove_inclusion(&leaves, INDEX, size).expect("in memory");
    TlogProof { extra: Some(entry_at.to_vec()), index: INDEX, hashes, note: note_of(&text, witnesses) }
}

fn staple_in(map: &Reference, subject: &str, value: Option<&[u8]>, inclusion: TlogProof) -> Staple {
    let MapProof { leaf, siblings } = map.prove(map_key(subject));
    let standing = match (value, leaf) {
        (Some(value), _) => Standing::Present(value.to_vec()),
        (None, Some(leaf)) => Standing::Other(leaf),
        (None, None) => Standing::Empty,
    };
    Staple { origin: ORIGIN.into(), subject: subject.into(), standing, siblings, inclusion }
}

/// A staple of the agent's revocation: the checkpoint ends with the `state.root`.
fn good() -> Staple {
    let map = map(REVOKED);
    let inclusion = inclusion(&root_entry(&map, INDEX, TIME_S - 50), INDEX + 1, &[1, 2]);
    staple_in(&map, AGENT, Some(REVOKED), inclusion)
}

/// Evidence about the agent: the proof of an entry, and a staple that says that it is active as of `as_of_size`.
pub(crate) fn contradiction(
    ending: &[u8],
    subject: &str,
    status: Option<&[u8]>,
    as_of_size: u64,
) -> Evidence {
    let map = map(ACTIVE);
    let later = inclusion(&root_entry(&map, as_of_size, TIME_S - 50), INDEX + 1, &[1]);
    let staple = Box::new(staple_in(&map, subject, status, later));
    Evidence::StatusContradiction { ending: inclusion(ending, INDEX + 3, &[2]), staple }
}

/// The agent of the vectors, active, and another one.
pub(crate) const SUBJECTS: [(&str, &[u8]); 2] = [(AGENT, ACTIVE), (OTHER, ACTIVE)];

/// A case that asks for the agent, a minute after the witnesses, and takes what is two minutes old.
fn case(text: &str) -> Value {
    json!({
        "policy": policy_text(),
        "staple": text,
        "origin": ORIGIN,
        "subject": AGENT,
        "now_s": (TIME_S + 60).to_string(),
        "max_age_s": "120",
    })
}

fn with(staple: &Staple, changes: &[(&str, &str)]) -> Value {
    let mut case = case(&staple.to_string());
    for (field, value) in changes {
        case[*field] = json!(value);
    }
    case
}

pub(crate) fn write() {
    let mut file = File::new("staple", "ledger-format/src/status_proof/mod.rs");
    readings(&mut file);
    swaps(&mut file);
    logs(&mut file);
    ages(&mut file);
    forms(&mut file);
    file.write();
}

/// A subject that the map does not know, found by its place: next to another leaf, or in an empty subtree.
fn absent(map: &Reference, other: bool) -> String {
    let names = (100..).map(|number: u64| format!("agreement:{number:064x}"));
    let fits = |name: &String| map.prove(map_key(name)).leaf.is_some() == other;
    names.into_iter().find(fits).expect("there is one")
}

fn readings(file: &mut File) {
    let staple = good();
    file.good("a revoked agent", "reading", with(&staple, &[]));
    let map = map(REVOKED);
    for (comment, class, other) in [
        ("unknown: another leaf is in its place", "absence by another leaf", true),
        ("unknown: nothing is in its place", "absence by an empty subtree", false),
    ] {
        let name = absent(&map, other);
        let staple = staple_in(&map, &name, None, staple.inclusion.clone());
        file.good(comment, class, with(&staple, &[("subject", &name)]));
    }
    let one = Reference::new([(AGENT, REVOKED)]);
    let inclusion_one = inclusion(&root_entry(&one, INDEX, TIME_S), INDEX + 1, &[1, 2]);
    let only = staple_in(&one, AGENT, Some(REVOKED), inclusion_one.clone());
    file.good("a map of one subject", "no siblings", with(&only, &[]));
    let nobody = staple_in(&one, NOBODY, None, inclusion_one);
    file.good("absent from a map of one", "no siblings", with(&nobody, &[("subject", NOBODY)]));
}

fn swaps(file: &mut File) {
    let change = |change: &dyn Fn(&mut Staple)| {
        let mut staple = good();
        change(&mut staple);
        with(&staple, &[])
    };
    let of_other = {
        let map = map(REVOKED);
        staple_in(&map, OTHER, Some(ACTIVE), good().inclusion)
    };
    file.bad("the staple of another agent", "swapped subject", with(&of_other, &[]), "OtherSubject");
    let renamed = Staple { subject: AGENT.into(), ..of_other };
    file.bad(
        "another agent's proof under this name",
        "swapped subject",
        with(&renamed, &[]),
        "Map.RootMismatch",
    );
    file.bad(
        "the status before the revocation",
        "swapped value",
        change(&|s| s.standing = Standing::Present(ACTIVE.to_vec())),
        "Map.RootMismatch",
    );
    let before = map(ACTIVE);
    let old = staple_in(&before, AGENT, Some(ACTIVE), good().inclusion);
    file.bad("the proof of an older map", "rollback of the map", with(&old, &[]), "Map.RootMismatch");
    let turned = change(&|s| s.siblings[1] = flip(s.siblings[1]));
    file.bad("one bit of a sibling turned", "path not used", turned, "Map.RootMismatch");
    let fewer = change(&|s| s.siblings.truncate(s.siblings.len() - 1));
    file.bad("a sibling too few", "length not checked", fewer, "Map.RootMismatch");
    let more = change(&|s| s.siblings.insert(0, EMPTY_MAP_ROOT));
    file.bad("an empty sibling too many", "padding accepted", more, "Map.RootMismatch");
    let gone = change(&|s| s.standing = Standing::Empty);
    file.bad("a known agent claimed unknown: empty", "absence not checked", gone, "Map.RootMismatch");
    let own = MapLeaf { key: map_key(AGENT), value: map_value_hash(REVOKED) };
    let own = change(&|s| s.standing = Standing::Other(own));
    file.bad("a known agent claimed unknown: its own leaf", "absence not checked", own, "Map.HasValue");
    let elsewhere = {
        let map = map(REVOKED);
        let proof = map.prove(map_key(OTHER));
        let standing = Standing::Other(proof.leaf.expect("a known subject"));
        Staple { standing, siblings: proof.siblings, ..good() }
    };
    file.bad(
        "a leaf from elsewhere as proof of absence",
        "absence not checked",
        with(&elsewhere, &[]),
        "Map.NotOnTheWay",
    );
}

fn logs(file: &mut File) {
    let map = map(REVOKED);
    let bad_entry = |file: &mut File, comment: &str, class: &str, bytes: &[u8], reason: &str| {
        let staple = staple_in(&map, AGENT, Some(REVOKED), inclusion(bytes, INDEX + 1, &[1, 2]));
        file.bad(comment, class, with(&staple, &[]), reason);
    };
    bad_entry(file, "an entry that is none", "form", b"entry 10", "Form.Form");
    let record = br#"{"at":1767225600000,"record":{"actor":"tenant","type":"state.root","v":1}}"#;
    bad_entry(
        file,
        "a record that calls itself state.root",
        "somebody's word for the log's",
        record,
        "NotStateRoot",
    );
    let text = String::from_utf8(root_entry(&map, INDEX, TIME_S)).expect("json");
    let spaced = text.replace(",\"version\":4", ", \"version\":4");
    bad_entry(file, "a state.root with a space", "second spelling", spaced.as_bytes(), "StateRoot.JsonError");
    let ahead = root_entry(&map, INDEX + 1, TIME_S);
    bad_entry(file, "a state.root that knows the entry after it", "bounds", &ahead, "AsOfAhead");

    let mut unlogged = good();
    unlogged.inclusion.extra = Some(root_entry(&map, INDEX, TIME_S));
    file.bad(
        "a state.root that was never logged",
        "entry not hashed",
        with(&unlogged, &[]),
        "Entry.Inclusion.RootMismatch",
    );
    let alone = Staple { inclusion: inclusion(&root_entry(&map, INDEX, TIME_S), INDEX + 1, &[1]), ..good() };
    file.bad("one witness of two", "quorum", with(&alone, &[]), "Entry.Policy.Quorum");
    let elsewhere = with(&good(), &[("origin", "other.example/log")]);
    file.bad("asked of another log", "other log's origin", elsewhere, "OtherLog");
    let renamed = Staple { origin: "other.example/log".into(), ..good() };
    let renamed = with(&renamed, &[("origin", "other.example/log")]);
    file.bad("claims another origin than its checkpoint", "other log's origin", renamed, "OtherLog");
    file.bad(
        "claims an origin that nobody asked",
        "other log's origin",
        with(&Staple { origin: "other.example/log".into(), ..good() }, &[]),
        "OtherLog",
    );
}

fn ages(file: &mut File) {
    let at = |now_s: u64, max_age_s: &str| {
        with(&good(), &[("now_s", &now_s.to_string()), ("max_age_s", max_age_s)])
    };
    // The older of the two cosignatures that make the quorum counts: witness 1 states TIME_S + 1.
    file.good("exactly as old as allowed", "bounds", at(TIME_S + 121, "120"));
    file.bad("a second older", "stale", at(TIME_S + 122, "120"), "Stale");
    file.good("300 s ahead of the clock", "bounds", at(TIME_S - 299, "120"));
    file.bad("301 s ahead", "a witness's clock", at(TIME_S - 300, "120"), "FromTheFuture");
    let mut any = at(TIME_S + 1_000_000, "0");
    any.as_object_mut().expect("an object").remove("max_age_s");
    file.good("any age is taken", "no limit", any);

    let before = map(ACTIVE);
    let old_root = root_entry(&before, INDEX, TIME_S - 3_600);
    let rollback = staple_in(&before, AGENT, Some(ACTIVE), inclusion(&old_root, INDEX + 3, &[1, 2]));
    file.bad(
        "an old state.root under a fresh checkpoint",
        "rollback to an older map",
        with(&rollback, &[]),
        "Stale",
    );
    let recent = root_entry(&before, INDEX, TIME_S - 50);
    let recent = staple_in(&before, AGENT, Some(ACTIVE), inclusion(&recent, INDEX + 3, &[1, 2]));
    file.good("a recent state.root that others follow", "reading", with(&recent, &[]));
    let quiet = staple_in(&before, AGENT, Some(ACTIVE), inclusion(&old_root, INDEX + 1, &[1, 2]));
    file.good("an old state.root that ends a quiet log", "reading", with(&quiet, &[]));
    let waiting = root_entry(&before, 7, TIME_S - 1);
    let waiting = staple_in(&before, AGENT, Some(ACTIVE), inclusion(&waiting, INDEX + 1, &[1, 2]));
    file.bad("a change waited to get into the map", "incomplete map", with(&waiting, &[]), "Behind");

    let no_witness = format!("log {}\nquorum none\n", log_signer().vkey());
    let unwitnessed = inclusion(&root_entry(&map(REVOKED), INDEX, TIME_S), INDEX + 1, &[]);
    let unwitnessed = Staple { inclusion: unwitnessed, ..good() };
    file.bad(
        "a policy without witnesses",
        "age by the log's own word",
        with(&unwitnessed, &[("policy", &no_witness)]),
        "NoWitnessTime",
    );
    // One fresh cosignature beside two that make the quorum and are old.
    let mut mixed = good();
    let text = mixed.inclusion.note.text().to_owned();
    mixed.inclusion.note.push(witness(3).cosign(&text, TIME_S + 5_000));
    let mixed = with(&mixed, &[("now_s", &(TIME_S + 5_000).to_string())]);
    file.bad("one witness makes an old checkpoint look young", "stale", mixed, "Stale");
}

fn forms(file: &mut File) {
    let good = good().to_string();
    let value = good.lines().nth(3).expect("the line of the value");
    let hash = format!("{}\n", EMPTY_MAP_ROOT.to_base64());
    let first_hash = format!("{value}\n");
    let line = |new: &str| good.replacen(value, new, 1);
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "Header"),
        ("another version", "form", good.replacen("staple/1", "staple/2", 1), "Header"),
        ("carriage return", "control characters", good.replacen("staple/1\n", "staple/1\r\n", 1), "Header"),
        ("no origin", "form", good.replacen("origin ", "", 1), "Origin"),
        ("an empty origin", "form", good.replacen(ORIGIN, "", 1), "Origin"),
        ("a tab in the origin", "control characters", good.replacen(ORIGIN, "a\tb", 1), "Origin"),
        ("no subject", "form", good.replacen("subject ", "", 1), "Subject"),
        (
            "a subject in lower case",
            "second spelling",
            good.replacen(AGENT, &AGENT.to_lowercase(), 1),
            "Subject",
        ),
        ("a subject without its prefix", "second spelling", good.replacen("maip-agent:", "", 1), "Subject"),
        (
            "a subject of a kind without status",
            "form",
            good.replacen("maip-agent:", "maip-pol:", 1),
            "Subject",
        ),
        ("no value", "form", good.replacen(&first_hash, "", 1), "Standing"),
        ("value without padding", "second spelling", line("value e30"), "Standing"),
        ("a status that is not canonical", "second spelling", line("value eyAgfQ=="), "Status"),
        ("a status that is a number", "form", line("value Nw=="), "Status"),
        ("an empty status", "form", line("value "), "Status"),
        ("another leaf without its value", "form", line(&format!("other {}", hash.trim_end())), "Standing"),
        ("empty with a space behind", "second spelling", line("empty "), "Standing"),
        ("257 hashes", "limit", line(&format!("empty\n{}", hash.repeat(257).trim_end())), "TooManyHashes"),
        (
            "a hash of 31 bytes",
            "length",
            good.replacen(&first_hash, &format!("{first_hash}AAAA\n"), 1),
            "Hash",
        ),
        (
            "no proof",
            "form",
            good.split("\n\n").next().unwrap_or_default().to_owned() + "\n\n",
            "Inclusion.Header",
        ),
        ("no empty line", "form", good.replacen("\n\nc2sp", "\nc2sp", 1), "Hash"),
        ("no entry", "form", without_extra(&good), "NoEntry"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Inclusion.Note.Signature"),
        ("something behind", "trailing bytes", format!("{good}\n"), "Inclusion.Note.NoSignature"),
    ] {
        file.bad(comment, class, case(&text), reason);
    }
}

fn without_extra(staple: &str) -> String {
    let lines = staple.split('\n').filter(|line| !line.starts_with("extra "));
    lines.collect::<Vec<_>>().join("\n")
}

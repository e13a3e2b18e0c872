//! Vectors of evidence.

use ledger_format::record::{Actor, AgentId, AgentKill, AgentSuspend, Body, Draft, Entry, SigningKey, Ulid};
use ledger_format::*;
use serde_json::json;

use crate::File;
use crate::proofs::proof_of;
use crate::world::{ORIGIN, TIME_S, forked_leaves, leaves, note, note_of, policy_text, root, witness};

pub(crate) fn write() {
    let mut file = File::new("evidence", "maip-evidence/1: module evidence of ledger-format");
    let policy = policy_text();
    let text_case =
        |text: &str, culprits: &[&str]| json!({ "policy": policy, "evidence": text, "culprits": culprits });
    let case = |evidence: &Evidence, culprits: &[&str]| text_case(&evidence.to_string(), culprits);
    let log: &str = &format!("log {ORIGIN}");
    let (honest, forked) = (leaves(11), forked_leaves(20, 6));
    let prefix_of = |size: u64| PrefixProof {
        root: root(&forked[..size as usize]),
        hashes: prove_subtree(&forked, 0, size, 20).expect("in memory"),
    };
    let same_size = |witnesses: [&[u8]; 2]| Evidence::LogForkSameSize {
        first: note(&honest, witnesses[0]),
        second: note(&forked[..11], witnesses[1]),
    };
    let inconsistent = |witnesses: &[u8], size: u64| Evidence::LogInconsistent {
        old: note(&honest[..size as usize], witnesses),
        new: note(&forked, witnesses),
        prefix: prefix_of(size),
    };
    file.good("two roots for one size", "log fork", case(&same_size([&[], &[]]), &[log]));
    file.good("and a witness helped", "log fork", case(&same_size([&[1, 2], &[2, 3]]), &[log, "w2"]));
    file.good(
        "a tree that does not begin with the older one",
        "inconsistent log",
        case(&inconsistent(&[], 11), &[log]),
    );
    file.good("older size a power of two", "inconsistent log", case(&inconsistent(&[3], 8), &[log, "w3"]));
    let text = |leaves: &[Hash]| crate::world::checkpoint(leaves);
    let cosigned = |leaves: &[Hash]| {
        let mut note = Note::new(text(leaves));
        note.push(witness(1).cosign(&text(leaves), TIME_S));
        note
    };
    let fork = |first: Note, second: Note, prefix| Evidence::WitnessFork { first, second, prefix };
    let witness_only = fork(cosigned(&honest), cosigned(&forked), Some(prefix_of(11)));
    file.good("a witness alone, two sizes", "witness fork", case(&witness_only, &["w1"]));
    let witness_only = fork(cosigned(&honest), cosigned(&forked[..11]), None);
    file.good("a witness alone, one size", "witness fork", case(&witness_only, &["w1"]));
    let bad_entry = |entry: &[u8]| {
        let tree = [leaf_hash(b"x"), leaf_hash(entry)];
        let hashes = prove_inclusion(&tree[..], 1, 2).expect("in memory");
        Evidence::BadEntry {
            proof: TlogProof { extra: Some(entry.to_vec()), index: 1, hashes, note: note(&tree, &[]) },
        }
    };
    file.good("an entry that is no entry", "bad entry", case(&bad_entry(b"hello"), &[log]));
    let spaced = Entry::encode(1, br#"{"a": 1}"#);
    file.good("an entry whose record is not canonical", "bad entry", case(&bad_entry(&spaced), &[log]));

    contradictions(&mut file, log, &case);

    let canonical = Entry::encode(1, br#"{"a":1}"#);
    file.bad(
        "a canonical record of an unknown type",
        "bad entry",
        case(&bad_entry(&canonical), &[]),
        "NotEvidence.GoodEntry",
    );
    let equal = Evidence::LogForkSameSize { first: note(&honest, &[]), second: note(&honest, &[1]) };
    file.bad(
        "the same checkpoint twice",
        "no contradiction",
        case(&equal, &[]),
        "NotEvidence.NoContradiction",
    );
    let honest_growth = Evidence::LogInconsistent {
        old: note(&forked[..11], &[]),
        new: note(&forked, &[]),
        prefix: prefix_of(11),
    };
    file.bad(
        "a log that only grew",
        "no contradiction",
        case(&honest_growth, &[]),
        "NotEvidence.NoContradiction",
    );
    let sizes = Evidence::LogForkSameSize { first: note(&honest[..6], &[]), second: note(&honest, &[]) };
    file.bad("two sizes and no prefix proof", "sizes", case(&sizes, &[]), "NotEvidence.Sizes");
    let invented = Evidence::LogInconsistent {
        old: note(&honest, &[]),
        new: note(&forked, &[]),
        prefix: PrefixProof { root: empty_root(), ..prefix_of(11) },
    };
    file.bad(
        "a prefix that the proof does not give",
        "prefix not verified",
        case(&invented, &[]),
        "NotEvidence.Proof.OldRootMismatch",
    );
    let reversed =
        Evidence::LogInconsistent { old: note(&forked, &[]), new: note(&honest, &[]), prefix: prefix_of(11) };
    file.bad("larger note first", "sizes", case(&reversed, &[]), "NotEvidence.Sizes");
    let unsigned = Evidence::LogForkSameSize { first: cosigned(&honest), second: note(&forked[..11], &[]) };
    file.bad(
        "one side not signed by the log",
        "framing an honest log",
        case(&unsigned, &[]),
        "NotEvidence.NoCulprit",
    );
    let apart = fork(note(&honest, &[1]), note(&forked[..11], &[2]), None);
    file.bad(
        "two witnesses, one side each",
        "framing an honest witness",
        case(&apart, &[]),
        "NotEvidence.NoCulprit",
    );
    let other = Checkpoint::new("maip.example/other", 11, root(&forked[..11])).to_string();
    let two_logs = Evidence::LogForkSameSize { first: note(&honest, &[]), second: note_of(&other, &[]) };
    file.bad("two logs", "framing by another origin", case(&two_logs, &[]), "NotEvidence.TwoLogs");
    let mut moved = proof_of(5);
    moved.index = 4;
    file.bad(
        "an entry that is not there",
        "bad entry",
        case(&Evidence::BadEntry { proof: moved }, &[]),
        "NotEvidence.Proof.RootMismatch",
    );

    let good = same_size([&[], &[]]).to_string();
    let with_prefix = inconsistent(&[], 11).to_string();
    let length = note(&honest, &[]).to_string().len();
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "Header"),
        ("another version", "form", good.replacen("/1\n", "/2\n", 1), "Header"),
        ("unknown kind", "kind", good.replacen("log-fork-same-size", "log-fork", 1), "Kind"),
        (
            "a prefix where none belongs",
            "prefix",
            with_prefix.replacen("log-inconsistent", "log-fork-same-size", 1),
            "Prefix",
        ),
        (
            "no prefix where one belongs",
            "prefix",
            good.replacen("log-fork-same-size", "log-inconsistent", 1),
            "Prefix",
        ),
        ("one note", "form", good[..good.rfind("note ").unwrap_or(0)].to_owned(), "Part"),
        ("length too large", "length", good.replacen(&format!("note {length}"), "note 99999", 1), "Part"),
        (
            "largest length",
            "overflow",
            good.replacen(&format!("note {length}"), "note 18446744073709551615", 1),
            "Part",
        ),
        (
            "length too small",
            "length",
            good.replacen(&format!("note {length}"), &format!("note {}", length - 1), 1),
            "Note.Signature",
        ),
        ("length with a leading zero", "second spelling", good.replacen("note ", "note 0", 1), "Part"),
        (
            "length inside a character",
            "utf-8 boundary",
            good.replacen(&format!("note {length}"), "note 68", 1),
            "Part",
        ),
        ("something behind", "trailing bytes", format!("{good}\n"), "Trailing"),
        ("cut off", "truncation", good[..good.len() - 1].to_owned(), "Part"),
    ] {
        file.bad(comment, class, text_case(&text, &[]), reason);
    }
    file.write();
}

/// A kill, and staples of the killed agent.
fn contradictions(file: &mut File, log: &str, case: &dyn Fn(&Evidence, &[&str]) -> serde_json::Value) {
    let [(agent, active), (other, _)] = crate::staples::SUBJECTS;
    let record = |body: Body| {
        let draft = Draft::new(Ulid(7), Ulid(8), Actor::Tenant, TIME_S * 1_000, body);
        Entry::encode(TIME_S * 1_000, &draft.sign(&SigningKey::from_seed([9; 32])).to_bytes())
    };
    let id = AgentId::parse(agent).expect("an agent");
    let reason = || "stolen".to_owned();
    let kill = record(Body::AgentKill(AgentKill {
        agent: id,
        cascade: true,
        compromised_at: None,
        on_behalf_of: None,
        reason: reason(),
    }));
    let suspend =
        record(Body::AgentSuspend(AgentSuspend { agent: id, on_behalf_of: None, reason: reason() }));
    let evidence = crate::staples::contradiction;
    file.good(
        "killed, and active later",
        "broken promise",
        case(&evidence(&kill, agent, Some(active), 11), &[log]),
    );
    for (comment, class, evidence, reason) in [
        (
            "a staple as of before the kill",
            "framing an honest log",
            evidence(&kill, agent, Some(active), 10),
            "StapleBefore",
        ),
        (
            "a staple of another agent",
            "framing an honest log",
            evidence(&kill, other, Some(active), 11),
            "OtherSubject",
        ),
        (
            "a suspension can be undone",
            "framing an honest log",
            evidence(&suspend, agent, Some(active), 11),
            "EndsNothing",
        ),
        (
            "a status that is not in the map",
            "framing an honest log",
            evidence(&kill, agent, Some(b"{}"), 11),
            "NotInMap",
        ),
    ] {
        file.bad(comment, class, case(&evidence, &[]), &format!("NotEvidence.{reason}"));
    }
}

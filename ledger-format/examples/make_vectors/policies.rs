//! Vectors of policies and of notes held against them.

use ledger_format::*;
use serde_json::json;

use crate::File;
use crate::notes::{PUBLIC_WITNESS, our_note, public_note};
use crate::world::{ORIGIN, TIME_S, checkpoint, leaves, log_signer, note_of, policy_text, root, witness};

pub(crate) fn write() {
    parsing();
    checking();
}

fn parsing() {
    let mut file = File::new("policy", "https://c2sp.org/tlog-policy");
    let (log, w1, w2, w3) = (
        log_signer().vkey().to_string(),
        witness(1).vkey().clone(),
        witness(2).vkey().clone(),
        witness(3).vkey().clone(),
    );
    let three = format!("witness a {w1}\nwitness b {w2}\nwitness c {w3}\n");
    for (comment, class, text, quorum) in [
        ("ours", "reading", policy_text(), "2 of (w1, w2, w3)"),
        ("no log, no witness", "only the quorum is needed", "quorum none\n".to_owned(), "none"),
        ("one witness", "quorum of a witness", format!("witness a {w1} https://a.example/\nquorum a\n"), "a"),
        (
            "groups of groups",
            "nesting",
            format!("{three}group x any a b\ngroup y all x c\nquorum y\n"),
            "all of (any of (a, b), c)",
        ),
        (
            "tabs, spaces, comments, empty lines",
            "white space",
            format!("# c\n\n \t\n  #x\n\tlog\t {log} \nwitness a  {w1}\t\nquorum\ta \n"),
            "a",
        ),
        ("quorum before other lines", "order", format!("quorum none\nlog {log}\n{three}"), "none"),
        (
            "a name with a plus, a non-ASCII name",
            "names are opaque",
            format!("witness a+é {w1}\nquorum a+é\n"),
            "a+é",
        ),
        (
            "a hash sign inside a line is part of a word",
            "comments",
            format!("witness a#b {w1} u#v\nquorum a#b\n"),
            "a#b",
        ),
        (
            "a witness named all",
            "keywords are no names",
            format!("witness all {w1}\ngroup any 1 all\nquorum any\n"),
            "all of (all)",
        ),
        (
            "published: a public witness",
            "reading",
            format!("witness remora {PUBLIC_WITNESS} https://remora.n621.de/\nquorum remora\n"),
            "remora",
        ),
    ] {
        file.good(comment, class, json!({ "policy": text, "quorum": quorum }));
    }
    let renamed = Vkey::cosignature_v1("other.example/w", w1.public_key().try_into().expect("32 bytes"))
        .expect("a good name");
    for (comment, class, text, reason) in [
        ("empty", "quorum", String::new(), "NoQuorum@0"),
        ("no quorum", "quorum", format!("log {log}\n"), "NoQuorum@0"),
        ("two quorums", "quorum", "quorum none\nquorum none\n".to_owned(), "SecondQuorum@2"),
        (
            "quorum of a later line",
            "forward reference",
            format!("quorum a\nwitness a {w1}\n"),
            "UnknownName@1",
        ),
        ("quorum of nobody", "unknown name", "quorum a\n".to_owned(), "UnknownName@1"),
        ("quorum of two words", "words", "quorum none none\n".to_owned(), "Words@1"),
        (
            "member of a later line",
            "forward reference",
            format!("group g any a\nwitness a {w1}\nquorum g\n"),
            "UnknownName@1",
        ),
        (
            "a group in itself",
            "circular reference",
            format!("{three}group g any g\nquorum g\n"),
            "UnknownName@4",
        ),
        (
            "none as a member",
            "reserved name",
            format!("{three}group g any a none\nquorum g\n"),
            "UnknownName@4",
        ),
        (
            "a witness named none",
            "reserved name",
            format!("witness none {w1}\nquorum none\n"),
            "DuplicateName@1",
        ),
        (
            "two witnesses of one name",
            "names",
            format!("witness a {w1}\nwitness a {w2}\nquorum a\n"),
            "DuplicateName@2",
        ),
        (
            "a group named like a witness",
            "names",
            format!("{three}group a any b\nquorum a\n"),
            "DuplicateName@4",
        ),
        (
            "one member in two groups",
            "membership",
            format!("{three}group g any a b\ngroup h any a c\nquorum g\n"),
            "MemberTwice@5",
        ),
        (
            "one member twice in a group",
            "membership",
            format!("{three}group g 2 a a b\nquorum g\n"),
            "MemberTwice@4",
        ),
        (
            "one key under two names",
            "duplicate key",
            format!("witness a {w1}\nwitness b {w1}\nquorum a\n"),
            "DuplicateKey@2",
        ),
        (
            "one key under two key names",
            "duplicate key",
            format!("witness a {w1}\nwitness b {renamed}\nquorum a\n"),
            "DuplicateKey@2",
        ),
        ("one log twice", "duplicate key", format!("log {log}\nlog {log}\nquorum none\n"), "DuplicateKey@2"),
        ("threshold 0", "threshold", format!("{three}group g 0 a b\nquorum g\n"), "Threshold@4"),
        (
            "threshold over the members",
            "threshold",
            format!("{three}group g 3 a b\nquorum g\n"),
            "Threshold@4",
        ),
        (
            "threshold with a leading zero",
            "second spelling",
            format!("{three}group g 01 a b\nquorum g\n"),
            "Threshold@4",
        ),
        ("threshold in words", "threshold", format!("{three}group g most a b\nquorum g\n"), "Threshold@4"),
        ("a group of nobody", "words", format!("{three}group g any\nquorum g\n"), "Words@4"),
        ("a group of all of nobody", "words", format!("{three}group g all\nquorum g\n"), "Words@4"),
        ("unknown word", "keywords", "logs x\nquorum none\n".to_owned(), "Keyword@1"),
        ("upper-case word", "keywords", "QUORUM none\n".to_owned(), "Keyword@1"),
        ("a comment behind a line", "comments", "quorum none # all\n".to_owned(), "Words@1"),
        ("a witness without key", "words", "witness a\nquorum none\n".to_owned(), "Words@1"),
        ("a malformed key", "keys", format!("log {}\nquorum none\n", log.replace('+', "-")), "Vkey.Form@1"),
        ("a log's key as witness", "type confusion", format!("witness a {log}\nquorum a\n"), "KeyType@1"),
        ("a witness's key as log", "type confusion", format!("log {w1}\nquorum none\n"), "KeyType@1"),
        ("carriage returns", "control characters", "quorum none\r\n".to_owned(), "Control@1"),
        ("vertical tab", "control characters", "quorum\u{b}none\n".to_owned(), "Control@1"),
        ("0x7f", "control characters", "# \u{7f}\nquorum none\n".to_owned(), "Control@1"),
        ("no-break space is part of a word", "white space", "quorum\u{a0}none\n".to_owned(), "Keyword@1"),
        ("no newline at the end", "truncation", "quorum none".to_owned(), "NoNewline@1"),
    ] {
        file.bad(comment, class, json!({ "policy": text, "quorum": "" }), reason);
    }
    file.write();
}

fn checking() {
    let mut file = File::new("policy-check", "https://c2sp.org/tlog-policy");
    let case = |policy: &str, note: &str, cosigners: &[&str]| json!({ "policy": policy, "note": note, "cosigners": cosigners });
    let policy = policy_text();
    let public_policy = format!(
        "log arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f\n\
         witness little-garden transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM\n\
         witness stagemole witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv\n\
         witness smartit witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO\n\
         witness remora {PUBLIC_WITNESS}\ngroup public 3 little-garden stagemole smartit remora\nquorum public\n"
    );
    let all_four = ["little-garden", "stagemole", "smartit", "remora"];
    file.good(
        "published: a public log with four public witnesses",
        "reading",
        case(&public_policy, public_note(), &all_four),
    );
    let moved = public_note().replace("1432088532", "1432088533");
    file.bad("the same, one larger", "size not signed", case(&public_policy, &moved, &[]), "BadSignature");

    let note = |witnesses: &[u8]| our_note(witnesses).to_string();
    file.good("two of three", "quorum", case(&policy, &note(&[1, 3]), &["w1", "w3"]));
    file.good("three of three", "quorum", case(&policy, &note(&[3, 2, 1]), &["w1", "w2", "w3"]));
    file.bad("one of three", "quorum", case(&policy, &note(&[2]), &[]), "Quorum");
    file.bad("no witness", "quorum", case(&policy, &note(&[]), &[]), "Quorum");
    file.bad("one witness twice", "one witness counted twice", case(&policy, &note(&[2, 2]), &[]), "Quorum");
    file.bad(
        "a witness that is not listed",
        "unknown key counted",
        case(&policy, &note(&[1, 9]), &[]),
        "Quorum",
    );
    let none = format!("log {}\nquorum none\n", log_signer().vkey());
    file.good("quorum none", "quorum", case(&none, &note(&[]), &[]));
    let nested = policy.replace(
        "group all-three 2 w1 w2 w3\nquorum all-three",
        "group a any w1 w2\ngroup b all a w3\nquorum b",
    );
    file.good("nested groups", "quorum", case(&nested, &note(&[2, 3]), &["w2", "w3"]));
    file.bad("nested groups, one side missing", "quorum", case(&nested, &note(&[1, 2]), &[]), "Quorum");

    let text = checkpoint(&leaves(7));
    let mut bad_line = our_note(&[1, 2]);
    let mut line = witness(3).cosign(&text, TIME_S);
    line.signature[20] ^= 1;
    bad_line.push(line.clone());
    file.bad(
        "quorum reached, a third line of a listed witness is bad",
        "bad line of a known key",
        case(&policy, &bad_line.to_string(), &[]),
        "BadSignature",
    );
    let mut unknown = our_note(&[1, 2]);
    unknown.push(SignatureLine { name: "nobody.example/w".to_owned(), ..line.clone() });
    file.good(
        "a bad line of an unknown name",
        "unknown keys are ignored",
        case(&policy, &unknown.to_string(), &["w1", "w2"]),
    );
    let mut second = our_note(&[1, 2, 3]);
    second.push(line.clone());
    file.good(
        "the second line of a witness is bad",
        "first line of a key counts",
        case(&policy, &second.to_string(), &["w1", "w2", "w3"]),
    );
    let mut first = Note::new(text.as_str());
    first.push(line);
    our_note(&[1, 2, 3]).signatures().iter().for_each(|line| first.push(line.clone()));
    file.bad(
        "the first line of a witness is bad",
        "first line of a key counts",
        case(&policy, &first.to_string(), &[]),
        "BadSignature",
    );
    let mut untimed = our_note(&[1]);
    untimed.push(witness(2).cosign(&text, 0));
    file.bad(
        "a cosignature with time 0 does not count",
        "time 0",
        case(&policy, &untimed.to_string(), &[]),
        "Quorum",
    );

    let mut unsigned = Note::new(text.as_str());
    (1..=3).for_each(|number| unsigned.push(witness(number).cosign(&text, TIME_S)));
    file.bad(
        "no line of the log",
        "log signature",
        case(&policy, &unsigned.to_string(), &[]),
        "NoLogSignature",
    );
    let other_origin = Checkpoint::new("maip.example/other", 7, root(&leaves(7))).to_string();
    let other_origin = note_of(&other_origin, &[1, 2]).to_string();
    file.bad(
        "the log's key under another origin",
        "origin is not the key name",
        case(&policy, &other_origin, &[]),
        "UnknownLog",
    );
    let empty = Checkpoint::new(ORIGIN, 0, root(&leaves(7))).to_string();
    file.bad(
        "size 0 with a root of something",
        "empty tree",
        case(&policy, &note_of(&empty, &[1, 2]).to_string(), &[]),
        "EmptyTreeRoot",
    );
    let empty = Checkpoint::new(ORIGIN, 0, empty_root()).to_string();
    file.good("size 0", "empty tree", case(&policy, &note_of(&empty, &[1, 2]).to_string(), &["w1", "w2"]));
    file.bad(
        "a note that is no checkpoint",
        "form",
        case(&policy, &note_of("hello\n", &[1, 2]).to_string(), &[]),
        "Checkpoint.Truncated",
    );
    file.write();
}

//! Vectors of keys, notes, checkpoints and cosignatures.

use ledger_format::*;
use serde_json::json;

use crate::File;
use crate::world::{ORIGIN, leaves, log_signer, note};

const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SECOND_KEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
pub(crate) const PUBLIC_WITNESS: &str =
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
const EMPTY_ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

pub(crate) fn write() {
    vkeys();
    notes();
    signed_notes();
    checkpoints();
}

fn vkeys() {
    let mut file = File::new("vkey", "https://c2sp.org/signed-note");
    let key = |text: &str| json!({ "vkey": text });
    file.good("published: example of the signed-note specification", "reading", key(SPEC_KEY));
    file.good("published: golang.org/x/mod/sumdb/note", "reading", key(GO_KEY));
    file.good(
        "published: sum.golang.org",
        "plus in base64",
        key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"),
    );
    file.good("published: a public witness", "type 0x04", key(PUBLIC_WITNESS));
    file.good("our log", "type 0x01", key(&log_signer().vkey().to_string()));
    for (comment, class, text, reason) in [
        (
            "key id of another key",
            "id not recomputed",
            SPEC_KEY.replace("530d903a", "530d903b"),
            "KeyIdMismatch",
        ),
        ("the name changed", "id does not cover the name", SPEC_KEY.replace("/foo", "/fop"), "KeyIdMismatch"),
        ("upper-case key id", "second spelling", SPEC_KEY.replace("530d903a", "530D903A"), "KeyIdForm"),
        ("short key id", "length", SPEC_KEY.replace("530d903a", "530d903"), "KeyIdForm"),
        ("no key", "form", "example.com/foo+530d903a".to_owned(), "Form"),
        ("empty", "form", String::new(), "Form"),
        ("empty name", "name", SPEC_KEY.replace("example.com/foo", ""), "Name"),
        ("space in the name", "name", SPEC_KEY.replace("/foo", " foo"), "Name"),
        (
            "no-break space in the name",
            "unicode space in a name",
            SPEC_KEY.replace("/foo", "\u{a0}foo"),
            "Name",
        ),
        ("control character in the name", "name", SPEC_KEY.replace("/foo", "\u{1}foo"), "Name"),
        (
            "name of 256 bytes",
            "name over one length byte",
            SPEC_KEY.replace("/foo", &"f".repeat(245)),
            "Name",
        ),
        ("newline at the end", "second spelling", format!("{SPEC_KEY}\n"), "Base64"),
        ("padding", "second spelling", format!("{SPEC_KEY}="), "Base64"),
        ("base64 of the URL alphabet", "second spelling", GO_KEY.replace('/', "_"), "Base64"),
        ("empty key", "length", "example.com/foo+530d903a+".to_owned(), "Base64"),
        (
            "31 bytes",
            "length",
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==".to_owned(),
            "PublicKey",
        ),
        (
            "the point of order 1",
            "small-order key",
            "example.com/foo+530d903a+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            "PublicKey",
        ),
        (
            "type 0x02",
            "unsupported type",
            "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".to_owned(),
            "UnsupportedType",
        ),
        (
            "type 0xff",
            "unsupported type",
            "example.com/foo+530d903a+/+kyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".to_owned(),
            "UnsupportedType",
        ),
        (
            "the same key as type 0x04, id not changed",
            "type confusion",
            "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".to_owned(),
            "KeyIdMismatch",
        ),
    ] {
        file.bad(comment, class, key(&text), reason);
    }
    file.write();
}

fn notes() {
    let mut file = File::new("note", "https://c2sp.org/signed-note");
    let line = "— n AAAAAAA=\n";
    for (comment, class, text) in [
        ("published: example of the signed-note specification", "reading", SPEC_NOTE.to_owned()),
        ("published: golang.org/x/mod/sumdb/note", "two signatures", GO_NOTE.to_owned()),
        ("empty line in the text", "last empty line splits", format!("a\n\nb\n\n{line}")),
        ("a signature line in the text", "last empty line splits", format!("a\n\n{line}\n{line}")),
        ("text that starts with an empty line", "last empty line splits", format!("\na\n\n{line}")),
        ("0x7f in the text", "control characters", format!("a\u{7f}\n\n{line}")),
        ("100 lines", "limit of lines", format!("a\n\n{}", line.repeat(100))),
        ("one line twice", "duplicates are kept", format!("a\n\n{line}{line}")),
    ] {
        file.good(comment, class, json!({ "note": text }));
    }
    for (comment, class, text, reason) in [
        ("empty", "form", String::new(), "NoSeparator"),
        ("no empty line", "form", format!("a\n{line}"), "NoSeparator"),
        ("no text", "form", format!("\n{line}"), "NoSeparator"),
        ("text of one empty line", "form", format!("\n\n{line}"), "NoSeparator"),
        ("no signature", "form", "a\n\n".to_owned(), "NoSignature"),
        ("no newline at the end", "truncation", format!("a\n\n{}", line.trim_end()), "Signature"),
        ("101 lines", "limit of lines", format!("a\n\n{}", line.repeat(101)), "TooManySignatures"),
        ("carriage returns", "control characters", format!("a\r\n\r\n{line}"), "Control"),
        ("tab in the text", "control characters", format!("a\tb\n\n{line}"), "Control"),
        ("NUL in the text", "control characters", format!("a\0b\n\n{line}"), "Control"),
        ("text after the signatures", "form", format!("a\n\n{line}b\n"), "Signature"),
        ("a hyphen for the em dash", "spelling", "a\n\n- n AAAAAAA=\n".to_owned(), "Signature"),
        ("two spaces", "spelling", "a\n\n—  n AAAAAAA=\n".to_owned(), "Signature"),
        ("space at the end", "spelling", "a\n\n— n AAAAAAA= \n".to_owned(), "Signature"),
        ("no name", "name", "a\n\n—  AAAAAAA=\n".to_owned(), "Signature"),
        (
            "no-break space in the name",
            "unicode space in a name",
            "a\n\n— n\u{a0}m AAAAAAA=\n".to_owned(),
            "Signature",
        ),
        ("plus in the name", "name", "a\n\n— n+m AAAAAAA=\n".to_owned(), "Signature"),
        ("only a key id", "length", "a\n\n— n AAAAAA==\n".to_owned(), "Signature"),
        ("padding bits set", "second spelling", "a\n\n— n AAAAAAB=\n".to_owned(), "Signature"),
        ("no padding", "second spelling", "a\n\n— n AAAAAAA\n".to_owned(), "Signature"),
    ] {
        file.bad(comment, class, json!({ "note": text }), reason);
    }
    file.bad("not UTF-8", "encoding", json!({ "note_hex": "61ff0a0a" }), "Utf8");
    file.bad("overlong UTF-8", "encoding", json!({ "note_hex": "61c0af0a0a" }), "Utf8");
    file.write();
}

fn signed_notes() {
    let mut file = File::new("signed-note", "https://c2sp.org/signed-note");
    let case = |note: &str, vkey: &str| json!({ "note": note, "vkey": vkey });
    file.good("published: example of the signed-note specification", "reading", case(SPEC_NOTE, SPEC_KEY));
    file.good("published: golang.org/x/mod/sumdb/note", "first of two", case(GO_NOTE, GO_KEY));
    file.good("published: golang.org/x/mod/sumdb/note", "second of two", case(GO_NOTE, GO_SECOND_KEY));
    let changed = SPEC_NOTE.replace("example message", "exbmple message");
    file.bad("one letter changed", "signature not checked", case(&changed, SPEC_KEY), "Wrong");
    let flipped = SPEC_NOTE.replace("Uw2QOkn8", "Uw2QOkn9");
    file.bad("one bit of the signature turned", "signature not checked", case(&flipped, SPEC_KEY), "Wrong");
    file.bad("another key", "unknown key counted", case(SPEC_NOTE, GO_KEY), "NoSignature");
    let renamed = SPEC_NOTE.replace("— example.com/foo ", "— example.com/fop ");
    file.bad(
        "key id without the name",
        "known id under another name",
        case(&renamed, SPEC_KEY),
        "NoSignature",
    );
    let short = "This is an example message.\n\n— example.com/foo Uw2QOkn8\n";
    file.bad("two bytes of a signature", "length", case(short, SPEC_KEY), "Length");
    // S + L instead of S: the same signature to a verifier that does not reduce.
    let (text, line) = ("a\n", log_signer().sign("a\n"));
    let malleated = SignatureLine { signature: add_group_order(&line.signature), ..line };
    let mut note = Note::new(text);
    note.push(malleated);
    let vkey = log_signer().vkey().to_string();
    file.bad(
        "S of the signature over the group order",
        "malleable signature",
        case(&note.to_string(), &vkey),
        "Wrong",
    );
    file.write();
}

/// Adds the order of the Ed25519 group to the second half of a signature, little-endian.
fn add_group_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sum = signature.to_vec();
    let mut carry = 0u16;
    for (byte, order) in sum[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    sum
}

fn checkpoints() {
    let mut file = File::new("checkpoint", "https://c2sp.org/tlog-checkpoint");
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    for (comment, class, text) in [
        (
            "published: example of the tlog-checkpoint specification",
            "reading",
            format!("example.com/behind-the-sofa\n20852163\n{root}\n"),
        ),
        ("size 0", "empty tree", format!("{ORIGIN}\n0\n{EMPTY_ROOT}\n")),
        (
            "size 0 with another root: refused only where it is used",
            "empty tree",
            format!("{ORIGIN}\n0\n{root}\n"),
        ),
        ("largest size", "bounds", format!("{ORIGIN}\n18446744073709551615\n{root}\n")),
        ("space in the origin", "origin", format!("go.sum database tree\n1\n{root}\n")),
        ("two extension lines", "extensions are kept", format!("{ORIGIN}\n1\n{root}\nfirst\nsecond\n")),
        ("origin of 255 bytes", "bounds", format!("{}\n1\n{root}\n", "o".repeat(255))),
    ] {
        file.good(comment, class, json!({ "checkpoint": text }));
    }
    for (comment, class, text, reason) in [
        ("empty", "truncation", String::new(), "Truncated"),
        ("two lines", "truncation", format!("{ORIGIN}\n1\n"), "Truncated"),
        ("no newline at the end", "truncation", format!("{ORIGIN}\n1\n{root}"), "Truncated"),
        ("extension without newline", "truncation", format!("{ORIGIN}\n1\n{root}\nhalf"), "Truncated"),
        ("empty origin", "origin", format!("\n1\n{root}\n"), "Origin"),
        ("origin of 256 bytes", "bounds", format!("{}\n1\n{root}\n", "o".repeat(256)), "Origin"),
        ("carriage return", "control characters", format!("{ORIGIN}\r\n1\n{root}\n"), "Origin"),
        ("leading zero", "second spelling", format!("{ORIGIN}\n01\n{root}\n"), "Size"),
        ("plus sign", "second spelling", format!("{ORIGIN}\n+1\n{root}\n"), "Size"),
        ("negative", "sign", format!("{ORIGIN}\n-1\n{root}\n"), "Size"),
        ("space before the size", "second spelling", format!("{ORIGIN}\n 1\n{root}\n"), "Size"),
        ("no size", "form", format!("{ORIGIN}\n\n{root}\n"), "Size"),
        ("2^64", "overflow", format!("{ORIGIN}\n18446744073709551616\n{root}\n"), "Size"),
        ("hex size", "second spelling", format!("{ORIGIN}\n0x1\n{root}\n"), "Size"),
        (
            "31 bytes of root",
            "length",
            format!("{ORIGIN}\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n"),
            "Root",
        ),
        ("no padding", "second spelling", format!("{ORIGIN}\n1\n{}\n", &root[..43]), "Root"),
        (
            "padding bits set",
            "second spelling",
            format!("{ORIGIN}\n1\n{}\n", root.replace("2I=", "2J=")),
            "Root",
        ),
        (
            "base64 of the URL alphabet",
            "second spelling",
            format!("{ORIGIN}\n1\n{}\n", root.replace('/', "_")),
            "Root",
        ),
        ("root in hex", "second spelling", format!("{ORIGIN}\n1\n{}\n", "00".repeat(32)), "Root"),
        ("empty extension line", "extensions", format!("{ORIGIN}\n1\n{root}\n\n"), "Extension"),
    ] {
        file.bad(comment, class, json!({ "checkpoint": text }), reason);
    }
    file.write();
}

/// A published note of a public log with lines of public witnesses.
pub(crate) fn public_note() -> &'static str {
    "arche2025h1.staging.ct.transparency.dev\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n"
}

/// Notes that a policy of the vectors meets.
pub(crate) fn our_note(witnesses: &[u8]) -> Note {
    note(&leaves(7), witnesses)
}

//! Vectors of cosignatures.

use ledger_format::*;
use serde_json::json;

use crate::File;
use crate::notes::PUBLIC_WITNESS;
use crate::world::{TIME_S, checkpoint, leaves, witness};

pub(crate) fn write() {
    let mut file = File::new("cosignature", "https://c2sp.org/tlog-cosignature");
    let case = |text: &str, line: &str, vkey: &str, time_s: u64| json!({ "checkpoint": text, "line": line, "vkey": vkey, "time_s": time_s.to_string() });
    let public =
        "arche2025h1.staging.ct.transparency.dev\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n";
    let public_line = "— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==";
    file.good(
        "published: a public witness on a public log",
        "reading",
        case(public, public_line, PUBLIC_WITNESS, 0x6a12_2120),
    );
    let text = checkpoint(&leaves(7));
    let (signer, other) = (witness(1), witness(2));
    let vkey = signer.vkey().to_string();
    let line = |time_s| signer.cosign(&text, time_s).to_string();
    file.good("our witness", "reading", case(&text, &line(TIME_S), &vkey, TIME_S));
    file.good("time 0", "bounds", case(&text, &line(0), &vkey, 0));
    file.good("latest time", "bounds", case(&text, &line(i64::MAX as u64), &vkey, i64::MAX as u64));
    let extended = format!("{text}extension\n");
    let extended_line = signer.cosign(&extended, TIME_S).to_string();
    file.good(
        "extension lines are covered",
        "extension lines left out",
        case(&extended, &extended_line, &vkey, TIME_S),
    );
    file.bad(
        "extension lines are covered",
        "extension lines left out",
        case(&extended, &line(TIME_S), &vkey, TIME_S),
        "Wrong",
    );
    let other_time = {
        let mut later = signer.cosign(&text, TIME_S);
        later.signature[7] ^= 1;
        later.to_string()
    };
    file.bad("another time", "time not signed", case(&text, &other_time, &vkey, TIME_S), "Wrong");
    let mut late = signer.cosign(&text, TIME_S);
    late.signature[0] = 0x80;
    file.bad("time 2^63", "time out of range", case(&text, &late.to_string(), &vkey, TIME_S), "Time");
    file.bad(
        "another checkpoint",
        "text not signed",
        case(&checkpoint(&leaves(8)), &line(TIME_S), &vkey, TIME_S),
        "Wrong",
    );
    file.bad(
        "another witness",
        "owner",
        case(&text, &other.cosign(&text, TIME_S).to_string(), &vkey, TIME_S),
        "OtherKey",
    );
    let plain =
        NoteSigner::new(signer.vkey().name(), SignatureType::Ed25519, [101; 32]).expect("a good name");
    let mut plain = plain.sign(&text);
    plain.key_id = signer.vkey().key_id();
    file.bad(
        "a plain note signature with the id of a cosignature",
        "type confusion",
        case(&text, &plain.to_string(), &vkey, TIME_S),
        "Length",
    );
    plain.signature.splice(..0, TIME_S.to_be_bytes());
    file.bad(
        "the same with a time in front",
        "type confusion",
        case(&text, &plain.to_string(), &vkey, TIME_S),
        "Wrong",
    );
    file.bad(
        "not a signature line",
        "form",
        case(&text, "witness1.example/w AAAA", &vkey, TIME_S),
        "SignatureLineError",
    );
    file.write();
}

/// Only a build with ML-DSA can sign these; others leave the file alone.
#[cfg(feature = "ml-dsa")]
pub(crate) fn write_ml_dsa() {
    use crate::world::ORIGIN;

    let mut file = File::new("cosignature-ml-dsa", "https://c2sp.org/tlog-cosignature");
    let signer = NoteSigner::new("pq.example/w", SignatureType::MlDsa44, [7; 32]).expect("a good name");
    let vkey = signer.vkey().to_string();
    let text = checkpoint(&leaves(7));
    let case = |text: &str, line: &SignatureLine| json!({ "checkpoint": text, "line": line.to_string(), "vkey": vkey, "time_s": TIME_S.to_string() });
    let line = signer.cosign(&text, TIME_S);
    file.good("a checkpoint", "reading", case(&text, &line));
    file.good(
        "extension lines are not covered",
        "extension lines",
        case(&format!("{text}extension\n"), &line),
    );
    file.bad("another checkpoint", "text not signed", case(&checkpoint(&leaves(8)), &line), "Wrong");
    file.bad("text that is no checkpoint", "form", case("a\n", &line), "NotACheckpoint");
    let mut short = line.clone();
    short.signature.pop();
    file.bad("a byte short", "length", case(&text, &short), "Length");
    let mut later = line.clone();
    later.signature[7] ^= 1;
    file.bad("another time", "time not signed", case(&text, &later), "Wrong");

    let part = leaf_hash(b"subtree");
    let subtree = |line: &SignatureLine, start: u64, end: u64| {
        json!({ "origin": ORIGIN, "start": start.to_string(), "end": end.to_string(), "hash": part.to_hex(),
                "line": line.to_string(), "vkey": vkey })
    };
    let line = signer.cosign_subtree(ORIGIN, (4, 6), part).expect("names fit");
    file.good("a subtree", "reading", subtree(&line, 4, 6));
    file.bad("another subtree", "interval not signed", subtree(&line, 4, 7), "Wrong");
    let mut timed = line.clone();
    timed.signature[7] = 1;
    file.bad(
        "a time on a subtree that does not start at 0",
        "time on a subtree",
        subtree(&timed, 4, 6),
        "Time",
    );
    file.write();
}

//! What `maip verify` says of chain files: those of the vectors.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Ran, maip};

struct Vectors {
    file: Value,
    dir: tempfile::TempDir,
}

impl Vectors {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ledger-format/vectors/chain.json");
        let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("both.txt"), file["policy"].as_str().unwrap()).unwrap();
        Self { file, dir }
    }

    /// The first case with that comment, verified with the policy of a file.
    fn verify(&self, comment: &str, policy: &str, extra: &[&str]) -> Ran {
        let cases = self.file["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["comment"] == comment).expect("a case");
        let mut text = "maip.dev/chain/v1\n".to_owned();
        for part in case["parts"].as_array().unwrap() {
            let (kind, name) = part.as_str().unwrap().split_once(' ').unwrap();
            let body = self.file["parts"][name].as_str().unwrap();
            text += &format!("{kind} {}\n{body}\n", body.len());
        }
        let (path, policy) = (self.dir.path().join("x.chain"), self.dir.path().join(policy));
        fs::write(&path, text).unwrap();
        let args = ["verify", path.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
        maip(args.iter().chain(extra))
    }
}

#[test]
fn a_chain_is_said_in_words_and_in_json() {
    let vectors = Vectors::new();
    let whole = "three grants across two logs";
    vectors
        .verify(whole, "both.txt", &[])
        .exits(0)
        .says("VALID")
        .says("action       invoice:read by maip-agent:")
        .says("from its root")
        .says("allows       invoice:read")
        .says("denies       invoice:delete")
        .says("taken back   nothing on the way");
    let json = vectors.verify(whole, "both.txt", &["--json"]).exits(0).json();
    assert_eq!((&json["verdict"], &json["code"]), (&"valid".into(), &"holds".into()));
    assert_eq!(json["chain"]["links"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["chain"]["logs"][0]["origin"], "a.example/ledger");
    vectors
        .verify("the operator signed for the agent", "both.txt", &[])
        .exits(0)
        .says("only an operator vouches for the receipt");
}

#[test]
fn each_answer_has_its_exit_code() {
    let vectors = Vectors::new();
    let whole = "three grants across two logs";
    vectors.verify(whole, "both.txt", &["--max-age", "10m"]).exits(3).says("VALID BUT OLD");
    vectors
        .verify("a grant is revoked in the log that gave it", "both.txt", &[])
        .exits(1)
        .says("is revoked since index 7 (not_live)");
    vectors.verify("as many hops as the parent", "both.txt", &[]).exits(1).says("hops_not_falling");
    vectors
        .verify("changes waited to be sealed", "both.txt", &["--max-age", "1000d"])
        .exits(2)
        .says("age_unknown");
    let policy = vectors.file["policy"].as_str().unwrap();
    let only_b: Vec<&str> = policy.lines().filter(|line| !line.contains("log a.example")).collect();
    fs::write(vectors.dir.path().join("b.txt"), only_b.join("\n") + "\n").unwrap();
    vectors.verify(whole, "b.txt", &[]).exits(2).says("unknown_log").says("lists them all");
    let other = format!("a.example/ledger,maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7N,{}", "0a".repeat(16));
    vectors.verify(whole, "both.txt", &["--tenant-root", &other]).exits(1).says("root_not_pinned");
    vectors
        .verify(whole, "both.txt", &["--subject", "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N"])
        .exits(2)
        .says("staple");
    maip(["verify", "--tenant-root", "nonsense", "x"]).exits(2).says("ORIGIN,TENANT,KID");
}

#[test]
fn a_peer_must_be_named_in_a_way_that_is_understood() {
    maip(["chain", "--receipt", "1", "--out", "x", "--peer", "log=main"]).exits(2).says("devnet=DIR");
    maip(["chain", "--receipt", "1", "--out", "x"]).exits(2).says("no node to talk to");
}

#[test]
fn what_was_revoked_later_stood_when_the_receipt_was_logged() {
    let vectors = Vectors::new();
    let revoked = "the agent was revoked with the entry after the receipt";
    let then = ["--at", "receipt"];
    vectors
        .verify(revoked, "both.txt", &then)
        .exits(0)
        .says("VALID")
        .says("is revoked since index 17")
        .says("it stood then, and stands no more");
    let json = vectors.verify(revoked, "both.txt", &["--at", "receipt", "--json"]).exits(0).json();
    assert_eq!((&json["code"], &json["chain"]["ended"][0]["since"]), (&"held".into(), &17.into()));
    vectors.verify(revoked, "both.txt", &[]).exits(1).says("is revoked since index 17").says("not_live");
    vectors.verify(revoked, "both.txt", &["--at", "now"]).exits(1);
    vectors.verify("revoked at the receipt's own index", "both.txt", &then).exits(1).says("not_live");
}

//! Quorums of any nesting against a plain recursive reading of the same groups.

use std::collections::BTreeSet;

use ledger_format::*;
use proptest::prelude::*;

const ORIGIN: &str = "maip.example/main";

/// What a name stands for.
#[derive(Clone, Debug)]
enum Node {
    Witness(usize),
    Group(usize, Vec<Node>),
}

fn signer(name: &str, ty: SignatureType, seed: u8) -> NoteSigner {
    NoteSigner::new(name, ty, [seed; 32]).expect("a good name")
}

fn witness(number: usize) -> NoteSigner {
    signer(&format!("witness{number}.example"), SignatureType::CosignatureV1, number as u8 + 10)
}

/// Up to three levels of groups over witnesses that are each in one place.
fn quorum() -> impl Strategy<Value = (Node, usize)> {
    let leaf = Just(Node::Witness(0)).boxed();
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        (prop::collection::vec(inner, 1..4), any::<prop::sample::Index>())
            .prop_map(|(members, k)| Node::Group(k.index(members.len()) + 1, members))
    });
    tree.prop_map(|mut node| {
        let mut count = 0;
        number(&mut node, &mut count);
        (node, count)
    })
}

/// Gives every witness its own number.
fn number(node: &mut Node, next: &mut usize) {
    match node {
        Node::Witness(number) => {
            *number = *next;
            *next += 1;
        }
        Node::Group(_, members) => members.iter_mut().for_each(|member| number(member, next)),
    }
}

fn reached(node: &Node, cosigned: &BTreeSet<usize>) -> bool {
    match node {
        Node::Witness(number) => cosigned.contains(number),
        Node::Group(k, members) => members.iter().filter(|member| reached(member, cosigned)).count() >= *k,
    }
}

/// Writes the group lines, innermost first, and gives the name of the node.
fn write(node: &Node, lines: &mut String) -> String {
    match node {
        Node::Witness(number) => format!("w{number}"),
        Node::Group(k, members) => {
            let names: Vec<String> = members.iter().map(|member| write(member, lines)).collect();
            let name = format!("g{}", lines.lines().count());
            *lines += &format!("group {name} {k} {}\n", names.join(" "));
            name
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_quorum_is_what_the_groups_say((tree, witnesses) in quorum(), chosen in any::<u16>()) {
        let log = signer(ORIGIN, SignatureType::Ed25519, 1);
        let mut text = format!("log {}\n", log.vkey());
        (0..witnesses).for_each(|number| text += &format!("witness w{number} {}\n", witness(number).vkey()));
        let mut groups = String::new();
        let name = write(&tree, &mut groups);
        let policy = Policy::parse(&format!("{text}{groups}quorum {name}\n")).expect("a good policy");

        let cosigned: BTreeSet<usize> = (0..witnesses).filter(|number| chosen >> number & 1 == 1).collect();
        let checkpoint = Checkpoint::new(ORIGIN, 1, leaf_hash(b"entry")).to_string();
        let mut note = Note::new(checkpoint.as_str());
        note.push(log.sign(&checkpoint));
        cosigned.iter().for_each(|&number| note.push(witness(number).cosign(&checkpoint, 1)));
        let want = reached(&tree, &cosigned);
        prop_assert_eq!(policy.check(&note).is_ok(), want, "{} by {:?}", policy.quorum(), cosigned);
        let names: Vec<String> = cosigned.iter().map(|number| format!("w{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        prop_assert_eq!(policy.quorum_met_by(&names), want);
    }
}

/// A build without the algorithm must neither count nor refuse what it cannot check.
#[test]
fn a_witness_with_ml_dsa_counts_only_where_it_can_be_verified() {
    let pq = Vkey::ml_dsa_44("pq.example", &[7; 1_312]).expect("any bytes are a key");
    let log = signer(ORIGIN, SignatureType::Ed25519, 1);
    let text = format!(
        "log {}\nwitness w0 {}\nwitness pq {pq}\ngroup g any w0 pq\nquorum g\n",
        log.vkey(),
        witness(0).vkey()
    );
    let policy = Policy::parse(&text).expect("every build reads such keys");
    let checkpoint = Checkpoint::new(ORIGIN, 1, leaf_hash(b"entry")).to_string();
    let mut note = Note::new(checkpoint.as_str());
    note.push(log.sign(&checkpoint));
    note.push(SignatureLine {
        name: "pq.example".to_owned(),
        key_id: pq.key_id(),
        signature: vec![0; 2_428],
    });
    let alone = policy.check(&note);
    note.push(witness(0).cosign(&checkpoint, 1));
    let together = policy.check(&note);
    if cfg!(feature = "ml-dsa") {
        // It can be verified, and it is bad.
        assert!(matches!(alone, Err(PolicyFailure::BadSignature { .. })), "{alone:?}");
        assert!(matches!(together, Err(PolicyFailure::BadSignature { .. })), "{together:?}");
    } else {
        assert!(matches!(alone, Err(PolicyFailure::Quorum { .. })), "{alone:?}");
        assert_eq!(together.expect("the other witness is enough").cosigners, [("w0".to_owned(), 1)]);
    }
}

#[cfg(feature = "ml-dsa")]
#[test]
fn a_log_and_a_witness_with_ml_dsa() {
    let log = signer(ORIGIN, SignatureType::MlDsa44, 1);
    let pq = signer("pq.example", SignatureType::MlDsa44, 2);
    let policy =
        Policy::parse(&format!("log {}\nwitness pq {}\nquorum pq\n", log.vkey(), pq.vkey())).expect("good");
    let checkpoint = Checkpoint::new(ORIGIN, 1, leaf_hash(b"entry")).to_string();
    let mut note = Note::new(checkpoint.as_str());
    note.push(log.cosign(&checkpoint, 1));
    note.push(pq.cosign(&checkpoint, 2));
    let note = Note::parse(&note.to_bytes()).expect("reads back");
    assert_eq!(policy.check(&note).expect("both hold").cosigners, [("pq".to_owned(), 2)]);
    let again = NoteSigner::parse(&pq.to_private_text()).expect("reads back");
    assert_eq!(again.vkey(), pq.vkey());
}

//! Notes and checkpoints against independent implementations: `signed_note` and `tlog_tiles`.

use ledger_format::*;
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, Verifier, VerifierList};

const TEXT: &str = "maip.example/main\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new("maip.example/main", SignatureType::Ed25519, [seed; 32]).expect("a good name")
}

#[test]
fn what_we_sign_the_oracle_verifies() {
    let signer = signer(1);
    let mut note = Note::new(TEXT);
    note.push(signer.sign(TEXT));
    let theirs = signed_note::Note::from_bytes(&note.to_bytes()).expect("well-formed");
    let verifier = StandardVerifier::new(&signer.vkey().to_string()).expect("a good key");
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let (verified, unverified) = theirs.verify(&known).expect("a good signature");
    assert_eq!((verified.len(), unverified.len()), (1, 0));
}

#[test]
fn what_the_oracle_signs_we_verify() {
    let private = signer(2).to_private_text();
    let theirs = StandardSigner::new(&private).expect("the private form of Go");
    let mut note = signed_note::Note::new(TEXT.as_bytes(), &[]).expect("a good text");
    note.add_sigs(&[&theirs]).expect("signs");
    let note = Note::parse(&note.to_bytes()).expect("well-formed");
    let vkey = signer(2).vkey().clone();
    let line = note.signature_of(&vkey).expect("its line");
    assert_eq!(vkey.verify(note.text(), line), Ok(None));
}

#[test]
fn private_keys_read_back_and_show_nothing() {
    for ty in [SignatureType::Ed25519, SignatureType::CosignatureV1] {
        let signer = NoteSigner::new("n.example", ty, [9; 32]).expect("a good name");
        let private = signer.to_private_text();
        let again = NoteSigner::parse(&format!("{private}\n")).expect("reads back");
        assert_eq!(again.vkey(), signer.vkey());
        assert!(!format!("{signer:?}").contains("PRIVATE"));
    }
    let private = signer(1).to_private_text();
    for (from, to, want) in [
        ("PRIVATE+KEY+", "PRIVATE+", SignerError::Form),
        ("main+", "mein+", SignerError::KeyIdMismatch),
        ("=", "", SignerError::Seed),
        ("maip", "ma ip", SignerError::Key(VkeyError::Name)),
    ] {
        // The seed of 33 bytes has no padding; shorten it instead.
        let broken =
            if from == "=" { private[..private.len() - 4].to_owned() } else { private.replacen(from, to, 1) };
        assert_eq!(NoteSigner::parse(&broken).map(|_| ()), Err(want), "{from:?} to {to:?}");
    }
}

#[test]
fn the_published_private_key_gives_the_published_public_one() {
    // golang.org/x/mod/sumdb/note.
    let private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let signer = NoteSigner::parse(private).expect("a good key");
    assert_eq!(
        signer.vkey().to_string(),
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    );
    assert_eq!(signer.to_private_text(), private);
}

/// Bytes near a note, cut and glued.
fn notelike() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"a\n"[..],
        b"\n",
        b"\n\n",
        "— ".as_bytes(),
        b"n",
        b" ",
        b"+",
        b"AAAAAAA=",
        b"AAAAAAB=",
        b"AAAA",
        "\u{a0}".as_bytes(),
        b"\t",
        b"\r",
        b"\xff",
        b"\x7f",
        "— n AAAAAAA=\n".as_bytes(),
        "\n\n— n AAAAAAA=\n".as_bytes(),
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn notes_are_read_alike(bytes in notelike()) {
        let ours = Note::parse(&bytes);
        let theirs = signed_note::Note::from_bytes(&bytes);
        // The oracle takes a text of one empty line.
        if !bytes.starts_with(b"\n\n") {
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", ours);
        }
        if let Ok(note) = ours {
            prop_assert_eq!(note.to_bytes(), bytes);
        }
    }

    #[test]
    fn names_and_key_ids_are_the_same(name in "\\PC{0,12}|[a-z+ \u{a0}\u{2003}]{0,6}") {
        let signer = signer(3);
        let vkey = Vkey::ed25519(&name, signer.vkey().public_key().try_into().expect("32 bytes"));
        prop_assert_eq!(vkey.is_ok(), signed_note::is_key_name_valid(&name), "{:?}", name);
        if let Ok(vkey) = vkey {
            let theirs = StandardVerifier::new(&vkey.to_string()).expect("a good key");
            prop_assert_eq!(theirs.key_id().to_be_bytes(), vkey.key_id().0);
        }
    }

    #[test]
    fn checkpoints_are_read_alike(size in "[0-9+]{0,3}|18446744073709551615", root in "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2[IJ]=?", extension in "(x\n){0,2}") {
        let text = format!("maip.example/main\n{size}\n{root}\n{extension}");
        let ours = Checkpoint::parse(&text);
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        if let Ok(checkpoint) = ours {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }
}

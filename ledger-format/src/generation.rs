//! Generations of a sandbox log: how the logs are called that follow each other under one name.
//!
//! A log never goes back, so a sandbox that is reset ends and another log begins in its place. The first has a plain
//! origin; those after it have the number of their generation behind it:
//!
//! ```text
//! log.example/sandbox        generation 1
//! log.example/sandbox/2      after the first reset
//! log.example/sandbox/3      after the second
//! ```
//!
//! All of them are signed with one key. Its name is the origin, so each generation has a verifier key (and key id) of its own,
//! which follows from the first one's: a witness or verifier that trusts a sandbox learns nothing by asking. One secret under
//! several names is safe because a checkpoint's first line, which is signed, is the origin. A policy lists a public key once
//! only, so it is a policy for one generation.

use crate::checkpoint::ORIGIN_BYTES_MAX;
use crate::note::{NoteSigner, SignerError, Vkey, VkeyError};
use crate::policy::{Policy, PolicyLog};

/// The last generation: a witness remembers every log for ever, so there is an end to how many one key can begin.
pub const GENERATIONS_MAX: u32 = 9_999;

/// Longest origin of a sandbox's first generation, in bytes: the last generation's has to fit, too.
pub const SANDBOX_ORIGIN_BYTES_MAX: usize = ORIGIN_BYTES_MAX - "/9999".len();

/// The origin of a generation, from 1, of the sandbox whose first origin is `first`.
pub fn generation_origin(first: &str, generation: u32) -> String {
    if generation <= 1 { first.to_owned() } else { format!("{first}/{generation}") }
}

/// Which generation of the sandbox `first` an origin names; `None` for any other log, and for other spellings.
pub fn generation_of(first: &str, origin: &str) -> Option<u32> {
    let rest = origin.strip_prefix(first)?;
    if rest.is_empty() {
        return Some(1);
    }
    let digits = rest.strip_prefix('/')?;
    let canonical =
        digits.len() <= 4 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|number| canonical && (2..=GENERATIONS_MAX).contains(number))
}

impl Vkey {
    /// The key of a generation, from the first generation's.
    ///
    /// # Errors
    /// The origin would be too long for the name of a key.
    pub fn of_generation(&self, generation: u32) -> Result<Self, VkeyError> {
        Self::new(&generation_origin(self.name(), generation), self.signature_type(), self.public_key())
    }
}

impl NoteSigner {
    /// The signer of a generation, from the first generation's: the same secret under another name.
    ///
    /// # Errors
    /// The origin would be too long for the name of a key.
    pub fn of_generation(&self, generation: u32) -> Result<Self, SignerError> {
        self.named(&generation_origin(self.vkey().name(), generation))
    }
}

impl Policy {
    /// The policy for a generation of the sandbox `first`: what is listed of that sandbox becomes the keys of this
    /// generation; other logs, the witnesses and the quorum stay.
    ///
    /// # Errors
    /// The origin would be too long for the name of a key.
    pub fn of_generation(&self, first: &str, generation: u32) -> Result<Self, VkeyError> {
        let mut logs = Vec::with_capacity(self.logs().len());
        for PolicyLog { vkey, url } in self.logs() {
            match generation_of(first, vkey.name()) {
                Some(1) => logs.push(PolicyLog { vkey: vkey.of_generation(generation)?, url: url.clone() }),
                // Another generation, listed by hand beside the first.
                Some(_) => {}
                None => logs.push(PolicyLog { vkey: vkey.clone(), url: url.clone() }),
            }
        }
        Ok(self.with_logs(logs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignatureType;

    const FIRST: &str = "log.example/sandbox";

    #[test]
    fn a_generation_has_one_origin() {
        for (generation, origin) in [
            (1, "log.example/sandbox"),
            (2, "log.example/sandbox/2"),
            (10, "log.example/sandbox/10"),
            (GENERATIONS_MAX, "log.example/sandbox/9999"),
        ] {
            assert_eq!(generation_origin(FIRST, generation), origin);
            assert_eq!(generation_of(FIRST, origin), Some(generation));
        }
        for other in [
            "log.example/main",
            "log.example/sandbox2",
            "log.example/sandbox/",
            "log.example/sandbox/0",
            "log.example/sandbox/1",
            "log.example/sandbox/02",
            "log.example/sandbox/+2",
            "log.example/sandbox/2/2",
            "log.example/sandbox/10000",
            "log.example/sandbox/x",
            "log.example",
        ] {
            assert_eq!(generation_of(FIRST, other), None, "{other}");
        }
    }

    #[test]
    fn signer_and_verifier_derive_the_same_key() {
        let signer = NoteSigner::new(FIRST, SignatureType::Ed25519, [7; 32]).unwrap();
        assert_eq!(signer.of_generation(1).unwrap().vkey(), signer.vkey());
        let second = signer.of_generation(2).unwrap();
        assert_eq!(second.vkey(), &signer.vkey().of_generation(2).unwrap());
        assert_eq!(second.vkey().name(), "log.example/sandbox/2");
        assert_ne!(second.vkey().key_id(), signer.vkey().key_id());
        assert_eq!(second.vkey().public_key(), signer.vkey().public_key());
    }

    #[test]
    fn a_checkpoint_of_one_generation_is_none_of_another_under_any_name() {
        let signer = NoteSigner::new(FIRST, SignatureType::Ed25519, [7; 32]).unwrap();
        let second = signer.of_generation(2).unwrap();
        let text = crate::Checkpoint::new(FIRST.to_owned(), 1, crate::leaf_hash(b"entry")).to_string();
        let policy = Policy::parse(&format!("log {}\nquorum none\n", signer.vkey())).unwrap();
        let later = policy.of_generation(FIRST, 2).unwrap();
        let mut note = crate::Note::new(text);
        // The same secret signs the old text under the new name: the line is right, the origin is not listed.
        let line = second.sign(note.text());
        note.push(line);
        assert!(later.check(&note).is_err());
        assert!(policy.check(&note).is_err());
        let line = signer.sign(note.text());
        note.push(line);
        assert!(policy.check(&note).is_ok());
        assert!(later.check(&note).is_err());
    }

    #[test]
    fn a_policy_follows_the_generation_and_keeps_the_rest() {
        let key = |name: &str, seed| NoteSigner::new(name, SignatureType::Ed25519, [seed; 32]).unwrap();
        let (first, rotated, other) = (key(FIRST, 1), key(FIRST, 2), key("log.example/main", 3));
        let witness = NoteSigner::new("w.example", SignatureType::CosignatureV1, [9; 32]).unwrap();
        let witness = witness.vkey();
        let text = |logs: &str| format!("{logs}witness w {witness} http://w\nquorum w\n");
        let listed = format!("log {} http://n/sandbox\nlog {}\n", first.vkey(), other.vkey());
        let policy = Policy::parse(&text(&listed)).unwrap();
        assert_eq!(policy.of_generation(FIRST, 1).unwrap(), policy);
        let third = first.vkey().of_generation(3).unwrap();
        let wanted = text(&format!("log {third} http://n/sandbox\nlog {}\n", other.vkey()));
        assert_eq!(policy.of_generation(FIRST, 3).unwrap().to_string(), wanted);
        // A key that is listed for another generation is none of this one.
        let by_hand = format!("log {}\n{listed}", rotated.of_generation(2).unwrap().vkey());
        let by_hand = Policy::parse(&text(&by_hand)).unwrap();
        assert_eq!(by_hand.of_generation(FIRST, 3).unwrap().to_string(), wanted);
    }

    #[test]
    fn the_longest_origin_has_a_last_generation() {
        let name = "o".repeat(SANDBOX_ORIGIN_BYTES_MAX);
        let signer = NoteSigner::new(&name, SignatureType::Ed25519, [1; 32]).unwrap();
        assert!(signer.of_generation(GENERATIONS_MAX).is_ok());
        let longer = NoteSigner::new(&format!("{name}o"), SignatureType::Ed25519, [1; 32]).unwrap();
        assert!(longer.of_generation(GENERATIONS_MAX).is_err());
    }
}

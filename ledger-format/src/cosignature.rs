//! What a cosigner signs: the messages behind signature types 0x04 and 0x06.
//!
//! Spec: <https://c2sp.org/tlog-cosignature>
//!
//! A cosignature is 8 bytes of time (seconds since 1970, big-endian) and a signature. With 0x04 (Ed25519) that
//! is over two lines and the whole text of the checkpoint; with 0x06 (ML-DSA-44) over a binary structure that
//! names cosigner and log and covers a whole tree or a subtree, but no extension lines.
//!
//! Keys and lines are in `note`; this module only lays out bytes.

use crate::checkpoint::{Checkpoint, ORIGIN_BYTES_MAX};
use crate::merkle::Hash;
use crate::note::KEY_NAME_BYTES_MAX;

/// Bytes of the time in front of the signature.
pub const TIME_BYTES: usize = 8;

/// Latest time a cosignature may carry, in seconds since 1970.
pub const TIME_S_MAX: u64 = i64::MAX as u64;

/// First bytes of the ML-DSA-44 message.
const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// The message of type 0x04: `cosignature/v1`, the time, and the text of the checkpoint with its last newline.
pub fn message_v1(time_s: u64, checkpoint_text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{checkpoint_text}").into_bytes()
}

/// The message of type 0x06 for a checkpoint. `None` if the text is not one.
pub fn message_of_checkpoint(cosigner: &str, time_s: u64, checkpoint_text: &str) -> Option<Vec<u8>> {
    let checkpoint = Checkpoint::parse(checkpoint_text).ok()?;
    message_of_subtree(cosigner, time_s, &checkpoint.origin, (0, checkpoint.size), checkpoint.root)
}

/// The message of type 0x06 for the subtree `[start, end)`: a structure in TLS presentation (RFC 8446 section
/// 3).
///
/// `None` if a name is empty or longer than its length byte can say, the time is out of range, or the subtree
/// does not start at 0 but carries a time.
pub fn message_of_subtree(
    cosigner: &str,
    time_s: u64,
    origin: &str,
    (start, end): (u64, u64),
    hash: Hash,
) -> Option<Vec<u8>> {
    let names_fit =
        (1..=KEY_NAME_BYTES_MAX).contains(&cosigner.len()) && (1..=ORIGIN_BYTES_MAX).contains(&origin.len());
    if !names_fit || time_s > TIME_S_MAX || (start != 0 && time_s != 0) {
        return None;
    }
    let mut message = SUBTREE_LABEL.to_vec();
    push_name(&mut message, cosigner);
    message.extend_from_slice(&time_s.to_be_bytes());
    push_name(&mut message, origin);
    message.extend_from_slice(&start.to_be_bytes());
    message.extend_from_slice(&end.to_be_bytes());
    message.extend_from_slice(&hash.0);
    Some(message)
}

fn push_name(message: &mut Vec<u8>, name: &str) {
    message.push(u8::try_from(name.len()).expect("checked: at most 255 bytes"));
    message.extend_from_slice(name.as_bytes());
}

/// Splits a cosignature into its time and the signature proper. `None` if it is too short.
pub(crate) fn split_time(cosignature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = cosignature.split_first_chunk::<TIME_BYTES>()?;
    Some((u64::from_be_bytes(*time), signature))
}

pub(crate) fn join_time(time_s: u64, signature: &[u8]) -> Vec<u8> {
    let mut cosignature = time_s.to_be_bytes().to_vec();
    cosignature.extend_from_slice(signature);
    cosignature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_the_spec() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let want = format!("cosignature/v1\ntime 1679315147\n{text}");
        assert_eq!(message_v1(1_679_315_147, text), want.as_bytes());

        let message = message_of_checkpoint("w", 1, text).expect("a checkpoint");
        assert_eq!(&message[..12], b"subtree/v1\n\0");
        assert_eq!(&message[12..14], b"\x01w");
        assert_eq!(message.len(), 12 + 2 + 8 + 1 + 27 + 8 + 8 + 32);
    }

    #[test]
    fn what_cannot_be_stated() {
        let of = |name: &str, time_s, origin: &str, range| {
            message_of_subtree(name, time_s, origin, range, Hash::default()).is_some()
        };
        assert!(of("w", 0, "o", (4, 8)));
        assert!(!of("w", 1, "o", (4, 8)), "a time on a subtree that does not start at 0");
        assert!(!of("", 0, "o", (0, 8)));
        assert!(!of("w", 0, "", (0, 8)));
        assert!(!of(&"w".repeat(256), 0, "o", (0, 8)));
        assert!(!of("w", TIME_S_MAX + 1, "o", (0, 8)));
    }
}

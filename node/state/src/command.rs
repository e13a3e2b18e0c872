//! What Raft replicates: everything that can change state.
//!
//! Layout: version byte 1, a tag, the fields in the encoding of `codec`. A command that does not decode was not written by this
//! software: the node halts.

use std::collections::BTreeMap;

use ledger_format::record::{SEAL_SUBJECTS_MAX, SealStep};

use crate::codec::{DecodeError, Decoder, Encoder};
use crate::private::{Note, Transaction};

/// Version byte of an encoded command.
pub const COMMAND_VERSION: u8 = 1;

/// Most records in one `Append`. The leader batches far fewer; this bounds what one step of apply can cost.
pub const RECORDS_PER_COMMAND_MAX: usize = 16_384;

const APPEND: u8 = 1;
const SEAL: u8 = 2;
const PUBLISH: u8 = 3;
const PRIVATE: u8 = 4;
const SEAL_STEP: u8 = 5;
const APPEND_NOTED: u8 = 6;

const PRIVATE_NODE_ID: u8 = 1;
const PRIVATE_TRANSACT: u8 = 2;

/// One step of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Records to be logged in this order.
    Append {
        /// The leader's clock, ms since 1970. The log's time is the larger of this and the last one.
        log_ms: u64,
        /// Canonical bytes of each record.
        records: Vec<Vec<u8>>,
    },
    /// As `Append`, with what nodes keep of some of the records apart from the log. Replay of the entries needs none of it.
    AppendNoted {
        /// As in `Append`.
        log_ms: u64,
        /// As in `Append`.
        records: Vec<Vec<u8>>,
        /// By the record's place in `records`.
        notes: BTreeMap<u32, Note>,
    },
    /// Folds the [`SEAL_SUBJECTS_MAX`] subjects that have waited longest into the status map and logs its new root; without any,
    /// advances the log's time only. Earlier leaders sealed so, and a replay of their entries does; now they take `SealStep`.
    Seal {
        /// As in `Append`.
        log_ms: u64,
    },
    /// As `Seal`, for as many subjects as the leader is willing to let records wait for.
    SealStep {
        /// As in `Append`.
        log_ms: u64,
        /// Which subjects.
        step: SealStep,
    },
    /// A signed checkpoint that the log should publish.
    Publish {
        /// The signed note, with cosignatures.
        note: Vec<u8>,
    },
    /// Replicated, but not public: replay of the entries needs none of it.
    Private(Private),
}

/// Commands about the cluster itself and its private state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Private {
    /// Takes a node id into use. An id belongs to one disk for ever (rule L3): a node that lost its disk comes back under
    /// a new id.
    NodeId {
        /// The node id.
        id: u64,
        /// A number drawn at random when the node's disk was first used. The same disk may register again.
        incarnation: u128,
    },
    /// Changes private state.
    Transact {
        /// As in `Append`.
        log_ms: u64,
        /// What is to be changed, and on which condition.
        transaction: Transaction,
    },
}

impl Command {
    /// The replicated bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Command::Append { log_ms, records } => {
                Command::encode_append(*log_ms, records.iter().map(|record| (record, None)))
            }
            Command::AppendNoted { log_ms, records, notes } => {
                let noted = (0..).zip(records).map(|(at, record)| (record, notes.get(&at)));
                Command::encode_append(*log_ms, noted)
            }
            Command::Seal { log_ms } => {
                let mut e = Encoder::new(COMMAND_VERSION, 16);
                e.byte(SEAL).integer(*log_ms);
                e.finish()
            }
            Command::SealStep { log_ms, step } => {
                let mut e = Encoder::new(COMMAND_VERSION, 24);
                e.byte(SEAL_STEP).integer(*log_ms).integer(step.from).integer(step.subjects);
                e.finish()
            }
            Command::Publish { note } => {
                let mut e = Encoder::new(COMMAND_VERSION, note.len() + 8);
                e.byte(PUBLISH).bytes(note);
                e.finish()
            }
            Command::Private(Private::NodeId { id, incarnation }) => {
                let mut e = Encoder::new(COMMAND_VERSION, 32);
                e.byte(PRIVATE).byte(PRIVATE_NODE_ID).integer(*id).fixed(&incarnation.to_be_bytes());
                e.finish()
            }
            Command::Private(Private::Transact { log_ms, transaction }) => {
                let mut e = Encoder::new(COMMAND_VERSION, 256);
                e.byte(PRIVATE).byte(PRIVATE_TRANSACT).integer(*log_ms);
                transaction.write_to(&mut e);
                e.finish()
            }
        }
    }

    /// Whether replicated bytes are a `Seal`, without decoding them.
    pub fn is_seal(bytes: &[u8]) -> bool {
        matches!(bytes, [COMMAND_VERSION, SEAL | SEAL_STEP, ..])
    }

    /// The replicated bytes of records, some of them with notes, for whoever holds them in another form: they are copied once.
    pub fn encode_append<'a, R: AsRef<[u8]> + 'a>(
        log_ms: u64,
        records: impl Iterator<Item = (R, Option<&'a Note>)> + Clone,
    ) -> Vec<u8> {
        let (mut count, mut noted, mut size) = (0u64, false, 24);
        for (record, note) in records.clone() {
            count += 1;
            noted |= note.is_some();
            size +=
                record.as_ref().len() + 4 + note.map_or(0, |note| note.key().len() + note.value().len() + 8);
        }
        let mut e = Encoder::new(COMMAND_VERSION, size);
        e.byte(if noted { APPEND_NOTED } else { APPEND }).integer(log_ms).integer(count);
        for (record, note) in records {
            e.bytes(record.as_ref());
            if noted {
                e.optional(note, |e, note| note.write_to(e));
            }
        }
        e.finish()
    }

    /// Reads what [`Command::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Command, DecodeError> {
        let mut d = Decoder::new(bytes, COMMAND_VERSION)?;
        let command = match d.byte()? {
            APPEND => {
                let log_ms = d.integer()?;
                let count = d.count(RECORDS_PER_COMMAND_MAX)?;
                let mut records = Vec::with_capacity(count);
                for _ in 0..count {
                    records.push(d.bytes()?.to_vec());
                }
                Command::Append { log_ms, records }
            }
            APPEND_NOTED => {
                let log_ms = d.integer()?;
                let count = d.count(RECORDS_PER_COMMAND_MAX)?;
                let (mut records, mut notes) = (Vec::with_capacity(count), BTreeMap::new());
                for at in 0..count {
                    records.push(d.bytes()?.to_vec());
                    if let Some(note) = d.optional(Note::read_from)? {
                        notes.insert(at as u32, note);
                    }
                }
                if notes.is_empty() {
                    return Err(DecodeError::Invalid("an append without notes"));
                }
                Command::AppendNoted { log_ms, records, notes }
            }
            SEAL => Command::Seal { log_ms: d.integer()? },
            SEAL_STEP => {
                let log_ms = d.integer()?;
                let step = SealStep { from: d.integer()?, subjects: d.integer()? };
                if !(1..=SEAL_SUBJECTS_MAX).contains(&step.subjects) {
                    return Err(DecodeError::Invalid("number of subjects"));
                }
                Command::SealStep { log_ms, step }
            }
            PUBLISH => Command::Publish { note: d.bytes()?.to_vec() },
            PRIVATE => match d.byte()? {
                PRIVATE_NODE_ID => {
                    let id = d.integer()?;
                    let incarnation = u128::from_be_bytes(d.fixed()?);
                    Command::Private(Private::NodeId { id, incarnation })
                }
                PRIVATE_TRANSACT => {
                    let log_ms = d.integer()?;
                    let transaction = Transaction::read_from(&mut d)?;
                    Command::Private(Private::Transact { log_ms, transaction })
                }
                unknown => return Err(DecodeError::Command(unknown)),
            },
            unknown => return Err(DecodeError::Command(unknown)),
        };
        d.finish()?;
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::{Expect, PrivateWrite, ValueDigest};

    fn transaction() -> Transaction {
        let put = |value: &[u8], expires_at_ms| PrivateWrite::Put { value: value.to_vec(), expires_at_ms };
        let is = Expect::Is(ValueDigest::of(b"x"));
        Transaction {
            id: [7; 16],
            good_until_ms: 300,
            expects: [(b"a".to_vec(), Expect::Absent), (b"b".to_vec(), is)].into(),
            writes: [
                (b"a".to_vec(), put(b"", None)),
                (b"b".to_vec(), put(b"secret", Some(900))),
                (b"c".to_vec(), PrivateWrite::Delete),
            ]
            .into(),
        }
    }

    #[test]
    fn a_command_comes_back() {
        let commands = [
            Command::Append { log_ms: 0, records: vec![] },
            Command::Append { log_ms: u64::MAX, records: vec![vec![], b"{}".to_vec(), vec![7; 70_000]] },
            Command::AppendNoted {
                log_ms: 7,
                records: vec![b"{}".to_vec(), vec![], b"{1}".to_vec()],
                notes: [(0, Note::new("k", "").unwrap()), (2, Note::new("notes/2", "secret").unwrap())]
                    .into(),
            },
            Command::Seal { log_ms: 1_769_000_000_000 },
            Command::SealStep { log_ms: 7, step: SealStep { from: 1 << 40, subjects: SEAL_SUBJECTS_MAX } },
            Command::Publish { note: b"note".to_vec() },
            Command::Private(Private::NodeId { id: 3, incarnation: u128::MAX }),
            Command::Private(Private::Transact { log_ms: 9, transaction: Transaction::default() }),
            Command::Private(Private::Transact { log_ms: 9, transaction: transaction() }),
        ];
        for command in commands {
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes).as_ref(), Ok(&command));
            assert_eq!(Command::decode(&bytes[..bytes.len() - 1]), Err(DecodeError::End), "{command:?}");
            assert_eq!(Command::decode(&[&bytes[..], &[0]].concat()), Err(DecodeError::Trailing));
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(Command::decode(&[]), Err(DecodeError::End));
        assert_eq!(Command::decode(&[2, 1]), Err(DecodeError::Version(2)));
        assert_eq!(Command::decode(&[1, 9]), Err(DecodeError::Command(9)));
        for subjects in [&[0][..], &[0x81, 8]] {
            let bytes = [&[1, SEAL_STEP, 7, 0], subjects].concat();
            assert_eq!(Command::decode(&bytes), Err(DecodeError::Invalid("number of subjects")));
        }
        assert_eq!(Command::decode(&[1, PRIVATE, 9]), Err(DecodeError::Command(9)));
        // A transaction has one spelling: its keys ascend.
        let command = Command::Private(Private::Transact { log_ms: 9, transaction: transaction() });
        let mut bytes = command.encode();
        let b = bytes.iter().position(|byte| *byte == b'b').unwrap();
        bytes[b] = b'a';
        assert_eq!(Command::decode(&bytes), Err(DecodeError::Invalid("order of private keys")));
        assert!(!format!("{command:?}").contains("115, 101, 99"), "a value is printed");
        // A count that the bytes cannot hold does not allocate.
        assert_eq!(Command::decode(&[1, APPEND, 0, 0xff, 0x7f]), Err(DecodeError::End));
        assert_eq!(
            Command::decode(&[1, APPEND, 0, 0xff, 0xff, 0x7f]),
            Err(DecodeError::Invalid("number of items"))
        );
    }
}

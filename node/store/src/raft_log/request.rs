//! What the writing thread is asked for.

use std::sync::mpsc::SyncSender;

use bytes::Bytes;

use super::OnDurable;
use super::frame::{self, PAYLOAD_BYTES_MAX};
use crate::StoreError;

/// Whoever waits for a durable change.
pub(super) type Done = SyncSender<Result<(), StoreError>>;

/// What the writer is asked for, in the order of the log.
pub(super) enum Request {
    Append {
        first: u64,
        append: u64,
        frames: Vec<Bytes>,
        on_durable: OnDurable,
    },
    TruncateFrom {
        index: u64,
        done: Done,
    },
    PurgeTo {
        index: u64,
        done: Done,
    },
    /// Without `done`: rides with the next group that somebody waits for.
    Meta {
        key: u8,
        value: Bytes,
        done: Option<Done>,
    },
    /// Writes what still rides, for a clean end.
    Flush {
        done: Done,
    },
}

impl Request {
    /// About how many bytes it adds to a group.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Request::Append { frames, .. } => frames.iter().map(|f| frame::frame_len(f.len())).sum(),
            _ => frame::HEADER_BYTES,
        }
    }

    /// Tells whoever waits.
    pub(super) fn answer(self, result: Result<(), StoreError>) {
        match self {
            Request::Append { on_durable, .. } => on_durable(result),
            Request::TruncateFrom { done, .. }
            | Request::PurgeTo { done, .. }
            | Request::Flush { done }
            | Request::Meta { done: Some(done), .. } => {
                // Whoever asked may have gone.
                let _ = done.send(result);
            }
            Request::Meta { done: None, .. } => {}
        }
    }
}

/// Refuses what a frame cannot hold.
pub(super) fn check_payload(bytes: usize) -> Result<(), StoreError> {
    let limit = PAYLOAD_BYTES_MAX;
    if bytes > limit { Err(StoreError::TooLarge { what: "raft log payload", bytes, limit }) } else { Ok(()) }
}

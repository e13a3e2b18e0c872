//! Records that this node signs itself, with its operator key, for callers that hold no key.
//!
//! A signature that was made here a moment ago is not verified here: that costs twice as much as making it. Whether the key is the
//! operator's in this log is asked all the same, here and again in apply.

use bytes::Bytes;
use ledger_format::record::Draft;
use ledger_state::Note;

use super::{Credential, Noted};
use crate::hosted::HostedLog;

/// A record with a signature of this node. Only [`HostedLog::sign_record`] makes one.
#[derive(Clone, Debug)]
pub struct OwnRecord(Noted);

/// Where records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From outside: nothing is believed.
    Caller(Credential),
    /// Signed by this node.
    Own,
}

impl Source {
    /// On whose behalf.
    pub(super) fn credential(self) -> Credential {
        match self {
            Source::Caller(credential) => credential,
            Source::Own => Credential::Admin,
        }
    }
}

impl OwnRecord {
    pub(crate) fn into_noted(self) -> Noted {
        self.0
    }
}

impl HostedLog {
    /// Signs a record with the operator key, which the node answers for; `note` is kept if it is logged.
    #[must_use]
    pub fn sign_record(&self, draft: Draft, note: Option<Note>) -> OwnRecord {
        OwnRecord(Noted { record: Bytes::from(draft.sign(self.operator()).to_bytes()), note })
    }
}

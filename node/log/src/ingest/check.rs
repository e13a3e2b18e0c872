//! Checks that need no order: form, size, signature, and whether the credential admits the record.
//!
//! They run on the node that receives a record, on the caller's task and so on every core, never on Raft's. What needs
//! an order (is the key still valid at this index, is the id free) is decided in apply, the same on every replica.

use ledger_format::record::{Body, Record};
use ledger_state::{Code, Rejection, SignatureFault};

use super::{Credential, Refused, RefusedKind};
use crate::{alarm::AlarmKind, ledger::Ledger};

/// Checks records before they are queued.
#[derive(Default)]
pub(crate) struct Checker {}

impl Checker {
    /// Whether this record may be queued.
    pub(crate) fn check(&self, ledger: &Ledger, bytes: &[u8], credential: Credential) -> Result<(), Refused> {
        let record = Record::parse(bytes).map_err(|error| refused(&Rejection::from(&error)))?;
        admit(&record.body, credential)?;
        let checked = ledger.with_view(|view| ledger_state::check_signature(view, &record));
        match checked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(SignatureFault::Rejected(rejection))) => Err(refused(&rejection)),
            Ok(Err(SignatureFault::Corrupt(alarm))) => {
                ledger.alarms().raise(AlarmKind::Corruption, alarm.to_string());
                Err(internal(alarm.to_string()))
            }
            Err(error) => Err(internal(error.to_string())),
        }
    }
}

fn internal(why: String) -> Refused {
    Refused::new(RefusedKind::Internal, "INTERNAL", why, "try another node; see this node's alarms")
}

fn admit(body: &Body, credential: Credential) -> Result<(), Refused> {
    match body {
        Body::LogGenesis(_) => Err(Refused {
            field: "type".into(),
            ..Refused::new(RefusedKind::Forbidden, "FORBIDDEN", "log.genesis is written once, by the cluster itself", "submit another record type")
        }),
        Body::TenantRegister(_) if credential != Credential::Admin => Err(Refused {
            field: "type".into(),
            ..Refused::new(
                RefusedKind::Unauthenticated,
                "UNAUTHENTICATED",
                "registering a tenant needs the admin key",
                "send it as `authorization: ApiKey <key>`",
            )
        }),
        _ => Ok(()),
    }
}

/// A rejection of the state machine as an answer to the caller.
pub(super) fn refused(rejection: &Rejection) -> Refused {
    let kind = match rejection.code {
        Code::Malformed | Code::BadSignature | Code::AnchorAhead | Code::KeyReused => RefusedKind::Invalid,
        Code::TooLarge => RefusedKind::TooLarge,
        Code::IdConflict | Code::TenantExists | Code::AgentExists | Code::GenesisExists | Code::NodeIdUsed => RefusedKind::Conflict,
        Code::TenantUnknown | Code::AgentUnknown => RefusedKind::NotFound,
        Code::NoGenesis => RefusedKind::NoLeader,
        Code::KeyNotValid | Code::AgentOfOtherTenant | Code::AgentRevoked | Code::TenantWithoutKey => RefusedKind::Forbidden,
        _ => RefusedKind::Invalid,
    };
    Refused {
        field: rejection.field.clone(),
        ..Refused::new(kind, &rejection.code.as_str().to_ascii_uppercase(), rejection.message.clone(), &rejection.fix)
    }
}

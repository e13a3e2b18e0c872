//! Checks that need no order: form, size, signature, and whether the credential admits the record.
//!
//! They run on the node that receives a record, on the caller's task and so on every core, never on Raft's. What needs
//! an order (is the key still valid at this index, is the id free) is decided in apply, the same on every replica.

use bytes::Bytes;
use ledger_format::record::{Body, Record};
use ledger_state::{Code, Rejection, SignatureChecker, SignatureFault, View};

use super::{Credential, Refused, RefusedKind, Source};
use crate::{alarm::AlarmKind, ledger::Ledger};

/// What the checks say of one record.
#[derive(Clone)]
pub(crate) enum Checked {
    /// It may be queued.
    Good,
    /// It is refused.
    Refused(Refused),
    /// It would be refused, but a node that has applied more may know better: catch up and ask again.
    MaybeLag(Refused),
}

/// Checks records that one caller submits together. A record may rely on the ones before it: a batch may register an agent
/// and then log what it did.
pub(crate) fn check(ledger: &Ledger, records: &[Bytes], source: Source) -> Vec<Checked> {
    let checked = ledger.with_view(|view| match SignatureChecker::with_points(view, ledger.points()) {
        Ok(mut signatures) => {
            records.iter().map(|bytes| check_one(ledger, &mut signatures, bytes, source)).collect()
        }
        Err(fault) => vec![Checked::Refused(faulty(ledger, fault)); records.len()],
    });
    checked.unwrap_or_else(|error| vec![Checked::Refused(internal(error.to_string())); records.len()])
}

fn check_one<V: View>(
    ledger: &Ledger,
    signatures: &mut SignatureChecker<'_, V>,
    bytes: &[u8],
    source: Source,
) -> Checked {
    let record = match Record::parse(bytes) {
        Ok(record) => record,
        Err(error) => return Checked::Refused(refused(&Rejection::from(&error))),
    };
    if let Err(refused) = admit(&record.body, source.credential()) {
        return Checked::Refused(refused);
    }
    let signed = match source {
        Source::Caller(_) => signatures.check(&record),
        Source::Own => signatures.check_own(&record),
    };
    match signed {
        Ok(()) => Checked::Good,
        Err(SignatureFault::Rejected(rejection)) if rejection.code.may_be_lag() => {
            Checked::MaybeLag(refused(&rejection))
        }
        Err(fault) => Checked::Refused(faulty(ledger, fault)),
    }
}

fn faulty(ledger: &Ledger, fault: SignatureFault) -> Refused {
    match fault {
        SignatureFault::Rejected(rejection) => refused(&rejection),
        SignatureFault::Corrupt(alarm) => {
            ledger.alarms().raise(AlarmKind::Corruption, alarm.to_string());
            internal(alarm.to_string())
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
            ..Refused::new(
                RefusedKind::Forbidden,
                "FORBIDDEN",
                "log.genesis is written once, by the cluster itself",
                "submit another record type",
            )
        }),
        Body::LogKey(_) if credential != Credential::Admin => Err(Refused {
            field: "type".into(),
            ..Refused::new(
                RefusedKind::Unauthenticated,
                "UNAUTHENTICATED",
                "changing the log's keys needs the admin key, too",
                "send it as `authorization: ApiKey <key>`",
            )
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
        Code::IdConflict
        | Code::TenantExists
        | Code::AgentExists
        | Code::GenesisExists
        | Code::LogKeyReused
        | Code::LastLogKey
        | Code::NodeIdUsed
        | Code::AgentNotSuspended
        | Code::ReceiptRevoked
        | Code::ReceiptSuperseded
        | Code::SubjectErased
        | Code::SessionExists
        | Code::SessionEnded
        | Code::ClaimExists
        | Code::ClaimResolved
        | Code::ResultDiffers
        | Code::VoteNotAsked
        | Code::VoteTooLate
        | Code::VoteExists
        | Code::DocumentExists => RefusedKind::Conflict,
        Code::TenantUnknown | Code::AgentUnknown | Code::LogKeyUnknown | Code::SessionUnknown => {
            RefusedKind::NotFound
        }
        Code::QuotaExceeded => RefusedKind::Quota,
        Code::NoGenesis => RefusedKind::NoLeader,
        Code::KeyNotValid
        | Code::AgentOfOtherTenant
        | Code::AgentRevoked
        | Code::AgentSuspended
        | Code::SessionOfOtherAgent
        | Code::NotYoursToRevoke
        | Code::TenantWithoutKey => RefusedKind::Forbidden,
        Code::GrantExists
        | Code::GrantEnded
        | Code::GrantAccepted
        | Code::OfferLapsed
        | Code::OfferMismatch
        | Code::AgreementEnded
        | Code::PreviousKeyWrong => RefusedKind::Conflict,
        Code::GrantUnknown | Code::AgreementUnknown => RefusedKind::NotFound,
        _ => RefusedKind::Invalid,
    };
    Refused {
        field: rejection.field.clone(),
        ..Refused::new(
            kind,
            &rejection.code.as_str().to_ascii_uppercase(),
            rejection.message.clone(),
            &rejection.fix,
        )
    }
}

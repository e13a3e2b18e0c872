//! Refusals as gRPC knows them: a status, with a [`Refusal`] message as its details and a hint when to retry.

use ledger_api::ApiError;
use ledger_log::{Refused, RefusedKind};
use ledger_proto::v1::Refusal;
use prost::Message as _;
use tonic::{Code, Status, metadata::MetadataMap};

/// Metadata key of the hint, in milliseconds. Clients with a gRPC retry policy honour it by themselves.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// When a node that could not confirm its state may be asked again.
const NOT_CONFIRMED_RETRY_MS: u32 = 500;

/// The message that stands for a refusal of the log.
pub fn message(refused: &Refused) -> Refusal {
    Refusal {
        code: refused.code.clone(),
        field: refused.field.clone(),
        message: refused.message.clone(),
        fix: refused.fix.clone(),
        retry_after_ms: refused.retry_after_ms,
    }
}

/// The status that stands for a refusal of the log.
pub fn status(refused: &Refused) -> Status {
    let code = match refused.kind {
        RefusedKind::Unauthenticated => Code::Unauthenticated,
        RefusedKind::Forbidden => Code::PermissionDenied,
        RefusedKind::Conflict => Code::AlreadyExists,
        RefusedKind::NotFound => Code::NotFound,
        RefusedKind::Busy | RefusedKind::Quota => Code::ResourceExhausted,
        RefusedKind::NoLeader | RefusedKind::ReadOnly => Code::Unavailable,
        RefusedKind::Timeout => Code::DeadlineExceeded,
        RefusedKind::Internal => Code::Internal,
        _ => Code::InvalidArgument,
    };
    with_details(code, message(refused))
}

/// RESOURCE_EXHAUSTED, with the time after which a retry makes sense.
pub fn busy(message: &str, retry_after_ms: u32) -> Status {
    let refusal = Refusal {
        code: "BUSY".to_owned(),
        field: String::new(),
        message: message.to_owned(),
        fix: "send again after retry_after_ms, with fewer requests at once".to_owned(),
        retry_after_ms,
    };
    with_details(Code::ResourceExhausted, refusal)
}

/// INVALID_ARGUMENT of one field.
pub fn invalid(field: &str, message: impl Into<String>, fix: &str) -> Status {
    refuse(Code::InvalidArgument, "MALFORMED", field, message, fix)
}

/// NOT_FOUND.
pub fn not_found(field: &str, message: impl Into<String>, fix: &str) -> Status {
    refuse(Code::NotFound, "NOT_FOUND", field, message, fix)
}

/// UNAVAILABLE: an answer that is sure to be the latest was wanted, and this node cannot be sure.
pub fn not_confirmed() -> Status {
    let refusal = Refusal {
        code: "NOT_CONFIRMED".to_owned(),
        field: "fresh".to_owned(),
        message: "no leader has confirmed in time that this node has the latest state".to_owned(),
        fix: "ask another node; until one answers, let nobody pass".to_owned(),
        retry_after_ms: NOT_CONFIRMED_RETRY_MS,
    };
    with_details(Code::Unavailable, refusal)
}

/// Any code, when no retry by itself helps.
pub fn refuse(code: Code, word: &str, field: &str, message: impl Into<String>, fix: &str) -> Status {
    let refusal = Refusal {
        code: word.to_owned(),
        field: field.to_owned(),
        message: message.into(),
        fix: fix.to_owned(),
        retry_after_ms: 0,
    };
    with_details(code, refusal)
}

/// The same refusal as over HTTP.
pub fn from_api(error: ApiError) -> Status {
    let code = match error.status.as_u16() {
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        500 => Code::Internal,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::InvalidArgument,
    };
    let refusal = Refusal {
        code: error.code.into_owned(),
        field: error.field,
        message: error.message,
        fix: error.fix,
        retry_after_ms: error.retry_after_s.unwrap_or(0) * 1_000,
    };
    with_details(code, refusal)
}

fn with_details(code: Code, refusal: Refusal) -> Status {
    let mut metadata = MetadataMap::new();
    if refusal.retry_after_ms > 0 {
        metadata.insert(PUSHBACK, refusal.retry_after_ms.into());
    }
    let text = match refusal.field.as_str() {
        "" => refusal.message.clone(),
        field => format!("{field}: {}", refusal.message),
    };
    Status::with_details_and_metadata(code, text, refusal.encode_to_vec().into(), metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_log_keeps_field_fix_and_hint() {
        let refused = Refused {
            code: "BUSY".to_owned(),
            field: "record".to_owned(),
            message: "the queue is full".to_owned(),
            fix: "wait".to_owned(),
            retry_after_ms: 40,
            kind: RefusedKind::Busy,
        };
        let status = status(&refused);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "record: the queue is full");
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "40");
        assert_eq!(Refusal::decode(status.details()).unwrap(), message(&refused));
    }

    #[test]
    fn no_hint_where_a_retry_does_not_help() {
        let status = invalid("index", "not a number", "use a number");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.metadata().get(PUSHBACK).is_none());
        assert_eq!(Refusal::decode(status.details()).unwrap().fix, "use a number");
    }
}

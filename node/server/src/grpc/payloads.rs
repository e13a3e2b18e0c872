//! The `Payloads` service: requests are read, the log does the work, answers are written.

use std::sync::Arc;

use bytes::Bytes;
use ledger_format::{
    payload::{Payload, SALT_BYTES},
    record::{Digest, TenantId},
};
use ledger_log::{PayloadFault, SignedRequest};
use ledger_proto::v1::{
    self, ErasureRequest, ErasureResponse, GetPayloadRequest, GetPayloadResponse, PutPayloadRequest,
    PutPayloadResponse, payloads_server::Payloads,
};
use tonic::{Code, Request, Response, Status};

use super::{Services, read::log, refusal};

/// Serves `maip.ledger.v1.Payloads` from the hosted logs.
pub(super) struct PayloadService(Arc<Services>);

impl PayloadService {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self(services)
    }
}

#[tonic::async_trait]
impl Payloads for PayloadService {
    async fn put(&self, request: Request<PutPayloadRequest>) -> Result<Response<PutPayloadResponse>, Status> {
        let request = request.into_inner();
        let log = log(&self.0, &request.log)?;
        let salt: [u8; SALT_BYTES] = fixed("salt", &request.salt)?;
        let signed =
            signed(&request.log, &request.tenant, &request.subject, request.at_ms, &request.signature)?;
        let payload = Payload { salt, media: request.media, value: request.value.to_vec() };
        let kept = log.put_payload(signed, payload).await.map_err(|fault| status(&fault))?;
        Ok(Response::new(PutPayloadResponse { commitment: kept.to_string() }))
    }

    async fn get(&self, request: Request<GetPayloadRequest>) -> Result<Response<GetPayloadResponse>, Status> {
        let request = request.into_inner();
        let log = log(&self.0, &request.log)?;
        let commitment = digest("commitment", &request.commitment)?;
        let signed =
            signed(&request.log, &request.tenant, &request.subject, request.at_ms, &request.signature)?;
        let payload = log.get_payload(signed, commitment).await.map_err(|fault| status(&fault))?;
        let Payload { salt, media, value } = payload;
        let salt = Bytes::copy_from_slice(&salt);
        Ok(Response::new(GetPayloadResponse { salt, media, value: value.into() }))
    }

    async fn erasure(&self, request: Request<ErasureRequest>) -> Result<Response<ErasureResponse>, Status> {
        let request = request.into_inner();
        let log = log(&self.0, &request.log)?;
        let (tenant, subject) = (tenant(&request.tenant)?, digest("subject", &request.subject)?);
        let nodes = log.erasure(tenant.0, subject).await.map_err(|fault| status(&fault))?;
        let nodes = nodes.into_iter().map(|node| v1::NodeErasure {
            node_id: node.member.id,
            url: node.member.api,
            answered: node.at.is_some(),
            applied: node.at.is_some_and(|at| at.applied),
            destroyed: node.at.is_some_and(|at| at.destroyed),
        });
        Ok(Response::new(ErasureResponse { nodes: nodes.collect() }))
    }
}

fn signed(
    log: &str,
    tenant_id: &str,
    subject: &str,
    at_ms: u64,
    signature: &[u8],
) -> Result<SignedRequest, Status> {
    Ok(SignedRequest {
        log: log.to_owned(),
        tenant: tenant(tenant_id)?.0,
        subject: digest("subject", subject)?,
        at_ms,
        signature: fixed("signature", signature)?,
    })
}

fn tenant(text: &str) -> Result<TenantId, Status> {
    let wrong =
        || refusal::invalid("tenant", format!("{text:?} is no tenant"), "use maip-tenant: with a ULID");
    TenantId::parse(text).ok_or_else(wrong)
}

fn digest(field: &str, text: &str) -> Result<Digest, Status> {
    Digest::parse(text).ok_or_else(|| {
        refusal::invalid(field, format!("{text:?} is no digest"), "use sha256: with 64 hex digits")
    })
}

fn fixed<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Status> {
    let wrong = |_| refusal::invalid(field, format!("{} bytes", bytes.len()), &format!("send {N} bytes"));
    bytes.try_into().map_err(wrong)
}

fn status(fault: &PayloadFault) -> Status {
    use PayloadFault as F;
    let (code, word, field, fix) = match fault {
        F::TenantUnknown => (
            Code::PermissionDenied,
            "TENANT_UNKNOWN",
            "tenant",
            "register the tenant with a key, or reactivate it",
        ),
        F::Request(_) => (
            Code::Unauthenticated,
            "BAD_REQUEST_SIGNATURE",
            "signature",
            "sign the request with the tenant's root key, now; check the clock",
        ),
        F::OtherDigest(_) => {
            (Code::InvalidArgument, "MALFORMED", "subject", "use sha256: with 64 hex digits")
        }
        F::TooLong => (
            Code::InvalidArgument,
            "TOO_LARGE",
            "value",
            "cut the value into parts, or keep it in a vault of your own",
        ),
        F::SubjectFull | F::TenantFull => {
            (Code::ResourceExhausted, "PAYLOADS_FULL", "", "keep further payloads in a vault of your own")
        }
        F::SubjectErased => (
            Code::FailedPrecondition,
            "SUBJECT_ERASED",
            "subject",
            "nothing brings it back; proofs of records that name its digests still verify",
        ),
        F::PayloadUnknown(_) => {
            (Code::NotFound, "PAYLOAD_UNKNOWN", "commitment", "check the commitment and the subject")
        }
        F::Damaged(_) => (
            Code::DataLoss,
            "PAYLOAD_DAMAGED",
            "",
            "put the payload again, with the same salt, if you have it",
        ),
        F::NoMajority { .. } => (Code::Unavailable, "UNAVAILABLE", "", "send the same request again"),
        F::Unavailable(_) => {
            (Code::Unavailable, "UNAVAILABLE", "", "send the same request again, or to another node")
        }
        _ => (Code::Internal, "INTERNAL", "", "ask another node; tell the operator"),
    };
    refusal::refuse(code, word, field, fault.to_string(), fix)
}

//! Reads: entries, proof files, consistency, checkpoints. Only of what is published (rule V2).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_api::blocking;
use ledger_format::record::Ulid;
use ledger_log::{HostedLog, PublishedCheckpoint, Reader};
use ledger_proto::v1::{
    GetCheckpointRequest, GetCheckpointResponse, GetConsistencyRequest, GetConsistencyResponse,
    GetEntryRequest, GetEntryResponse, GetProofRequest, GetProofResponse, GetStapleRequest,
    GetStapleResponse, get_entry_request, get_proof_request,
};
use tonic::{Code, Status};

use super::{Services, refusal};

/// `GetEntry`.
pub(super) async fn entry(services: &Services, request: GetEntryRequest) -> Result<GetEntryResponse, Status> {
    let log = log(services, &request.log)?;
    let reader = log.reader();
    let index = match request.which {
        Some(get_entry_request::Which::Index(index)) => index,
        Some(get_entry_request::Which::RecordId(id)) => find(&reader, &request.tenant, &id).await?,
        None => return Err(nothing_named()),
    };
    let entry = blocking(move || reader.entry(index)).await.map_err(refusal::from_api)?;
    let entry = entry.ok_or_else(|| not_published(index))?;
    Ok(GetEntryResponse { index, entry })
}

/// `GetProof`.
pub(super) async fn proof(services: &Services, request: GetProofRequest) -> Result<GetProofResponse, Status> {
    let log = log(services, &request.log)?;
    let reader = log.reader();
    let index = match request.which {
        Some(get_proof_request::Which::Index(index)) => index,
        Some(get_proof_request::Which::RecordId(id)) => find(&reader, &request.tenant, &id).await?,
        None => return Err(nothing_named()),
    };
    if request.wait {
        let size = index.saturating_add(1);
        reader
            .wait_published(size, timeout(services, request.timeout_ms))
            .await
            .ok_or_else(|| too_late(size))?;
    }
    let proof = blocking(move || reader.proof(index)).await.map_err(refusal::from_api)?;
    let proof = proof.ok_or_else(|| not_published(index))?;
    Ok(GetProofResponse { proof: Bytes::from(proof) })
}

/// `GetConsistency`.
pub(super) async fn consistency(
    services: &Services,
    request: GetConsistencyRequest,
) -> Result<GetConsistencyResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let published = latest(&reader)?;
    let old_size = request.old_size;
    let new_size = if request.new_size == 0 { published.checkpoint.size } else { request.new_size };
    if new_size > published.checkpoint.size {
        let message = format!("{new_size} is beyond the published size {}", published.checkpoint.size);
        return Err(refusal::not_found("new_size", message, "use 0 for the published size"));
    }
    if old_size > new_size {
        let message = format!("{old_size} is larger than new_size ({new_size})");
        return Err(refusal::invalid(
            "old_size",
            message,
            "ask for a proof from the smaller tree to the larger",
        ));
    }
    let hashes = blocking(move || reader.consistency(old_size, new_size)).await.map_err(refusal::from_api)?;
    let hashes = hashes.ok_or_else(|| Status::internal("a tile below the published size is missing"))?;
    Ok(GetConsistencyResponse {
        old_size,
        new_size,
        hashes: hashes.iter().map(|hash| Bytes::copy_from_slice(hash.as_bytes())).collect(),
        checkpoint: note(&published),
    })
}

/// `GetCheckpoint`.
pub(super) async fn checkpoint(
    services: &Services,
    request: GetCheckpointRequest,
) -> Result<GetCheckpointResponse, Status> {
    let reader = log(services, &request.log)?.reader();
    let published = if request.min_size == 0 {
        latest(&reader)?
    } else {
        let waited = reader.wait_published(request.min_size, timeout(services, request.timeout_ms)).await;
        waited.ok_or_else(|| too_late(request.min_size))?
    };
    Ok(GetCheckpointResponse { checkpoint: note(&published) })
}

/// `GetStaple`.
pub(super) async fn staple(
    services: &Services,
    request: GetStapleRequest,
) -> Result<GetStapleResponse, Status> {
    let log = log(services, &request.log)?;
    let timeout = timeout(services, request.timeout_ms);
    let staple = ledger_api::staple(&log, &request.subject, request.min_size, timeout).await;
    let staple = staple.map_err(refusal::from_api)?;
    Ok(GetStapleResponse { staple: Bytes::from(staple.to_bytes()) })
}

/// The note's bytes.
pub(super) fn note(published: &PublishedCheckpoint) -> Bytes {
    Bytes::copy_from_slice(&published.note)
}

/// The log a request names, or the refusal.
pub(super) fn log(services: &Services, name: &str) -> Result<HostedLog, Status> {
    services.logs.named(name).map_err(refusal::from_api)
}

async fn find(reader: &Reader, tenant: &str, id: &str) -> Result<u64, Status> {
    let tenant_id = ulid(tenant).ok_or_else(|| {
        refusal::invalid("tenant", format!("{tenant:?} is not a tenant id"), "use maip-tenant:<ULID>")
    })?;
    let record = ulid(id).ok_or_else(|| {
        refusal::invalid(
            "record_id",
            format!("{id:?} is not the id of a record"),
            "use its ULID, with or without prefix",
        )
    })?;
    let reader = reader.clone();
    let found = blocking(move || reader.find(tenant_id, record)).await.map_err(refusal::from_api)?;
    found.ok_or_else(|| {
        refusal::not_found(
            "record_id",
            format!("no record {id} of tenant {tenant}"),
            "check both ids; a refused record is not logged",
        )
    })
}

/// A ULID, bare or behind a prefix such as `maip-rcpt:`.
fn ulid(text: &str) -> Option<Ulid> {
    Ulid::parse_any(text.rsplit(':').next().unwrap_or(text))
}

fn latest(reader: &Reader) -> Result<Arc<PublishedCheckpoint>, Status> {
    reader.checkpoint().ok_or_else(|| {
        refusal::refuse(
            Code::Unavailable,
            "NOT_PUBLISHED",
            "log",
            "no checkpoint has been published yet",
            "ask again in a second",
        )
    })
}

pub(super) fn timeout(services: &Services, wanted_ms: u32) -> Duration {
    let limits = &services.limits;
    let ms = if wanted_ms == 0 { limits.submit_ms } else { u64::from(wanted_ms).min(limits.submit_ms_max) };
    Duration::from_millis(ms)
}

fn nothing_named() -> Status {
    refusal::invalid("which", "neither index nor record_id is given", "set one of them")
}

fn not_published(index: u64) -> Status {
    refusal::not_found(
        "index",
        format!("entry {index} is not published"),
        "wait for the next checkpoint, or use a smaller index",
    )
}

pub(super) fn too_late(size: u64) -> Status {
    let message = format!("no checkpoint of size {size} or more was published in time");
    refusal::refuse(
        Code::DeadlineExceeded,
        "TIMEOUT",
        "timeout_ms",
        message,
        "ask again, or look at the alarms of Admin.Status",
    )
}

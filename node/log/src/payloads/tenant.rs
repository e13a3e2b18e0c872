//! What a tenant asks of a node: keep a payload, give it back, say how far an erasure has come.

use std::{sync::Arc, time::Duration};

use ledger_format::{
    payload::{Payload, PayloadAct, PayloadRequest},
    record::{Digest, PublicKey, TenantId, Ulid},
};
use tokio::task::JoinSet;

use super::{
    NodeErasure, PAYLOAD_BYTES_MAX, PayloadFault, Subject,
    peers::{self, Kept},
    store::Place,
};
use crate::hosted::{Core, HostedLog};

/// Bytes of payloads under way to other nodes; above it callers are asked to come again.
const BYTES_IN_FLIGHT_MAX: usize = 16 * PAYLOAD_BYTES_MAX;
/// Longest that a tenant waits for a majority to keep its payload. What is under way goes on.
const KEEP_LIMIT: Duration = Duration::from_secs(10);

/// Room for payloads under way.
pub(crate) fn room() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(BYTES_IN_FLIGHT_MAX))
}

/// A request as it came, signed by its tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The log's name as the tenant gave it; it is signed.
    pub log: String,
    /// The tenant.
    pub tenant: Ulid,
    /// The subject's commitment.
    pub subject: Digest,
    /// Its time, ms since 1970.
    pub at_ms: u64,
    /// The tenant's signature over the statement of [`PayloadRequest`].
    pub signature: [u8; 64],
}

impl HostedLog {
    /// Keeps a payload on a majority of nodes, and hands it to all. Asked again, it is kept already.
    ///
    /// # Errors
    /// See [`PayloadFault`].
    pub async fn put_payload(
        &self,
        request: SignedRequest,
        payload: Payload,
    ) -> Result<Digest, PayloadFault> {
        let core = &self.core;
        let commitment = payload.commitment();
        let act = PayloadAct::Put { media: payload.media.clone() };
        core.check_request(&request, act, commitment)?;
        let subject = Subject::new(request.tenant, request.subject)?;
        let weight = u32::try_from(payload.value.len() + 1_024).map_err(|_| PayloadFault::TooLong)?;
        let busy = |_| PayloadFault::Unavailable("too many payloads are under way; try again shortly".into());
        let room = Arc::new(core.payload_room.clone().try_acquire_many_owned(weight).map_err(busy)?);
        let body = peers::encode_payload(subject, &payload);
        let own = core.clone();
        let here = tokio::task::spawn_blocking(move || own.keep_here(subject, &payload)).await;
        here.map_err(|e| PayloadFault::Disk(e.to_string()))??;

        let voters: Vec<u64> = core.voters().iter().map(|voter| voter.id).collect();
        let mut kept = usize::from(voters.contains(&core.options.node_id));
        let mut asked = JoinSet::new();
        for member in core.other_members() {
            let (core, body, room) = (core.clone(), body.clone(), room.clone());
            asked.spawn(async move {
                let answer = core.peer_keep(&member, body).await;
                drop(room);
                (member.id, answer)
            });
        }
        let majority = voters.len() / 2 + 1;
        let enough = async {
            while kept < majority {
                match asked.join_next().await {
                    Some(Ok((id, Ok(Kept::Yes)))) => kept += usize::from(voters.contains(&id)),
                    Some(Ok((_, Ok(Kept::Erased)))) => return Err(PayloadFault::SubjectErased),
                    Some(_) => {}
                    None => break,
                }
            }
            Ok(())
        };
        let ended = tokio::time::timeout(KEEP_LIMIT, enough).await;
        // The others hear of it, too; who does not, fetches it later.
        asked.detach_all();
        if let Ok(Err(fault)) = ended {
            return Err(fault);
        }
        if kept < majority {
            return Err(PayloadFault::NoMajority { kept, voters: voters.len() });
        }
        Ok(commitment)
    }

    /// Gives a payload back. A node that does not have it yet asks the others, and keeps it.
    ///
    /// # Errors
    /// See [`PayloadFault`].
    pub async fn get_payload(
        &self,
        request: SignedRequest,
        commitment: Digest,
    ) -> Result<Payload, PayloadFault> {
        let core = &self.core;
        core.check_request(&request, PayloadAct::Get, commitment)?;
        let subject = Subject::new(request.tenant, request.subject)?;
        let own = core.clone();
        let here = tokio::task::spawn_blocking(move || {
            if own.is_erased(subject)? {
                return Err(PayloadFault::SubjectErased);
            }
            own.payloads.open_payload(subject, commitment)
        });
        let here = here.await.map_err(|e| PayloadFault::Disk(e.to_string()))?;
        match here {
            Ok(Some(payload)) => return Ok(payload),
            // Another node may have a good one.
            Ok(None) | Err(PayloadFault::Damaged(_)) => {}
            Err(fault) => return Err(fault),
        }
        for member in core.other_members() {
            if let Ok(Some(payload)) = core.peer_payload(&member, Place { subject, commitment }).await {
                let (own, copy) = (core.clone(), payload.clone());
                let kept = tokio::task::spawn_blocking(move || own.keep_here(subject, &copy)).await;
                return match kept {
                    Ok(Err(PayloadFault::SubjectErased)) => Err(PayloadFault::SubjectErased),
                    _ => Ok(payload),
                };
            }
        }
        Err(here.err().unwrap_or(PayloadFault::PayloadUnknown(commitment)))
    }

    /// How far an erasure has come on every node of the cluster.
    ///
    /// # Errors
    /// The digest names no subject, or this node's disk fails.
    pub async fn erasure(&self, tenant: Ulid, subject: Digest) -> Result<Vec<NodeErasure>, PayloadFault> {
        self.core.erasure_everywhere(Subject::new(tenant, subject)?).await
    }
}

impl Core {
    /// Who asks must be the tenant, by the root key that is in force on this node, and now.
    fn check_request(
        &self,
        request: &SignedRequest,
        act: PayloadAct,
        commitment: Digest,
    ) -> Result<(), PayloadFault> {
        let tenant = self.ledger.with_view(|view| ledger_state::tenant(view, request.tenant))?;
        let key = tenant.filter(|tenant| tenant.is_active()).and_then(|tenant| tenant.key);
        let key =
            key.and_then(|key| PublicKey::from_bytes(&key.public).ok()).ok_or(PayloadFault::TenantUnknown)?;
        let statement = PayloadRequest {
            log: request.log.clone(),
            tenant: TenantId(request.tenant),
            act,
            commitment,
            subject: request.subject,
            at_ms: request.at_ms,
        };
        Ok(statement.verify(&key, &request.signature, self.world.clock.now_ms())?)
    }
}

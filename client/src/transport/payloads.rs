//! The calls of the `Payloads` service: what nodes keep for a tenant. Requests are signed, what comes back is checked.

use std::time::Duration;

use bytes::Bytes;
use ledger_format::{
    payload::{Payload, PayloadAct, PayloadRequest, SALT_BYTES},
    record::{Digest, SigningKey, TenantId},
};
use ledger_proto::v1::{self, payloads_client::PayloadsClient};
use tonic::{Status, transport::Channel};

use super::{Nodes, nodes::ANSWER_BYTES_MAX, submit::timed};
use crate::error::{ClientError, Refused};

/// Whose payload is meant, and who asks.
pub struct PayloadOwner<'k> {
    /// Name of the log, as for records.
    pub log: String,
    /// The tenant.
    pub tenant: TenantId,
    /// The commitment that names the subject.
    pub subject: Digest,
    /// The tenant's root key.
    pub key: &'k SigningKey,
}

impl PayloadOwner<'_> {
    fn sign(&self, act: PayloadAct, commitment: Digest, at_ms: u64) -> Result<Bytes, ClientError> {
        let (log, tenant, subject) = (self.log.clone(), self.tenant, self.subject);
        let request = PayloadRequest { log, tenant, act, commitment, subject, at_ms };
        let signature = request.sign(self.key).map_err(|error| {
            let message = error.to_string();
            let fix = "describe the value in printable ASCII".into();
            let (code, field) = ("MALFORMED".into(), "media".into());
            ClientError::Refused(Refused { code, field, message, fix, retry_after_ms: 0 })
        })?;
        Ok(Bytes::copy_from_slice(&signature))
    }
}

impl Nodes {
    /// Has a payload kept on a majority of nodes. `at_ms` is now.
    ///
    /// # Errors
    /// A refusal, or no node. Asking again is safe.
    pub async fn put_payload(
        &self,
        owner: &PayloadOwner<'_>,
        payload: &Payload,
        at_ms: u64,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let commitment = payload.commitment();
        let message = v1::PutPayloadRequest {
            log: owner.log.clone(),
            tenant: owner.tenant.to_string(),
            subject: owner.subject.to_string(),
            media: payload.media.clone(),
            salt: Bytes::copy_from_slice(&payload.salt),
            value: Bytes::copy_from_slice(&payload.value),
            at_ms,
            signature: owner.sign(PayloadAct::Put { media: payload.media.clone() }, commitment, at_ms)?,
        };
        let kept = self.payloads(async |mut c| c.put(timed(message.clone(), timeout)).await).await?;
        if kept.commitment == commitment.to_string() {
            return Ok(());
        }
        Err(self.lied("it keeps another payload than was sent".into()))
    }

    /// Gets a payload from the nodes; it was checked that it opens the commitment. `at_ms` is now.
    ///
    /// # Errors
    /// A refusal, no node, or one that gives something else.
    pub async fn get_payload(
        &self,
        owner: &PayloadOwner<'_>,
        commitment: Digest,
        at_ms: u64,
        timeout: Duration,
    ) -> Result<Payload, ClientError> {
        let message = v1::GetPayloadRequest {
            log: owner.log.clone(),
            tenant: owner.tenant.to_string(),
            subject: owner.subject.to_string(),
            commitment: commitment.to_string(),
            at_ms,
            signature: owner.sign(PayloadAct::Get, commitment, at_ms)?,
        };
        let given = self.payloads(async |mut c| c.get(timed(message.clone(), timeout)).await).await?;
        let salt = <[u8; SALT_BYTES]>::try_from(&given.salt[..]);
        let payload = salt.map(|salt| Payload { salt, media: given.media, value: given.value.to_vec() }).ok();
        payload
            .filter(|payload| payload.commitment() == commitment)
            .ok_or_else(|| self.lied(format!("it gives something that does not open {commitment}")))
    }

    /// How far an erasure has come on each node of the cluster: their word.
    ///
    /// # Errors
    /// A refusal, or no node.
    pub async fn erasure(
        &self,
        log: &str,
        tenant: TenantId,
        subject: Digest,
        timeout: Duration,
    ) -> Result<Vec<v1::NodeErasure>, ClientError> {
        let message =
            v1::ErasureRequest { log: log.into(), tenant: tenant.to_string(), subject: subject.to_string() };
        let answer = self.payloads(async |mut c| c.erasure(timed(message.clone(), timeout)).await).await?;
        Ok(answer.nodes)
    }

    async fn payloads<T>(
        &self,
        call: impl AsyncFn(PayloadsClient<Channel>) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        self.call(async |channel| {
            let client = PayloadsClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
            call(client).await.map(tonic::Response::into_inner)
        })
        .await
    }

    fn lied(&self, reason: String) -> ClientError {
        ClientError::Dishonest { url: self.preferred_url().into(), reason }
    }
}

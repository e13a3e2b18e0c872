//! A client that submits to a devnet's nodes and does not give up when one dies.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ledger_proto::v1::{
    Ack, GetCheckpointRequest, GetEntryRequest, SubmitRequest, SubmitResponse, get_entry_request::Which,
    ledger_client::LedgerClient,
};
use tonic::{Code, Request, Status, transport::Channel};

use crate::{grpc, manifest::Manifest};

/// How long one attempt may take before the next node is asked.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(3);
/// How long all attempts together may take.
const SUBMIT_LIMIT: Duration = Duration::from_secs(30);
/// Pause after a refusal that a retry can mend.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Submits records to one log through any of its nodes.
///
/// A record is sent again, as it is, until it is acknowledged: the log gives the same record the same index.
#[derive(Debug)]
pub struct Submitter {
    log: String,
    operator: grpc::ApiKey,
    clients: Vec<LedgerClient<Channel>>,
    current: usize,
}

impl Submitter {
    /// Connects, on first use, to every node of the manifest. Must be called inside a tokio runtime.
    pub fn connect(manifest: &Manifest, log: &str) -> Result<Submitter> {
        let clients = manifest
            .nodes
            .iter()
            .map(|node| Ok(LedgerClient::new(grpc::endpoint(node, &manifest.ca)?.connect_lazy())))
            .collect::<Result<Vec<_>>>()?;
        if clients.is_empty() {
            bail!("no nodes to submit to");
        }
        let operator = grpc::ApiKey::new(&manifest.admin_key)?;
        Ok(Submitter { log: log.to_owned(), operator, clients, current: 0 })
    }

    /// Uses the next node from now on.
    pub fn turn(&mut self) {
        self.current = (self.current + 1) % self.clients.len();
    }

    /// Submits one record, once, to the current node.
    pub async fn submit_once(&mut self, record: Vec<u8>, ack: Ack) -> Result<SubmitResponse> {
        let message = self.request(record, ack);
        Ok(self.client().submit(with_limit(message)).await?.into_inner())
    }

    /// Submits one record until it is acknowledged at the level asked for, or refused for good.
    pub async fn submit(&mut self, record: Vec<u8>, ack: Ack) -> Result<SubmitResponse> {
        let message = self.request(record, ack);
        self.persist("submit", async |client| {
            client.submit(with_limit(message.clone())).await.map(tonic::Response::into_inner)
        })
        .await
    }

    /// Submits a record that the operator has to admit, such as a tenant's registration.
    pub async fn submit_as_operator(&mut self, record: Vec<u8>, ack: Ack) -> Result<SubmitResponse> {
        let message = self.request(record, ack);
        let operator = self.operator.clone();
        self.persist("submit", async |client| {
            let mut request = with_limit(message.clone());
            operator.authorize(&mut request);
            client.submit(request).await.map(tonic::Response::into_inner)
        })
        .await
    }

    /// Reads an entry.
    pub async fn entry(&mut self, index: u64, limit: Duration) -> Result<Vec<u8>> {
        let message = GetEntryRequest {
            log: self.log.clone(),
            which: Some(Which::Index(index)),
            tenant: String::new(),
        };
        let mut request = Request::new(message);
        request.set_timeout(limit);
        let answer = self.client().get_entry(request).await.with_context(|| format!("no entry {index}"))?;
        Ok(answer.into_inner().entry.to_vec())
    }

    /// Waits until a checkpoint of at least this size is published; gives the signed note.
    pub async fn wait_published(&mut self, min_size: u64, limit: Duration) -> Result<Vec<u8>> {
        let message = GetCheckpointRequest {
            log: self.log.clone(),
            min_size,
            timeout_ms: u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
        };
        let mut request = Request::new(message);
        request.set_timeout(limit);
        let answer = self.client().get_checkpoint(request).await;
        let answer = answer.with_context(|| format!("no checkpoint of size {min_size}"))?;
        Ok(answer.into_inner().checkpoint.to_vec())
    }

    fn request(&self, record: Vec<u8>, ack: Ack) -> SubmitRequest {
        SubmitRequest {
            log: self.log.clone(),
            record: record.into(),
            ack: ack.into(),
            timeout_ms: u32::try_from(ATTEMPT_LIMIT.as_millis()).unwrap_or(u32::MAX),
        }
    }

    fn client(&mut self) -> &mut LedgerClient<Channel> {
        &mut self.clients[self.current]
    }

    /// Tries node after node until one answers, or one refuses for a reason that will not pass.
    async fn persist<T>(
        &mut self,
        what: &str,
        mut attempt: impl AsyncFnMut(&mut LedgerClient<Channel>) -> Result<T, Status>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let refusal = match attempt(self.client()).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            if !may_pass(refusal.code()) || start.elapsed() > SUBMIT_LIMIT {
                bail!("{what} failed after {} ms: {refusal}", start.elapsed().as_millis());
            }
            self.turn();
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// A request that is given up after [`ATTEMPT_LIMIT`].
fn with_limit<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ATTEMPT_LIMIT);
    request
}

/// Whether the same request may succeed later or elsewhere.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
    )
}

//! The `Ledger` service: each call in a line or two, its work in the module of its kind.

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use ledger_proto::v1::{
    CheckTokenRequest, CheckTokenResponse, EvaluateRequest, EvaluateResponse, GetCheckpointRequest,
    GetCheckpointResponse, GetConsistencyRequest, GetConsistencyResponse, GetEndedRequest, GetEndedResponse,
    GetEntryRequest, GetEntryResponse, GetHistoryRequest, GetHistoryResponse, GetProofRequest,
    GetProofResponse, GetStapleRequest, GetStapleResponse, GetStatusRequest, GetStatusResponse,
    IssueTokenRequest, IssueTokenResponse, SubmitBatchRequest, SubmitBatchResponse, SubmitRequest,
    SubmitResponse, SubmitResult, TailRequest, TailResponse, ledger_server::Ledger,
};
use tonic::{Request, Response, Status, Streaming};

use super::{Services, evaluate, history, present, read, submit, tail, tokens};

/// Serves `maip.ledger.v1.Ledger` from the hosted logs.
pub(super) struct LedgerService(Arc<Services>);

impl LedgerService {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self(services)
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Ledger for LedgerService {
    type SubmitStreamStream = Answers<SubmitResult>;
    type TailStream = Answers<TailResponse>;

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        submit::one(&self.0, request).await.map(Response::new)
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> Result<Response<SubmitBatchResponse>, Status> {
        submit::batch(&self.0, request).await.map(Response::new)
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        let answers = submit::stream(Arc::clone(&self.0), request)?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_entry(
        &self,
        request: Request<GetEntryRequest>,
    ) -> Result<Response<GetEntryResponse>, Status> {
        read::entry(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_proof(
        &self,
        request: Request<GetProofRequest>,
    ) -> Result<Response<GetProofResponse>, Status> {
        read::proof(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_consistency(
        &self,
        request: Request<GetConsistencyRequest>,
    ) -> Result<Response<GetConsistencyResponse>, Status> {
        read::consistency(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        read::checkpoint(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_staple(
        &self,
        request: Request<GetStapleRequest>,
    ) -> Result<Response<GetStapleResponse>, Status> {
        read::staple(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        history::page(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        present::status(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn get_ended(
        &self,
        request: Request<GetEndedRequest>,
    ) -> Result<Response<GetEndedResponse>, Status> {
        present::ended(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        evaluate::evaluate(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn issue_token(
        &self,
        request: Request<IssueTokenRequest>,
    ) -> Result<Response<IssueTokenResponse>, Status> {
        tokens::issue(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn check_token(
        &self,
        request: Request<CheckTokenRequest>,
    ) -> Result<Response<CheckTokenResponse>, Status> {
        tokens::check(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn tail(&self, request: Request<TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let answers = tail::tail(&self.0, request.into_inner())?;
        Ok(Response::new(Box::pin(answers)))
    }
}

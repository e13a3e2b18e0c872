//! A node of a few lines: the gRPC interface over the log in memory, honest or not.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{Stream, stream};
use ledger_format::{
    Standing, leaf_hash,
    record::{
        AgentId, Amount, DecisionKind, DecisionResult, DelegationId, Entry, ReceiptId, Record, Scope,
        SessionId, TenantId, ToolId,
    },
};
use ledger_proto::v1::{
    self, get_entry_request::Which as EntryWhich, get_proof_request::Which as ProofWhich,
    ledger_server::Ledger, submit_result, tail_response,
};
use ledger_state::{Question, Subject, receipt_about};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{NOW_S, World};

/// How a node behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Knows no leader for the first calls.
    NoLeader(usize),
    /// Gives another leaf hash than the record's.
    WrongLeaf,
    /// Gives a proof of another entry.
    WrongProof,
    /// Leaves a receipt in the middle of a history out.
    LeavesOut,
    /// Leaves the last receipt of a history out.
    LeavesOutLast,
    /// Lets two receipts change places.
    Reorders,
    /// Adds a receipt at the end of a history.
    AddsOne,
    /// Answers so many questions as of a moment that has passed.
    Slow(usize),
    /// Knows no kills.
    Forgetful,
    /// Makes statuses up.
    WrongStatus,
    /// Changes the entries it streams.
    WrongTail,
}

pub(crate) struct Node {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) manner: Manner,
    pub(crate) calls: Arc<AtomicUsize>,
}

impl Node {
    fn busy(&self) -> Result<(), Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.manner {
            Manner::NoLeader(times) if call < times => {
                Err(Status::unavailable("NO_LEADER: no leader is known"))
            }
            _ => Ok(()),
        }
    }

    fn log(&self, record: &[u8], ack: i32) -> Result<v1::SubmitResponse, v1::Refusal> {
        if let Err(e) = Record::parse(record) {
            return Err(v1::Refusal {
                code: "MALFORMED".into(),
                message: e.to_string(),
                ..Default::default()
            });
        }
        let mut world = self.world.lock().unwrap();
        let (index, log_ms, duplicate) = world.try_submit(record).map_err(|rejection| v1::Refusal {
            code: rejection.code.as_str().to_ascii_uppercase(),
            field: rejection.field,
            message: rejection.message,
            fix: rejection.fix,
            retry_after_ms: 0,
        })?;
        let mut leaf = leaf_hash(&world.entries[usize::try_from(index).unwrap()]);
        if self.manner == Manner::WrongLeaf {
            leaf.0[0] ^= 1;
        }
        let proven = if self.manner == Manner::WrongProof { 1 } else { index };
        let proof = (ack == v1::Ack::Witnessed as i32).then(|| world.proof(proven).to_bytes().into());
        Ok(v1::SubmitResponse {
            index,
            leaf_hash: leaf.0.to_vec().into(),
            log_ms,
            duplicate,
            ack,
            proof: proof.unwrap_or_default(),
        })
    }
}

fn is_about(agent: AgentId, entry: &[u8]) -> bool {
    let record = Entry::parse(entry).ok().and_then(|entry| Record::parse(entry.record).ok());
    record.is_some_and(|record| receipt_about(&record.body) == Some(agent))
}

fn question(asked: v1::EvaluateRequest) -> Option<Question> {
    Some(Question {
        tenant: TenantId::parse(&asked.tenant)?.0,
        agent: AgentId::parse(&asked.agent)?,
        action: Scope::parse(&asked.action)?,
        kind: DecisionKind::parse(&asked.kind)?,
        amount: asked.amount.map(|a| Amount { currency: a.currency, minor: a.minor }),
        approval: ReceiptId::parse(&asked.approval),
        grant: DelegationId::parse(&asked.grant),
        session: SessionId::parse(&asked.session),
        tool: ToolId::parse(&asked.tool),
    })
}

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Ledger for Node {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        self.busy()?;
        let message = request.into_inner();
        self.log(&message.record, message.ack).map(Response::new).map_err(|r| {
            let details = prost::Message::encode_to_vec(&r).into();
            Status::with_details(Code::InvalidArgument, r.message, details)
        })
    }

    async fn submit_batch(
        &self,
        request: Request<v1::SubmitBatchRequest>,
    ) -> Result<Response<v1::SubmitBatchResponse>, Status> {
        self.busy()?;
        let message = request.into_inner();
        let results = message.records.iter().map(|record| {
            let result = match self.log(record, message.ack) {
                Ok(ok) => submit_result::Result::Ok(ok),
                Err(refusal) => submit_result::Result::Refused(refusal),
            };
            v1::SubmitResult { result: Some(result) }
        });
        Ok(Response::new(v1::SubmitBatchResponse { results: results.collect() }))
    }

    type SubmitStreamStream = Results<v1::SubmitResult>;

    async fn submit_stream(
        &self,
        _: Request<Streaming<v1::SubmitRequest>>,
    ) -> Result<Response<Self::SubmitStreamStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_entry(
        &self,
        request: Request<v1::GetEntryRequest>,
    ) -> Result<Response<v1::GetEntryResponse>, Status> {
        let world = self.world.lock().unwrap();
        let Some(EntryWhich::Index(index)) = request.into_inner().which else {
            return Err(Status::not_found("no such record"));
        };
        let entry = usize::try_from(index).ok().and_then(|i| world.entries.get(i));
        let entry = entry.ok_or_else(|| Status::not_found("no such entry"))?;
        Ok(Response::new(v1::GetEntryResponse { index, entry: entry.clone().into() }))
    }

    async fn get_proof(
        &self,
        request: Request<v1::GetProofRequest>,
    ) -> Result<Response<v1::GetProofResponse>, Status> {
        self.busy()?;
        let world = self.world.lock().unwrap();
        let Some(ProofWhich::Index(index)) = request.into_inner().which else {
            return Err(Status::not_found("no such record"));
        };
        let index = if self.manner == Manner::WrongProof { index - 1 } else { index };
        Ok(Response::new(v1::GetProofResponse { proof: world.proof(index).to_bytes().into() }))
    }

    async fn get_consistency(
        &self,
        _: Request<v1::GetConsistencyRequest>,
    ) -> Result<Response<v1::GetConsistencyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let world = self.world.lock().unwrap();
        Ok(Response::new(v1::GetCheckpointResponse {
            checkpoint: world.checkpoint(world.size()).to_bytes().into(),
        }))
    }

    async fn get_staple(
        &self,
        request: Request<v1::GetStapleRequest>,
    ) -> Result<Response<v1::GetStapleResponse>, Status> {
        self.busy()?;
        let mut world = self.world.lock().unwrap();
        let request = request.into_inner();
        // Whoever waits for a change finds it sealed.
        if request.min_size > world.sealed_size() {
            world.seal();
        }
        let subject = match self.manner {
            Manner::WrongProof => Subject::Tenant(TenantId(world.tenant)),
            _ => Subject::parse(&request.subject).ok_or_else(|| Status::invalid_argument("no subject"))?,
        };
        let staple = world.staple(subject, world.checkpoint(world.size()));
        let mut staple = staple.ok_or_else(|| Status::unavailable("nothing is sealed"))?;
        if self.manner == Manner::WrongStatus {
            staple.standing = Standing::Present(br#"{"since":2,"status":"active"}"#.to_vec());
        }
        Ok(Response::new(v1::GetStapleResponse { staple: staple.to_bytes().into() }))
    }

    async fn get_history(
        &self,
        request: Request<v1::GetHistoryRequest>,
    ) -> Result<Response<v1::GetHistoryResponse>, Status> {
        let request = request.into_inner();
        let (world, agent) = (self.world.lock().unwrap(), AgentId::parse(&request.agent).unwrap());
        let mut all: Vec<u64> =
            (0..).zip(&world.entries).filter_map(|(i, e)| is_about(agent, e).then_some(i)).collect();
        match self.manner {
            Manner::LeavesOut => drop(all.remove(all.len() / 2)),
            Manner::LeavesOutLast => drop(all.pop()),
            Manner::AddsOne => all.push(world.size() - 2),
            _ => {}
        }
        let page: Vec<u64> = all.into_iter().filter(|index| *index >= request.from).take(4).collect();
        let entry = |index: u64| world.entries[usize::try_from(index).unwrap()].clone();
        let mut entries: Vec<_> = page
            .iter()
            .map(|index| v1::GetEntryResponse { index: *index, entry: entry(*index).into() })
            .collect();
        match self.manner {
            // The bytes of two change places, each under a good index.
            Manner::Reorders if entries.len() > 1 => {
                let (first, second) = (entries[0].entry.clone(), entries[1].entry.clone());
                (entries[0].entry, entries[1].entry) = (second, first);
            }
            Manner::AddsOne => {
                // A good receipt, said to be where something else is that is sealed.
                let copy = world.entries.iter().find(|e| is_about(agent, e)).unwrap().clone();
                if let Some(last) = entries.iter_mut().find(|e| e.index == world.size() - 2) {
                    last.entry = copy.into();
                }
            }
            _ => {}
        }
        Ok(Response::new(v1::GetHistoryResponse { entries, published_size: world.size() }))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let subject = Subject::parse(&request.into_inner().subject);
        let subject = subject.ok_or_else(|| Status::invalid_argument("no subject"))?;
        let world = self.world.lock().unwrap();
        let status = ledger_state::public_status(world.state(), subject).unwrap();
        let (live, status) = (status.is_some(), status.unwrap_or_default().into());
        Ok(Response::new(v1::GetStatusResponse { status, live, sessions: 0, size: world.size() }))
    }

    async fn get_ended(
        &self,
        request: Request<v1::GetEndedRequest>,
    ) -> Result<Response<v1::GetEndedResponse>, Status> {
        if self.manner == Manner::Forgetful {
            return Err(Status::unimplemented("an older node"));
        }
        let request = request.into_inner();
        let (world, agent) = (self.world.lock().unwrap(), AgentId::parse(&request.agent).unwrap());
        let from = if request.from.is_empty() { agent } else { AgentId::parse(&request.from).unwrap() };
        // Two to a page, so that there are pages.
        let page = ledger_state::ended_by(world.state(), agent, request.index, from, 2);
        Ok(Response::new(v1::GetEndedResponse {
            agents: page.agents.iter().map(ToString::to_string).collect(),
            sessions: page.sessions,
            next: page.next.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }

    /// This node has no token key.
    async fn issue_token(
        &self,
        _: Request<v1::IssueTokenRequest>,
    ) -> Result<Response<v1::IssueTokenResponse>, Status> {
        Err(Status::unimplemented("tokens"))
    }

    async fn check_token(
        &self,
        _: Request<v1::CheckTokenRequest>,
    ) -> Result<Response<v1::CheckTokenResponse>, Status> {
        Err(Status::unimplemented("tokens"))
    }

    async fn evaluate(
        &self,
        request: Request<v1::EvaluateRequest>,
    ) -> Result<Response<v1::EvaluateResponse>, Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let asked = question(request.into_inner()).ok_or_else(|| Status::invalid_argument("no question"))?;
        let world = self.world.lock().unwrap();
        let log_ms = NOW_S * 1_000;
        let answer = ledger_state::evaluate(world.state(), &asked, log_ms);
        let mut answer = answer.map_err(|fault| Status::not_found(fault.to_string()))?;
        // A question and a submission are two calls.
        if matches!(self.manner, Manner::Slow(times) if call < 2 * times) {
            answer.result = DecisionResult::NeedsApproval;
        }
        Ok(Response::new(v1::EvaluateResponse {
            result: answer.result.as_str().into(),
            reason: answer.reason.as_str().into(),
            policies: answer.policies.iter().map(ToString::to_string).collect(),
            rules: answer.rules.iter().map(ToString::to_string).collect(),
            log_ms,
            size: world.size(),
        }))
    }

    type TailStream = Results<v1::TailResponse>;

    async fn tail(&self, request: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let world = self.world.lock().unwrap();
        let from = request.into_inner().from;
        let mut items: Vec<tail_response::Item> = (0..)
            .zip(&world.entries)
            .skip(usize::try_from(from).unwrap())
            .map(|(index, entry)| {
                let mut entry = entry.clone();
                if self.manner == Manner::WrongTail && index == from + 1 {
                    *entry.last_mut().unwrap() ^= 1;
                }
                tail_response::Item::Entry(v1::GetEntryResponse { index, entry: entry.into() })
            })
            .collect();
        items.push(tail_response::Item::Checkpoint(world.checkpoint(world.size()).to_bytes().into()));
        let items = items.into_iter().map(|item| Ok(v1::TailResponse { item: Some(item) }));
        Ok(Response::new(Box::pin(stream::iter(items))))
    }
}

//! Session tokens: given by any node, checked by any node against what it has applied.
//!
//! The token key follows from the operator key, which all voters have, so a token of one node is checked by every other, and nothing
//! about a token is stored: what it is worth is asked anew with each use.
//!
//! What is signed to be good once, a request or a call, has a nonce, which is spent in the private state: the same one comes through on
//! one node only, whichever leads and whatever was restored in between.

use std::time::Duration;

use ledger_format::record::{PublicKey, Scope, SessionId, Ulid};
use ledger_format::token::{Token, TokenClaims, TokenRequest};
use ledger_state::{
    Nonce, ShownCall, TokenLive, TokenQuestion, TokenReason, TokenRefused, check_token, grant_token,
    session_claims,
};
use tokio::time::Instant;

use crate::{
    Change, TransactOutcome, hosted::HostedLog, ingest::Refused, ledger::LedgerError, reader::ReadError,
};

/// What private keys of nonces begin with.
const NONCES: &[u8] = b"nonce/";

/// Why there is no answer about a token, or none that helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// The token is not given, or not good.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// An answer that is sure to be the latest was wanted, and the leader did not confirm in time that this node has it.
    #[error("no leader has confirmed in time that this node has the latest state")]
    NotConfirmed,
    /// This node has another operator key than the log, so it neither makes nor checks tokens.
    #[error(
        "the operator key of this node is not that of the log's genesis: no tokens before the right one is installed"
    )]
    NoKey,
    /// The nonce could not be spent: no leader, no room. Whether it was is not known; what it came with is not good.
    #[error("the nonce could not be spent: {0}")]
    NotSpent(Refused),
    /// The state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system gave no random bytes.
    #[error("no randomness: {0}")]
    Random(String),
}

impl From<LedgerError> for TokenFault {
    fn from(error: LedgerError) -> Self {
        Self::Read(error.into())
    }
}

/// A token as somebody shows it; see [`TokenQuestion`].
#[derive(Clone, Debug, Default)]
pub struct TokenCheck {
    /// The token.
    pub token: String,
    /// What shall be done with it.
    pub scope: Option<Scope>,
    /// Who is asking.
    pub audience: Option<String>,
    /// The call that it came with.
    pub call: Option<TokenCall>,
    /// Answer only when the leader confirms that this node has applied everything: a node that is cut off then says so.
    pub fresh: bool,
}

/// A call as it was received; see [`ShownCall`].
#[derive(Clone, Debug, Default)]
pub struct TokenCall {
    /// The method.
    pub method: String,
    /// The URI that was called.
    pub target_uri: String,
    /// The value of `Content-Digest`.
    pub content_digest: String,
    /// The value of `Maip-Grant`.
    pub grant: Option<String>,
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
}

impl TokenCall {
    fn shown(&self) -> ShownCall<'_> {
        ShownCall {
            method: &self.method,
            target_uri: &self.target_uri,
            content_digest: &self.content_digest,
            grant: self.grant.as_deref(),
            signature_input: &self.signature_input,
            signature: &self.signature,
        }
    }
}

/// A token that is good, and up to where this node had looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenChecked {
    /// What it says.
    pub live: TokenLive,
    /// Entries that the node had applied.
    pub size: u64,
}

impl HostedLog {
    /// The keys that sign the log's tokens, for whoever checks them elsewhere; none before the genesis is logged here.
    ///
    /// # Errors
    /// This node has another operator key than the log, or cannot read its state.
    pub fn token_keys(&self) -> Result<Vec<PublicKey>, TokenFault> {
        let core = &self.core;
        match core.ledger.with_view(|view| ledger_state::genesis(view))? {
            Some(genesis) if genesis.operator.kid == core.options.operator.kid() => {
                Ok(vec![core.token_key.public()])
            }
            Some(_) => Err(TokenFault::NoKey),
            None => Ok(Vec::new()),
        }
    }

    /// Gives the token that a signed request asks for.
    ///
    /// # Errors
    /// The request does not hold, or the session does not live.
    pub async fn issue_token(
        &self,
        request: &TokenRequest,
        signature: &[u8; 64],
        within: Duration,
    ) -> Result<Token, TokenFault> {
        self.token_keys()?;
        let id = fresh_id(self.core.world.clock.now_ms())?;
        let ask = |log: &Self| {
            let now_ms = log.core.world.clock.now_ms();
            log.core.ledger.with_view(|view| {
                let now_ms = ledger_state::log_ms(view).max(now_ms);
                grant_token(view, request, signature, now_ms, id)
            })
        };
        let (_, nonce) = self.with_catch_up(within, ask).await?;
        self.spend(&nonce, within).await?;
        let (claims, _) = ask(self)??;
        self.sign(claims)
    }

    /// A token for all that a session allows, on the word of whoever may open sessions for the agent: the caller has checked that. `id`
    /// becomes the token's own, so that the same question at the same time gets the same token.
    ///
    /// # Errors
    /// The session does not live.
    pub fn session_token(&self, session: SessionId, now_ms: u64, id: Ulid) -> Result<Token, TokenFault> {
        self.token_keys()?;
        let claims = self.core.ledger.with_view(|view| session_claims(view, session, now_ms, id))?;
        self.sign(claims?)
    }

    fn sign(&self, claims: TokenClaims) -> Result<Token, TokenFault> {
        Token::sign(claims, &self.core.token_key).map_err(|error| {
            let message = format!("{error}; ask for fewer scopes");
            TokenRefused::new(TokenReason::Scope, message).into()
        })
    }

    /// Whether a token may be used now, as this node has it. With a proof of possession, at the earliest as of the raft_entry that spent
    /// its nonce: such an answer is never behind the question.
    ///
    /// # Errors
    /// [`TokenFault::Refused`] says why not; everything else is no answer, and whoever asks lets nobody pass.
    pub async fn check_token(
        &self,
        check: &TokenCheck,
        within: Duration,
    ) -> Result<TokenChecked, TokenFault> {
        if check.fresh && !self.core.confirm_latest(Instant::now() + within).await {
            return Err(TokenFault::NotConfirmed);
        }
        let keys = self.token_keys()?;
        // Read first: what is applied in between makes the answer newer than it says, never older.
        let size = self.core.ledger.size();
        let ask = |log: &Self| {
            let now_ms = log.core.world.clock.now_ms();
            log.core.ledger.with_view(|view| {
                let now_ms = ledger_state::log_ms(view).max(now_ms);
                let question = TokenQuestion {
                    token: &check.token,
                    keys: &keys,
                    now_ms,
                    scope: check.scope.as_ref(),
                    audience: check.audience.as_deref(),
                    call: check.call.as_ref().map(TokenCall::shown),
                };
                check_token(view, &question)
            })
        };
        let live = self.with_catch_up(within, ask).await?;
        let Some(nonce) = &live.nonce else { return Ok(TokenChecked { live, size }) };
        self.spend(nonce, within).await?;
        // Spending has brought this node up to that moment: a kill before it counts.
        let size = self.core.ledger.size();
        Ok(TokenChecked { live: ask(self)??, size })
    }

    /// Uses a nonce up, on all nodes.
    async fn spend(&self, nonce: &Nonce, within: Duration) -> Result<(), TokenFault> {
        let key = [NONCES, &nonce.key.0, b"/", nonce.text.as_bytes()].concat();
        let change =
            Change::new().expect_absent(key.as_slice()).put_until(key.as_slice(), b"", nonce.until_ms);
        match self.transact(change, within).await.map_err(TokenFault::NotSpent)? {
            TransactOutcome::Done => {}
            TransactOutcome::Conflict { .. } => {
                let message = "the nonce was used before; each call and each request has its own";
                return Err(TokenRefused::new(TokenReason::NonceUsed, message).into());
            }
        }
        // A node whose clock is behind may take for young what the log has forgotten already.
        let log_ms = self.core.ledger.with_view(|view| ledger_state::log_ms(view))?;
        if log_ms < nonce.until_ms {
            return Ok(());
        }
        Err(TokenRefused::new(TokenReason::PopOld, "it was signed too long ago, by the log's time").into())
    }

    /// Asks; where the only trouble is a session that this node does not know, which may have been opened through another, asks once more
    /// after catching up with the leader.
    async fn with_catch_up<T>(
        &self,
        within: Duration,
        ask: impl Fn(&Self) -> Result<Result<T, TokenRefused>, LedgerError>,
    ) -> Result<T, TokenFault> {
        match ask(self)? {
            Err(refused) if refused.reason == TokenReason::SessionUnknown && !self.core.is_leader() => {
                self.core.confirm_latest(Instant::now() + within).await;
                Ok(ask(self)??)
            }
            answer => Ok(answer?),
        }
    }
}

fn fresh_id(now_ms: u64) -> Result<Ulid, TokenFault> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| TokenFault::Random(error.to_string()))?;
    Ok(Ulid::from_parts(now_ms, u128::from_be_bytes(random)))
}

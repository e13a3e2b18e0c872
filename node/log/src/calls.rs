//! Call tokens: signed where a decision was made, verified anywhere, spent once on all nodes.
//!
//! The same key as for session tokens signs them, so one JWK set serves both; their type in the header tells them apart.

use std::time::Duration;

use ledger_format::token::{CallClaims, CallToken, TokenError};

use crate::{Change, TransactOutcome, hosted::HostedLog, ingest::Refused, tokens::TokenFault};

/// What private keys of spent call tokens begin with.
const SPENT: &str = "call/";
/// How long a spent token is remembered after its end: clocks differ.
const REMEMBERED_MS: u64 = 120_000;

/// Why a call token is not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallFault {
    /// Not a call token.
    #[error("not a call token: {0}")]
    Malformed(TokenError),
    /// This log did not make it.
    #[error("this log did not sign the token")]
    Signature,
    /// Its time is over.
    #[error("the token ended at {0} seconds since 1970")]
    Expired(u64),
    /// It was redeemed before.
    #[error("the token was redeemed before")]
    Spent,
    /// It could not be spent: no leader, no room. Whether it was is not known.
    #[error("the token could not be spent: {0}")]
    NotSpent(Refused),
    /// This node can neither make nor check tokens now.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

impl HostedLog {
    /// The log's time or the node's clock, whichever is later, ms since 1970: by it tokens begin and end.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn token_time_ms(&self) -> Result<u64, TokenFault> {
        let log_ms = self.core.ledger.with_view(|view| ledger_state::log_ms(view))?;
        Ok(log_ms.max(self.core.world.clock.now_ms()))
    }

    /// Signs what a decision allows.
    ///
    /// # Errors
    /// This node has not the log's operator key, or the claims are none.
    pub fn sign_call(&self, claims: CallClaims) -> Result<CallToken, CallFault> {
        self.token_keys()?;
        CallToken::sign(claims, &self.core.token_key).map_err(CallFault::Malformed)
    }

    /// Reads a call token that this log has made and whose time is not over. Nothing is spent.
    ///
    /// # Errors
    /// It is another log's or nobody's, or too old.
    pub fn read_call(&self, text: &str) -> Result<CallToken, CallFault> {
        let token = CallToken::parse(text).map_err(CallFault::Malformed)?;
        let keys = self.token_keys()?;
        let origin = self.core.ledger.with_view(|view| ledger_state::status(view).origin);
        let origin = origin.map_err(TokenFault::from)?;
        let signed = keys.iter().any(|key| token.verify(key).is_ok());
        if !signed || origin.as_deref() != Some(token.claims.issuer.as_str()) {
            return Err(CallFault::Signature);
        }
        let expires_at_s = token.claims.expires_at_s;
        if self.token_time_ms()? >= expires_at_s.saturating_mul(1_000) {
            return Err(CallFault::Expired(expires_at_s));
        }
        Ok(token)
    }

    /// Spends a call token: of all who try, on any node, one succeeds. Afterwards this node is not behind that moment.
    ///
    /// # Errors
    /// [`CallFault::Spent`], or it could not be spent.
    pub async fn spend_call(&self, token: &CallToken, within: Duration) -> Result<(), CallFault> {
        let key = format!("{SPENT}{}", token.claims.id);
        let until_ms = token.claims.expires_at_s.saturating_mul(1_000).saturating_add(REMEMBERED_MS);
        let change = Change::new().expect_absent(key.as_str()).put_until(key.as_str(), b"", until_ms);
        match self.transact(change, within).await.map_err(CallFault::NotSpent)? {
            TransactOutcome::Done => {}
            TransactOutcome::Conflict { .. } => return Err(CallFault::Spent),
        }
        // A node whose clock is behind may take for young what the log has forgotten already.
        let expires_at_s = token.claims.expires_at_s;
        match self.token_time_ms()? < expires_at_s.saturating_mul(1_000) {
            true => Ok(()),
            false => Err(CallFault::Expired(expires_at_s)),
        }
    }
}

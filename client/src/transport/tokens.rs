//! Session tokens: asked for and checked.

use std::time::Duration;

use ledger_format::Token;
use ledger_format::token::TokenRequest;
use ledger_proto::v1;

use super::{Nodes, submit::ms, submit::timed};
use crate::error::ClientError;

impl Nodes {
    /// The token that a signed request asks for; that it is of the session and the log that were asked for is checked.
    ///
    /// # Errors
    /// The request does not hold, the session does not live, no node, or a token of something else.
    pub async fn issue_token(
        &self,
        log: &str,
        request: &TokenRequest,
        signature: [u8; 64],
        timeout: Duration,
    ) -> Result<Token, ClientError> {
        let message = v1::IssueTokenRequest {
            log: log.into(),
            session: request.session.to_string(),
            actor: request.actor.to_string(),
            at_ms: request.at_ms,
            nonce: request.nonce.clone(),
            scopes: request.scopes.iter().map(ToString::to_string).collect(),
            bind: request.bind,
            signature: signature.to_vec().into(),
            timeout_ms: ms(timeout),
        };
        let answer = self.ledger(async |mut c| c.issue_token(timed(message.clone(), timeout)).await).await?;
        let dishonest = |reason| ClientError::Dishonest { url: self.preferred_url().into(), reason };
        let token = Token::parse(&answer.token).map_err(|e| dishonest(format!("not a token: {e}")))?;
        if token.claims.session != request.session || token.claims.issuer != request.origin {
            return Err(dishonest("a token of another session or another log".into()));
        }
        Ok(token)
    }

    /// Whether a token may be used now, as the node that answers has it: its word.
    ///
    /// # Errors
    /// No node that can answer; with `fresh` none that is sure. Whoever asks lets nobody pass then.
    pub async fn check_token(
        &self,
        request: &v1::CheckTokenRequest,
        timeout: Duration,
    ) -> Result<v1::CheckTokenResponse, ClientError> {
        let message = v1::CheckTokenRequest { timeout_ms: ms(timeout), ..request.clone() };
        self.ledger(async |mut c| c.check_token(timed(message.clone(), timeout)).await).await
    }
}

//! Call tokens: one call of one tool, allowed by one decision.

use super::TokenError;
use super::claims::{issuer, word};
use super::jwt::Claims;
use crate::record::json::{JsonError, Reader, Reason, Writer};
use crate::record::{AgentId, Digest, ReceiptId, Scope, SessionId, TenantId, ToolId, Ulid};

/// What a call token says: this agent may call this tool once with these arguments, by this decision.
///
/// | claim | meaning |
/// |---|---|
/// | `args` | digest of the arguments' bytes, as the tool receives them |
/// | `aud` | the tool |
/// | `dec`, `idx` | the `decision` record that allowed it, and its index in the log |
/// | `exp`, `iat` | seconds since 1970: from when on it is dead, and when it was made |
/// | `iss` | the log's origin |
/// | `jti` | the token's own id, a ULID: what is spent |
/// | `scope` | the one action |
/// | `sid` | the session; absent without one |
/// | `sub`, `tid` | agent, tenant |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallClaims {
    /// `args`.
    pub arguments: Digest,
    /// `aud`.
    pub tool: ToolId,
    /// `dec`.
    pub decision: ReceiptId,
    /// `exp`, seconds since 1970.
    pub expires_at_s: u64,
    /// `iat`, seconds since 1970.
    pub issued_at_s: u64,
    /// `idx`.
    pub index: u64,
    /// `iss`.
    pub issuer: String,
    /// `jti`.
    pub id: Ulid,
    /// `scope`.
    pub action: Scope,
    /// `sid`.
    pub session: Option<SessionId>,
    /// `sub`.
    pub agent: AgentId,
    /// `tid`.
    pub tenant: TenantId,
}

impl Claims for CallClaims {
    const TYPE: &'static str = "maip-call+jwt";

    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(512);
        w.open_object();
        w.text_field("args", &self.arguments.to_string());
        w.text_field("aud", &self.tool.to_string());
        w.text_field("dec", &self.decision.to_string());
        w.unsigned_field("exp", self.expires_at_s);
        w.unsigned_field("iat", self.issued_at_s);
        w.unsigned_field("idx", self.index);
        w.text_field("iss", &self.issuer);
        w.text_field("jti", &self.id.to_string());
        w.text_field("scope", self.action.as_str());
        if let Some(session) = &self.session {
            w.text_field("sid", &session.to_string());
        }
        w.text_field("sub", &self.agent.to_string());
        w.text_field("tid", &self.tenant.to_string());
        w.close_object();
        w.finish()
    }

    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let claims = read(bytes).map_err(TokenError::Claims)?;
        if claims.expires_at_s <= claims.issued_at_s {
            return Err(TokenError::Times);
        }
        Ok(claims)
    }
}

fn read(bytes: &[u8]) -> Result<CallClaims, JsonError> {
    let (mut args, mut aud, mut dec, mut exp, mut iat, mut idx) = (None, None, None, None, None, None);
    let (mut iss, mut jti, mut scope, mut sid, mut sub, mut tid) = (None, None, None, None, None, None);
    let exact = |text: &str| Scope::parse(text).filter(Scope::is_exact);
    let mut r = Reader::new(bytes)?;
    r.object(|r, key| {
        match key {
            "args" => args = Some(word(r, "a digest", Digest::parse)?),
            "aud" => aud = Some(word(r, "a tool's id", ToolId::parse)?),
            "dec" => dec = Some(word(r, "a receipt's id", ReceiptId::parse)?),
            "exp" => exp = Some(r.unsigned()?),
            "iat" => iat = Some(r.unsigned()?),
            "idx" => idx = Some(r.unsigned()?),
            "iss" => iss = Some(word(r, "an origin", issuer)?),
            "jti" => jti = Some(word(r, "a ULID", Ulid::parse)?),
            "scope" => scope = Some(word(r, "one action, resource:action", exact)?),
            "sid" => sid = Some(word(r, "a session's id", SessionId::parse)?),
            "sub" => sub = Some(word(r, "an agent's id", AgentId::parse)?),
            "tid" => tid = Some(word(r, "a tenant's id", TenantId::parse)?),
            _ => return Err(r.error(r.offset(), Reason::Unknown)),
        }
        Ok(())
    })?;
    let claims = CallClaims {
        arguments: r.required("args", args)?,
        tool: r.required("aud", aud)?,
        decision: r.required("dec", dec)?,
        expires_at_s: r.required("exp", exp)?,
        issued_at_s: r.required("iat", iat)?,
        index: r.required("idx", idx)?,
        issuer: r.required("iss", iss)?,
        id: r.required("jti", jti)?,
        action: r.required("scope", scope)?,
        session: sid,
        agent: r.required("sub", sub)?,
        tenant: r.required("tid", tid)?,
    };
    r.finish()?;
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::super::{CallToken, Token};
    use super::*;
    use crate::record::SigningKey;

    fn claims(session: Option<SessionId>) -> CallClaims {
        CallClaims {
            arguments: Digest::sha256(b"{}"),
            tool: ToolId(Ulid(1)),
            decision: ReceiptId(Ulid(2)),
            expires_at_s: 60,
            issued_at_s: 1,
            index: 7,
            issuer: "maip.example/main".into(),
            id: Ulid(3),
            action: Scope::parse("mail:send").unwrap(),
            session,
            agent: AgentId(Ulid(4)),
            tenant: TenantId(Ulid(5)),
        }
    }

    #[test]
    fn a_call_token_reads_back_and_no_other_spelling_does() {
        let key = SigningKey::from_seed([7; 32]);
        for session in [None, Some(SessionId(Ulid(6)))] {
            let token = CallToken::sign(claims(session), &key).unwrap();
            let text = token.to_string();
            assert_eq!(CallToken::parse(&text), Ok(token.clone()));
            assert!(token.verify(&key.public()).is_ok());
            assert!(token.verify(&SigningKey::from_seed([8; 32]).public()).is_err());
            assert!(CallToken::parse(&text[..text.len() - 1]).is_err());
        }
        let never = CallClaims { expires_at_s: 1, ..claims(None) };
        assert!(CallToken::sign(never, &key).is_err());
        let vague = CallClaims { action: Scope::parse("mail:*").unwrap(), ..claims(None) };
        assert!(CallToken::sign(vague, &key).is_err());
    }

    /// The same key signs both kinds: neither must pass for the other.
    #[test]
    fn a_call_token_is_no_session_token() {
        let key = SigningKey::from_seed([7; 32]);
        let text = CallToken::sign(claims(None), &key).unwrap().to_string();
        assert!(matches!(Token::parse(&text), Err(TokenError::Header(_))));
    }
}

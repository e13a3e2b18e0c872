//! What a token says.

use super::jwt::Claims;
use super::{Thumbprint, TokenError};
use crate::checkpoint::ORIGIN_BYTES_MAX;
use crate::record::json::{JsonError, Reader, Reason, Writer};
use crate::record::{AgentId, NAME_BYTES_MAX, SCOPES_MAX, Scope, SessionId, TenantId, Ulid};

/// Longest issuer: as long as an origin may be.
const ISSUER_BYTES_MAX: usize = ORIGIN_BYTES_MAX;

/// What a token says. See the [module](super) for each claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// `aud`: for whom the session is meant.
    pub audience: Option<String>,
    /// `cnf.jkt`: the key of which each caller proves possession; without it the token alone is enough.
    pub proof_key: Option<Thumbprint>,
    /// `exp`, seconds since 1970: the token is dead from then on.
    pub expires_at_s: u64,
    /// `iat`, seconds since 1970.
    pub issued_at_s: u64,
    /// `iss`: the log's origin.
    pub issuer: String,
    /// `jti`.
    pub id: Ulid,
    /// `scope`. Ascending, each once.
    pub scopes: Vec<Scope>,
    /// `sid`.
    pub session: SessionId,
    /// `sub`.
    pub agent: AgentId,
    /// `tid`.
    pub tenant: TenantId,
}

impl Claims for TokenClaims {
    const TYPE: &'static str = "JWT";

    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(512);
        w.open_object();
        if let Some(audience) = &self.audience {
            w.text_field("aud", audience);
        }
        if let Some(key) = &self.proof_key {
            w.key("cnf");
            w.open_object();
            w.text_field("jkt", &key.to_string());
            w.close_object();
        }
        w.unsigned_field("exp", self.expires_at_s);
        w.unsigned_field("iat", self.issued_at_s);
        w.text_field("iss", &self.issuer);
        w.text_field("jti", &self.id.to_string());
        let scopes: Vec<_> = self.scopes.iter().map(Scope::as_str).collect();
        w.text_field("scope", &scopes.join(" "));
        w.text_field("sid", &self.session.to_string());
        w.text_field("sub", &self.agent.to_string());
        w.text_field("tid", &self.tenant.to_string());
        w.close_object();
        w.finish()
    }

    fn parse(bytes: &[u8]) -> Result<TokenClaims, TokenError> {
        let claims = read(bytes).map_err(TokenError::Claims)?;
        if claims.expires_at_s <= claims.issued_at_s {
            return Err(TokenError::Times);
        }
        Ok(claims)
    }
}

fn read(bytes: &[u8]) -> Result<TokenClaims, JsonError> {
    let (mut audience, mut proof_key, mut exp, mut iat, mut iss) = (None, None, None, None, None);
    let (mut jti, mut scope, mut sid, mut sub, mut tid) = (None, None, None, None, None);
    let mut r = Reader::new(bytes)?;
    r.object(|r, key| {
        match key {
            "aud" => audience = Some(word(r, "a name of 1 to 128 bytes", name)?),
            "cnf" => proof_key = Some(confirmation(r)?),
            "exp" => exp = Some(r.unsigned()?),
            "iat" => iat = Some(r.unsigned()?),
            "iss" => iss = Some(word(r, "an origin", issuer)?),
            "jti" => jti = Some(word(r, "a ULID", Ulid::parse)?),
            "scope" => scope = Some(word(r, "scopes in ascending order, one space between two", scopes)?),
            "sid" => sid = Some(word(r, "a session's id", SessionId::parse)?),
            "sub" => sub = Some(word(r, "an agent's id", AgentId::parse)?),
            "tid" => tid = Some(word(r, "a tenant's id", TenantId::parse)?),
            _ => return Err(r.error(r.offset(), Reason::Unknown)),
        }
        Ok(())
    })?;
    let claims = TokenClaims {
        audience,
        proof_key,
        expires_at_s: r.required("exp", exp)?,
        issued_at_s: r.required("iat", iat)?,
        issuer: r.required("iss", iss)?,
        id: r.required("jti", jti)?,
        scopes: r.required("scope", scope)?,
        session: r.required("sid", sid)?,
        agent: r.required("sub", sub)?,
        tenant: r.required("tid", tid)?,
    };
    r.finish()?;
    Ok(claims)
}

fn confirmation(r: &mut Reader<'_>) -> Result<Thumbprint, JsonError> {
    let mut thumbprint = None;
    r.object(|r, key| {
        if key != "jkt" {
            return Err(r.error(r.offset(), Reason::Unknown));
        }
        thumbprint = Some(word(r, "the base64url of 32 bytes", Thumbprint::parse)?);
        Ok(())
    })?;
    r.required("jkt", thumbprint)
}

/// A string that must be something.
pub(super) fn word<T>(
    r: &mut Reader<'_>,
    rule: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, JsonError> {
    let at = r.offset();
    let text = r.string()?;
    parse(&text).ok_or_else(|| r.error(at, Reason::Invalid { rule }))
}

fn name(text: &str) -> Option<String> {
    let good = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

pub(super) fn issuer(text: &str) -> Option<String> {
    let good = (1..=ISSUER_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

/// No scope is the empty text, and grants nothing.
fn scopes(text: &str) -> Option<Vec<Scope>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut scopes: Vec<Scope> = Vec::new();
    for word in text.split(' ') {
        let scope = Scope::parse(word)?;
        if scopes.len() == SCOPES_MAX || scopes.last().is_some_and(|last| *last >= scope) {
            return None;
        }
        scopes.push(scope);
    }
    Some(scopes)
}

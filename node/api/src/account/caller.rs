//! Who calls: the credential of a request, and what it speaks for.

use axum::http::{HeaderMap, header, request::Parts};
use ledger_format::{
    http_signature::content_digest,
    record::{ActorKind, AgentId, Body, Scope, SessionId, TenantId, Ulid},
};
use serde::{Deserialize, Serialize};

use super::{
    KeyState,
    certificate::{self, ClientUris},
    find_key, session,
};
use crate::{ApiError, maip::Shared};

/// Header of the credential that most clients send.
const API_KEY: &str = "x-api-key";
/// Header that may repeat whose credential it is, and grants nothing.
const TENANT: &str = "x-tenant-id";

/// Which of a node's logs a credential reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Environment {
    /// The main log.
    Production,
    /// The sandbox log.
    Sandbox,
}

impl Environment {
    /// Name of the hosted log.
    pub(crate) fn log_name(self) -> &'static str {
        match self {
            Environment::Production => "",
            Environment::Sandbox => "sandbox",
        }
    }

    /// How its API keys begin.
    pub(crate) fn key_prefix(self) -> &'static str {
        match self {
            Environment::Production => "maip_live_",
            Environment::Sandbox => "maip_test_",
        }
    }

    /// The environment of a key and the rest of it. Some clients insist on `tl_`.
    pub(crate) fn of_key(text: &str) -> Option<(Self, &str)> {
        let rest = text.strip_prefix("maip_").or_else(|| text.strip_prefix("tl_"))?;
        match rest.split_once('_')? {
            ("live", rest) => Some((Environment::Production, rest)),
            ("test", rest) => Some((Environment::Sandbox, rest)),
            _ => None,
        }
    }

    /// The environment that `X-Environment` names.
    pub(crate) fn of_header(headers: &HeaderMap) -> Result<Self, ApiError> {
        match headers.get("x-environment").map(|value| value.to_str().unwrap_or("")) {
            None | Some("production") => Ok(Environment::Production),
            Some("sandbox") => Ok(Environment::Sandbox),
            Some(_) => Err(ApiError::malformed("no such environment")
                .field("X-Environment")
                .fix("write production or sandbox")),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Environment::Production => "production",
            Environment::Sandbox => "sandbox",
        }
    }
}

/// What kind of credential it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// An API key of a tenant.
    Key {
        /// Its public part.
        id: String,
    },
    /// This node by itself, for somebody whose call is over.
    Node,
    /// The operator's admin key, for the tenant in `X-Tenant-ID` or for nobody.
    Admin,
    /// An access token of a session: an agent, which speaks for itself alone.
    Session {
        /// The session.
        session: SessionId,
        /// Whose it is.
        agent: AgentId,
        /// What the agent must not do, whatever the token covers.
        denies: Vec<Scope>,
        /// Of a token that is bound to a key: the digest of the body that the agent has signed.
        digest: Option<String>,
    },
    /// A client certificate, of a tenant or of an agent of it.
    Certificate {
        /// The agent, which speaks for itself alone.
        agent: Option<AgentId>,
        /// What the agent must not do.
        denies: Vec<Scope>,
    },
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: Ulid,
    pub(crate) environment: Environment,
    pub(crate) principal: Principal,
    /// How records that the operator signs for it name it.
    pub(crate) name: String,
    /// What it may do at this API.
    pub(crate) scopes: Vec<Scope>,
}

impl Caller {
    /// A node that acts by itself, in the name of a credential that somebody had when it was asked for.
    pub(crate) fn node(tenant: Ulid, environment: Environment, name: &str) -> Self {
        Self { tenant, environment, principal: Principal::Node, name: name.to_owned(), scopes: Vec::new() }
    }

    /// Refuses what the credential does not cover.
    pub(crate) fn may(&self, scope: &'static str) -> Result<(), ApiError> {
        let covered = Scope::parse(scope).is_some_and(|wanted| {
            self.scopes.iter().any(|scope| scope.covers(&wanted))
                && !self.denies().iter().any(|deny| deny.overlaps(&wanted))
        });
        if covered { Ok(()) } else { Err(ApiError::scope(scope)) }
    }

    /// Whose an idempotency key is that it sends for this environment. The names of the admin key and of a certificate are the same for
    /// every tenant and log that they speak for; nobody's tenant and production are not named, as nodes before did not.
    pub(crate) fn owner(&self, environment: Environment) -> String {
        let mut owner = self.name.clone();
        if !matches!(self.principal, Principal::Admin | Principal::Certificate { .. }) {
            return owner;
        }
        if self.is_admin() && self.tenant != Ulid::NIL {
            owner = format!("{owner}/{}", TenantId(self.tenant));
        }
        match environment {
            Environment::Production => owner,
            Environment::Sandbox => format!("{owner}/{}", environment.word()),
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.principal == Principal::Admin
    }

    /// The agent that calls, when it is one.
    pub(crate) fn agent(&self) -> Option<AgentId> {
        match &self.principal {
            Principal::Session { agent, .. } => Some(*agent),
            Principal::Certificate { agent, .. } => *agent,
            _ => None,
        }
    }

    fn denies(&self) -> &[Scope] {
        match &self.principal {
            Principal::Session { denies, .. } | Principal::Certificate { denies, .. } => denies,
            _ => &[],
        }
    }

    /// Refuses a body that is not the one that the caller has signed.
    pub(crate) fn has_signed(&self, body: &[u8]) -> Result<(), ApiError> {
        match &self.principal {
            Principal::Session { digest: Some(digest), .. } if *digest != content_digest(body) => {
                Err(ApiError::unauthenticated()
                    .because("the body is not the one that was signed")
                    .field("Content-Digest")
                    .fix("sign the digest of the body that is sent"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an agent that acts in another's name.
    pub(crate) fn may_act_as(&self, named: AgentId) -> Result<(), ApiError> {
        match self.agent() {
            Some(own) if own != named => {
                Err(ApiError::forbidden(format!("agent {own} does not act as {named}"))
                    .field("agent_id")
                    .fix("name the agent that calls, or use an API key of the tenant"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what the operator would sign for an agent that the agent itself could not: the word of another agent, or of the tenant.
    pub(crate) fn may_state(&self, body: &Body) -> Result<(), ApiError> {
        if self.agent().is_none() || !body.info().actors.contains(&ActorKind::Agent) {
            return Ok(());
        }
        match body.agent() {
            Some(named) => self.may_act_as(named),
            None if matches!(body, Body::DelegationOffer(_)) => {
                Err(ApiError::forbidden("an agent grants what it has, not what the tenant has")
                    .field("from_agent_id")
                    .fix("name the agent that calls, or use an API key of the tenant"))
            }
            None => Ok(()),
        }
    }
}

/// The credential of a request.
fn credential(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut found: Option<String> = None;
    let key = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok().map(str::to_owned));
    let authorization = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("apikey");
        known.then(|| rest.trim().to_owned())
    });
    for value in key.chain(authorization) {
        let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::unauthenticated()
                .field("authorization")
                .fix("send `X-API-Key: <key>`, `Authorization: ApiKey <key>` or `Authorization: Bearer <key or token>`")
        })?;
        if found.as_ref().is_some_and(|known| *known != value) {
            return Err(ApiError::malformed("two different credentials")
                .field("authorization")
                .fix("send one"));
        }
        found = Some(value);
    }
    Ok(found)
}

/// Finds out who calls.
///
/// # Errors
/// 401 for a credential that is none, 403 for one whose tenant is not the one in `X-Tenant-ID`.
pub(crate) async fn authenticate(
    shared: &Shared,
    request: &Parts,
    now_ms: u64,
) -> Result<Option<Caller>, ApiError> {
    let headers = &request.headers;
    let text = credential(headers)?;
    let uris = request.extensions.get::<ClientUris>();
    let certified = uris.map(|uris| certificate::caller(shared, headers, uris));
    let named = headers.get(TENANT).map(|value| value.to_str().ok().and_then(TenantId::parse_any));
    if let Some(None) = named {
        return Err(ApiError::malformed("X-Tenant-ID is not the id of a tenant").field("X-Tenant-ID"));
    }
    let named = named.flatten().map(|tenant| tenant.0);
    let caller = match (text, &certified) {
        (Some(text), _) if (shared.is_admin_key)(&text) => return Ok(Some(admin(named))),
        (Some(text), _) if session::is_token(&text) => session::caller(shared, request, &text).await?,
        (Some(text), _) => api_key(shared, &text, now_ms)?,
        (None, Some(certified)) => certified.clone()?,
        (None, None) => return Ok(None),
    };
    if certified.is_some_and(|certified| certified.is_ok_and(|other| other.tenant != caller.tenant)) {
        return Err(ApiError::forbidden("the client certificate is another tenant's")
            .field("authorization")
            .fix("use a credential of the certificate's tenant"));
    }
    match named {
        Some(tenant) if tenant != caller.tenant => {
            Err(ApiError::forbidden("the credential is another tenant's")
                .field("X-Tenant-ID")
                .fix("leave it out: the credential says whose it is"))
        }
        _ => Ok(Some(caller)),
    }
}

/// Whether whoever was let in would still be, by what this node has applied now: for answers that go on for long. A call that was
/// signed once is not signed again.
pub(crate) fn still_holds(shared: &Shared, headers: &HeaderMap, caller: &Caller, now_ms: u64) -> bool {
    match &caller.principal {
        Principal::Admin | Principal::Node => true,
        Principal::Key { .. } => {
            let text = credential(headers).ok().flatten();
            text.is_some_and(|text| api_key(shared, &text, now_ms).is_ok())
        }
        Principal::Session { session, agent, .. } => {
            session::is_live(shared, caller.environment, *session, *agent)
        }
        Principal::Certificate { agent, .. } => {
            certificate::is_live(shared, caller.environment, caller.tenant, *agent)
        }
    }
}

/// The operator, for a tenant or for nobody.
fn admin(tenant: Option<Ulid>) -> Caller {
    Caller {
        tenant: tenant.unwrap_or(Ulid::NIL),
        environment: Environment::Production,
        principal: Principal::Admin,
        name: "admin-key".into(),
        scopes: Scope::parse("*:*").into_iter().collect(),
    }
}

fn api_key(shared: &Shared, text: &str, now_ms: u64) -> Result<Caller, ApiError> {
    let unknown = || {
        ApiError::unauthenticated()
            .fix("check the key; it is shown only once, so make a new one if it is lost")
    };
    let key = find_key(&shared.store, &shared.secrets, text)?.ok_or_else(unknown)?;
    match key.state(now_ms) {
        KeyState::Active => {}
        KeyState::Expired => return Err(ApiError::unauthenticated().because("the API key has expired")),
        KeyState::Revoked => return Err(ApiError::unauthenticated().because("the API key is revoked")),
    }
    let tenant =
        TenantId::parse_any(&key.tenant).ok_or_else(|| ApiError::internal("a key without a tenant"))?;
    Ok(Caller {
        tenant: tenant.0,
        environment: key.environment,
        name: format!("api-key:{}", key.id),
        principal: Principal::Key { id: key.id },
        scopes: key.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn one_credential_in_any_of_its_forms() {
        for (pairs, expected) in [
            (&[][..], Ok(None)),
            (&[("x-api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "ApiKey k")], Ok(Some("k"))),
            (&[("authorization", "bearer k")], Ok(Some("k"))),
            (&[("authorization", "Bearer k"), ("x-api-key", "k")], Ok(Some("k"))),
            (&[("authorization", "Bearer k"), ("x-api-key", "other")], Err(400)),
            (&[("authorization", "Basic dTpw")], Err(401)),
            (&[("authorization", "Bearer ")], Err(401)),
            (&[("x-api-key", "")], Err(401)),
        ] {
            let got = credential(&headers(pairs)).map_err(|error| error.status.as_u16());
            assert_eq!(got, expected.map(|text| text.map(str::to_owned)), "{pairs:?}");
        }
    }

    #[test]
    fn a_name_that_speaks_for_many_owns_an_idempotency_key_for_each() {
        let certificate = Principal::Certificate { agent: None, denies: Vec::new() };
        let acme = Ulid::from_parts(1, 1);
        let tenant = TenantId(acme).to_string();
        // A certificate is one tenant's.
        for (principal, tenant, production, sandbox) in [
            (Principal::Admin, Ulid::NIL, "name".into(), "name/sandbox".into()),
            (Principal::Admin, acme, format!("name/{tenant}"), format!("name/{tenant}/sandbox")),
            (certificate, acme, "name".into(), "name/sandbox".into()),
            (Principal::Key { id: "k".into() }, acme, "name".into(), "name".into()),
            (Principal::Node, acme, "name".into(), "name".to_owned()),
        ] {
            let mut caller = Caller::node(tenant, Environment::Production, "name");
            caller.principal = principal;
            assert_eq!(caller.owner(Environment::Production), production, "{caller:?}");
            assert_eq!(caller.owner(Environment::Sandbox), sandbox, "{caller:?}");
        }
    }

    #[test]
    fn a_key_says_its_environment() {
        assert_eq!(Environment::of_key("maip_live_abc"), Some((Environment::Production, "abc")));
        assert_eq!(Environment::of_key("tl_test_abc"), Some((Environment::Sandbox, "abc")));
        for bad in ["maip_dev_abc", "maip_", "live_abc", ""] {
            assert_eq!(Environment::of_key(bad), None, "{bad}");
        }
    }
}

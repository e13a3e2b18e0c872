//! `maip session`: open, refresh, hand over and close sessions; tokens of them are in `session_token`.

use clap::{Args, Subcommand};
use ledger_client::keys::KeyHandle;
use ledger_format::record::{
    Actor, AgentId, Body, Scope, SessionClose, SessionEnd, SessionHandoff, SessionId, SessionOpen,
    SessionRefresh, Ulid,
};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    agent::{agent_id, scope, sorted},
    send::{Send, Stated, new_id},
    session_token::{CheckToken, SignCall, TokenOf},
    tenant::tenant_id,
};

/// An agent that acts, and who signs: the agent itself, or its tenant.
#[derive(Debug, Args)]
pub(crate) struct Owner {
    /// The agent.
    #[arg(long, value_parser = agent_id)]
    pub(crate) agent: AgentId,
    /// Its tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    pub(crate) tenant: Ulid,
    /// The agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", required_unless_present = "tenant_key")]
    key: Option<String>,
    /// Sign as the tenant instead, with this key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    tenant_key: Option<String>,
}

impl Owner {
    /// The actor and its key.
    pub(crate) fn signer(&self, global: &Global) -> Result<(Actor, KeyHandle), Failure> {
        let read = |name: &str| global.signer(name);
        match (&self.tenant_key, &self.key) {
            (Some(name), _) => Ok((Actor::Tenant, read(name)?)),
            (None, Some(name)) => Ok((Actor::Agent(self.agent), read(name)?)),
            (None, None) => Err(Failure::cannot("no key to sign with").next("give --key or --tenant-key")),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Open a session with some of the agent's scopes.
    Open {
        #[command(flatten)]
        owner: Owner,
        /// What may be done in it. May be repeated.
        #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
        scopes: Vec<Scope>,
        /// Minutes of log time until it ends by itself, 1 to 1440.
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        ttl: u64,
        /// For whom it is meant, e.g. a service's name.
        #[arg(long)]
        audience: Option<String>,
        /// A public key of which callers in the session prove possession.
        #[arg(long, value_name = "KEY")]
        proof_key: Option<String>,
        #[command(flatten)]
        send: Send,
    },
    /// Let a session end later, or sooner.
    Refresh {
        #[command(flatten)]
        owner: Owner,
        /// The session.
        #[arg(long, value_parser = session_id)]
        session: SessionId,
        /// Minutes of log time from now, 1 to 1440.
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        ttl: u64,
        #[command(flatten)]
        send: Send,
    },
    /// Let another agent of the tenant go on with it.
    Handoff {
        #[command(flatten)]
        owner: Owner,
        /// The session.
        #[arg(long, value_parser = session_id)]
        session: SessionId,
        /// Whose session it is from now on.
        #[arg(long, value_parser = agent_id)]
        to: AgentId,
        #[command(flatten)]
        send: Send,
    },
    /// Get a token of a session, for calls of tools.
    Token(TokenOf),
    /// Sign a call with the key that its token is bound to: prints the header fields.
    SignCall(SignCall),
    /// Ask a node whether a token may be used now.
    CheckToken(CheckToken),
    /// Close a session.
    Close {
        #[command(flatten)]
        owner: Owner,
        /// The session.
        #[arg(long, value_parser = session_id)]
        session: SessionId,
        /// It was broken off.
        #[arg(long)]
        aborted: bool,
        /// Why, in a word.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        send: Send,
    },
}

impl Session {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Open { owner, scopes, ttl, audience, proof_key, send } => {
                let session = SessionId(new_id()?);
                let proof_key = proof_key.as_ref().map(|key| global.public_key(key)).transpose()?;
                let body = SessionOpen {
                    agent: owner.agent,
                    audience: audience.clone(),
                    on_behalf_of: None,
                    proof_key,
                    scopes: sorted(scopes),
                    session,
                    ttl_min: *ttl,
                };
                let words = format!("session {session} is open for {ttl} minutes");
                log(global, out, owner, send, session, Body::SessionOpen(Box::new(body)), &words)
            }
            Self::Refresh { owner, session, ttl, send } => {
                let (agent, session) = (owner.agent, *session);
                let body = SessionRefresh { agent, on_behalf_of: None, session, ttl_min: *ttl };
                let words = format!("session {session} ends in {ttl} minutes");
                log(global, out, owner, send, session, Body::SessionRefresh(body), &words)
            }
            Self::Handoff { owner, session, to, send } => {
                let (agent, session) = (owner.agent, *session);
                let body = SessionHandoff { agent, on_behalf_of: None, session, to: *to };
                let words = format!("session {session} is {to}'s from now on");
                log(global, out, owner, send, session, Body::SessionHandoff(body), &words)
            }
            Self::Token(token) => token.run(global, out),
            Self::SignCall(call) => call.run(global, out),
            Self::CheckToken(check) => check.run(global, out),
            Self::Close { owner, session, aborted, reason, send } => {
                let (agent, session) = (owner.agent, *session);
                let outcome = if *aborted { SessionEnd::Aborted } else { SessionEnd::Clean };
                let body =
                    SessionClose { agent, on_behalf_of: None, outcome, reason: reason.clone(), session };
                let words = format!("session {session} is closed");
                log(global, out, owner, send, session, Body::SessionClose(body), &words)
            }
        }
    }
}

fn log(
    global: &Global,
    out: &Out,
    owner: &Owner,
    send: &Send,
    session: SessionId,
    body: Body,
    words: &str,
) -> Done {
    let (actor, key) = owner.signer(global)?;
    let stated = Stated { operator: None, id: None, tenant: owner.tenant, actor, prev: None, body };
    send.log(global, out, stated, &key, words, json!({ "session": session.to_string() }))
}

/// Any spelling of a session's id.
pub(crate) fn session_id(text: &str) -> Result<SessionId, String> {
    SessionId::parse_any(text).ok_or_else(|| "not a session's id: maip-sess:<26 characters>".into())
}

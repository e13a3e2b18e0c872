//! `maip delegate`: grants from tenants and agents to agents. What becomes of an offer: `delegate_answer`; agreements: `federation`.

use std::time::Duration;

use clap::{Args, Subcommand};
use ledger_client::keys::KeyHandle;
use ledger_format::record::{
    Actor, AgentId, Body, DelegationId, DelegationOffer, GrantLimits, GrantTo, Kid, RecordHash, Scope,
    TenantId, Ulid,
};
use serde_json::{Value, json};

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{agent_id, scope, sorted},
    decision::later,
    delegate_answer::{Accept, Reject, Revoke},
    federation::{Agree, End, SignAgreement},
    global::block_on,
    ids::{grant_id, record_hash},
    send::{Send, Stated, new_id},
    tenant::tenant_id,
    time::duration,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Delegate {
    /// Grant something to an agent: from an agent, or from the tenant itself.
    Offer(Box<Offer>),
    /// Take a grant, of this log or of another one.
    Accept(Box<Accept>),
    /// Refuse a grant.
    Reject(Box<Reject>),
    /// End a grant and whatever hangs below it, for ever.
    Revoke(Box<Revoke>),
    /// Log an agreement with another tenant, which that one has signed with `sign-agreement`.
    Agree(Box<Agree>),
    /// Sign the agreement that another tenant is about to log. Opens no connection.
    SignAgreement(Box<SignAgreement>),
    /// End an agreement.
    End(Box<End>),
}

impl Delegate {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        match self {
            Self::Offer(offer) => offer.run(global, out),
            Self::Accept(accept) => accept.run(global, out),
            Self::Reject(reject) => reject.run(global, out),
            Self::Revoke(revoke) => revoke.run(global, out),
            Self::Agree(agree) => agree.run(global, out),
            Self::SignAgreement(sign) => sign.run(global, out),
            Self::End(end) => end.run(global, out),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Offer {
    /// The tenant that grants, or whose agent does.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    /// The agent that grants. Default: the tenant itself, from its root.
    #[arg(long, value_name = "AGENT", value_parser = agent_id)]
    from: Option<AgentId>,
    /// That agent's key: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE", requires = "from")]
    key: Option<String>,
    /// Sign as the tenant, with this key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    tenant_key: Option<String>,
    #[command(flatten)]
    to: Receiver,
    /// What the receiver may do. May be repeated; without any it may do nothing.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
    /// What it must not do; repeats every deny of the parent. May be repeated.
    #[arg(long = "deny", value_name = "SCOPE", value_parser = scope)]
    denies: Vec<Scope>,
    /// How often it may be handed on, 0 to 8.
    #[arg(long, value_name = "N", default_value_t = 0)]
    hops: u64,
    #[command(flatten)]
    limits: Limits,
    /// The grant that is handed on; its agent signs with the key that it was granted to.
    #[arg(long, value_name = "GRANT", value_parser = grant_id, requires = "key")]
    parent: Option<DelegationId>,
    /// Hash of the agreement under which it goes to another tenant.
    #[arg(long, value_name = "HEX", value_parser = record_hash)]
    agreement: Option<RecordHash>,
    /// Id of the grant. Default: a new one.
    #[arg(long, value_parser = grant_id)]
    id: Option<DelegationId>,
    #[command(flatten)]
    send: Send,
}

/// Who gets it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Receiver")]
struct Receiver {
    /// The agent that gets the grant.
    #[arg(long, value_name = "AGENT", value_parser = agent_id)]
    to: AgentId,
    /// The id of the key that uses it. Default: the agent's current key, asked of the node.
    #[arg(long, value_name = "KID", value_parser = kid, allow_hyphen_values = true)]
    to_kid: Option<Kid>,
    /// The agent's tenant. Default: asked of the node.
    #[arg(long, value_name = "TENANT", value_parser = tenant_id)]
    to_tenant: Option<Ulid>,
    /// The log where the agent lives, if that is another one.
    #[arg(long, value_name = "ORIGIN", requires_all = ["to_kid", "to_tenant"])]
    to_origin: Option<String>,
}

/// Bounds of the grant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// How long it lives, e.g. 30m.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    lasts: Duration,
    /// The log time at which it ends, ms since 1970, instead of --for.
    #[arg(long, value_name = "MS")]
    expires_at: Option<u64>,
    /// The log time at which it begins, ms since 1970.
    #[arg(long, value_name = "MS")]
    not_before: Option<u64>,
    /// Most calls in each window.
    #[arg(long, value_name = "N", requires = "window")]
    calls: Option<u64>,
    /// Length of a window, e.g. 1m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    window: Option<Duration>,
    /// Most to spend in each window, in the currency's smallest unit.
    #[arg(long, value_name = "MINOR", requires_all = ["window", "currency"])]
    spend: Option<u64>,
    /// Amounts above it need an approval.
    #[arg(long, value_name = "MINOR", requires = "currency")]
    approval_over: Option<u64>,
    /// The currency of the amounts, three capital letters.
    #[arg(long)]
    currency: Option<String>,
    /// Trust that the receiver must have, in basis points.
    #[arg(long, value_name = "BP")]
    min_trust: Option<u64>,
    /// What it is for, in a word.
    #[arg(long, value_name = "WORD")]
    purpose: Option<String>,
    /// An environment in which it holds. May be repeated.
    #[arg(long = "env", value_name = "WORD")]
    envs: Vec<String>,
}

impl Limits {
    fn stated(&self) -> GrantLimits {
        let mut envs = self.envs.clone();
        envs.sort();
        envs.dedup();
        GrantLimits {
            approval_over: self.approval_over,
            calls: self.calls,
            currency: self.currency.clone(),
            env: (!envs.is_empty()).then_some(envs),
            expires_at: self.expires_at.unwrap_or_else(|| later(self.lasts)),
            min_trust_bp: self.min_trust,
            not_before: self.not_before,
            purpose: self.purpose.clone(),
            spend_minor: self.spend,
            window_s: self.window.map(|window| window.as_secs()),
        }
    }
}

impl Receiver {
    fn stated(&self, global: &Global) -> Result<GrantTo, Failure> {
        let (kid, tenant) = match (self.to_kid, self.to_tenant) {
            (Some(kid), Some(tenant)) => (kid, TenantId(tenant)),
            (kid, tenant) => {
                let status = status_of(global, &self.to.to_string())?;
                let known = (member(&status, "key", Kid::parse), member(&status, "tenant", TenantId::parse));
                (kid.map_or(known.0, Ok)?, tenant.map_or(known.1, |tenant| Ok(TenantId(tenant)))?)
            }
        };
        Ok(GrantTo { agent: self.to, kid, origin: self.to_origin.clone(), tenant })
    }
}

impl Offer {
    fn run(&self, global: &Global, out: &Out) -> Done {
        let (actor, key) = self.signer(global)?;
        let grant = match self.id {
            Some(id) => id,
            None => DelegationId(new_id()?),
        };
        let body = DelegationOffer {
            agreement: self.agreement,
            deny: sorted(&self.denies),
            from: self.from,
            grant,
            hops: self.hops,
            limits: self.limits.stated(),
            on_behalf_of: None,
            parent: self.parent.map(|parent| offer_of(global, parent)).transpose()?,
            scopes: sorted(&self.scopes),
            to: self.to.stated(global)?,
        };
        let body = Body::DelegationOffer(Box::new(body));
        let stated = Stated { operator: None, id: None, tenant: self.tenant, actor, prev: None, body };
        let Some(sent) = self.send.send(global, out, stated, &key)? else { return Ok(Exit::Ok) };
        let offer = sent.record.hash().to_string();
        let words = format!("grant {grant} is offered to {}", self.to.to);
        let more = format!("  offer    {offer}\n");
        self.send.answer(out, &sent, &words, &more, json!({ "grant": grant.to_string(), "offer": offer }));
        Ok(Exit::Ok)
    }

    fn signer(&self, global: &Global) -> Result<(Actor, KeyHandle), Failure> {
        let (actor, name) = match (&self.tenant_key, self.from, &self.key) {
            (Some(name), _, _) => (Actor::Tenant, name),
            (None, Some(from), Some(name)) => (Actor::Agent(from), name),
            _ => {
                return Err(
                    Failure::cannot("no key to sign with").next("give --from and --key, or --tenant-key")
                );
            }
        };
        Ok((actor, global.signer(name)?))
    }
}

/// The present status of a subject on a node: its word, which the log checks when the record comes.
fn status_of(global: &Global, subject: &str) -> Result<Value, Failure> {
    let answer = block_on(async {
        let nodes = global.nodes()?;
        Ok(nodes.status(&global.log, subject, true, global.timeout).await?)
    })?;
    if answer.status.is_empty() {
        return Err(Failure::no(format!("the log knows no {subject}"))
            .next("check the id, and which log you ask; what is in another log must be named in full"));
    }
    serde_json::from_slice(&answer.status)
        .map_err(|e| Failure::no("a node's answer does not hold").why(format!("not a status: {e}")))
}

fn member<T>(status: &Value, name: &str, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
    status[name].as_str().and_then(parse).ok_or_else(|| {
        Failure::no("a node's answer does not hold").why(format!("the status has no good member `{name}`"))
    })
}

/// Hash of the offer of a grant of this log.
pub(crate) fn offer_of(global: &Global, grant: DelegationId) -> Result<RecordHash, Failure> {
    member(&status_of(global, &grant.to_string())?, "offer", RecordHash::parse)
}

fn kid(text: &str) -> Result<Kid, String> {
    Kid::parse(text).ok_or_else(|| "not a key id: `maip key show` prints it".into())
}

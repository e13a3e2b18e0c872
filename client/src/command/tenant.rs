//! `maip tenant`: who is responsible for agents. Changes of a tenant: `tenant_status`.

use clap::Subcommand;
use ledger_format::record::{Actor, Body, TenantId, TenantRegister, Ulid};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    global::AdminKey,
    send::{Send, Stated, new_id},
    tenant_status::{NewKey, Standing, Update},
    usage::UsageOf,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// Register a tenant; its root key signs for it from then on. A node may let only its operator do so.
    Register {
        /// What people call it.
        #[arg(long)]
        name: String,
        /// The tenant's root key: a key file, or a name in the key directory.
        #[arg(long, value_name = "FILE")]
        key: String,
        /// Its id. Default: a new one.
        #[arg(long, value_parser = tenant_id)]
        id: Option<Ulid>,
        #[command(flatten)]
        admin: AdminKey,
        #[command(flatten)]
        send: Send,
    },
    /// Change what a tenant is called, or its thresholds; the operator, its plan.
    Update(Box<Update>),
    /// Give a tenant a new root key, signed with the present one.
    Key(Box<NewKey>),
    /// Let no agent of a tenant act until it is reactivated; their sessions end.
    Suspend(Box<Standing>),
    /// Let the agents of a suspended tenant act again; signed by the operator.
    Reactivate(Box<Standing>),
    /// What a tenant used of its plan in a month, from the log's entries alone.
    Usage(UsageOf),
}

impl Tenant {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (name, key, id, admin, send) = match self {
            Self::Register { name, key, id, admin, send } => (name, key, id, admin, send),
            Self::Update(update) => return update.run(global, out),
            Self::Key(key) => return key.run(global, out),
            Self::Suspend(standing) => return standing.suspend(global, out),
            Self::Usage(usage) => return usage.run(global, out),
            Self::Reactivate(standing) => return standing.reactivate(global, out),
        };
        let key = global.signer(key)?;
        let tenant = id.map_or_else(new_id, Ok::<_, Failure>)?;
        let body =
            TenantRegister { key: Some(key.public()), name: name.clone(), on_behalf_of: None, plan: None };
        let stated = Stated {
            operator: Some(admin),
            id: None,
            tenant,
            actor: Actor::Tenant,
            prev: None,
            body: Body::TenantRegister(body),
        };
        let id = TenantId(tenant);
        let words = format!("tenant {name:?} is registered as {id}");
        send.log(global, out, stated, &key, &words, json!({ "tenant": id.to_string() }))
    }
}

/// Any spelling of a tenant's id.
pub(crate) fn tenant_id(text: &str) -> Result<Ulid, String> {
    TenantId::parse_any(text)
        .map(TenantId::ulid)
        .ok_or_else(|| "not a tenant's id: maip-tenant:<26 characters>, the bare ULID or the UUID".into())
}

//! `maip tenant`: who is responsible for agents.

use clap::Subcommand;
use ledger_client::keys;
use ledger_format::record::{Actor, Body, TenantId, TenantRegister, Ulid};
use serde_json::json;

use super::{
    Done, Failure, Global, Out,
    global::AdminKey,
    send::{Send, Stated, new_id},
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
}

impl Tenant {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let Self::Register { name, key, id, admin, send } = self;
        let key = keys::read_seed(&keys::locate(&global.key_directory(), key))?;
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

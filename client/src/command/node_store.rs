//! Payloads on the nodes: the vault keeps who is meant, the nodes keep the values.

use clap::{Args, ValueEnum};
use ledger_client::{Nodes, transport::PayloadOwner, vault::Payload};
use ledger_format::record::{Digest, SigningKey, TenantId, Ulid};
use ledger_proto::v1::NodeErasure;
use serde_json::{Value, json};

use super::{Failure, Global, global::block_on, tenant::tenant_id, time::now_ms};

/// Where payloads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// In the vault, on this machine.
    Vault,
    /// On the nodes of the log. The vault keeps only what names the subject.
    Nodes,
}

/// Where payloads are, and who asks the nodes for them.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Where the payload is kept.
    #[arg(long, value_enum, default_value = "vault")]
    pub(crate) store: Store,
    /// The tenant whose payload it is. With --store nodes.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id, required_if_eq("store", "nodes"))]
    tenant: Option<Ulid>,
    /// The tenant's root key: a key file, or a name in the key directory. With --store nodes.
    #[arg(long, env = "MAIP_TENANT_KEY", value_name = "FILE", required_if_eq("store", "nodes"))]
    tenant_key: Option<String>,
}

impl StoreArgs {
    /// Has the nodes keep a payload.
    pub(crate) fn put(&self, global: &Global, subject: Digest, payload: &Payload) -> Result<(), Failure> {
        let key = self.key(global)?;
        block_on(async {
            let owner = self.owner(global, subject, &key);
            Ok(global.nodes()?.put_payload(&owner, payload, now_ms(), global.timeout).await?)
        })
    }

    /// Gets a payload from the nodes.
    pub(crate) fn get(
        &self,
        global: &Global,
        subject: Digest,
        commitment: Digest,
    ) -> Result<Payload, Failure> {
        let key = self.key(global)?;
        let got = block_on(async {
            let owner = self.owner(global, subject, &key);
            Ok(global.nodes()?.get_payload(&owner, commitment, now_ms(), global.timeout).await?)
        });
        got.map_err(|failure| {
            let erased = failure.code.as_deref() == Some("SUBJECT_ERASED");
            if erased {
                Failure::no("the payload is erased")
                    .next("nothing brings it back; proofs of records that name its digest still verify")
            } else {
                failure
            }
        })
    }

    fn key(&self, global: &Global) -> Result<SigningKey, Failure> {
        let name = self.tenant_key.as_deref().unwrap_or_default();
        Ok(ledger_client::keys::read_seed(&ledger_client::keys::locate(&global.key_directory(), name))?)
    }

    fn owner<'k>(&self, global: &Global, subject: Digest, key: &'k SigningKey) -> PayloadOwner<'k> {
        let tenant = TenantId(self.tenant.unwrap_or_default());
        PayloadOwner { log: global.log.clone(), tenant, subject, key }
    }
}

/// Asks how far an erasure has come on the nodes, again and again until all are done or the time is over.
pub(crate) fn wait_for_nodes(
    global: &Global,
    tenant: Ulid,
    subject: Digest,
    wait: std::time::Duration,
) -> Result<Vec<NodeErasure>, Failure> {
    block_on(async {
        let nodes: Nodes = global.nodes()?;
        let end = tokio::time::Instant::now() + wait;
        loop {
            let all = nodes.erasure(&global.log, TenantId(tenant), subject, global.timeout).await?;
            if all.iter().all(is_done) || tokio::time::Instant::now() >= end {
                return Ok(all);
            }
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
    })
}

/// Between two questions to the nodes.
const BETWEEN_QUESTIONS: std::time::Duration = std::time::Duration::from_millis(100);

/// The node has applied the erasure and has nothing of the subject.
pub(crate) fn is_done(node: &NodeErasure) -> bool {
    node.answered && node.applied && node.destroyed
}

/// One line a node.
pub(crate) fn node_lines(nodes: &[NodeErasure]) -> String {
    let line = |node: &NodeErasure| {
        let says = match node {
            node if !node.answered => "did not answer: it destroys what it has when it is back",
            node if is_done(node) => "done: no key, no payload of the subject",
            node if !node.applied => "has not applied the erasure yet",
            _ => "has applied the erasure, and is destroying",
        };
        format!("  node {}   {says}\n", node.node_id)
    };
    nodes.iter().map(line).collect()
}

pub(crate) fn node_json(nodes: &[NodeErasure]) -> Value {
    let one = |node: &NodeErasure| json!({ "node": node.node_id, "answered": node.answered, "applied": node.applied, "destroyed": node.destroyed });
    nodes.iter().map(one).collect()
}

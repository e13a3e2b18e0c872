//! `maip delegate agree|sign-agreement|end`: agreements between two tenants.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use ledger_format::record::{
    Body, FederationAgree, FederationEnd, PeerSignature, PublicKey, RecordHash, Scope, TenantId, Ulid,
};
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{TenantSigner, by_tenant, scope, sorted},
    ids::record_hash,
    send::Send,
    tenant::tenant_id,
};

/// What both sign. Each must give the same.
#[derive(Debug, Args)]
struct Terms {
    /// The other tenant, which signs with `sign-agreement`.
    #[arg(long, value_name = "TENANT", value_parser = tenant_id)]
    peer: Ulid,
    /// The log where the other tenant's records are, if that is another one.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// What grants under it may be about. May be repeated.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope, required = true)]
    scopes: Vec<Scope>,
    /// Tenants that a grant may pass through after the receiving one, 0 to 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    hops: u64,
    /// Longest life of a grant under it, in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    ttl: u64,
    /// The log time at which it ends by itself, ms since 1970.
    #[arg(long, value_name = "MS")]
    expires_at: u64,
}

impl Terms {
    fn body(&self, peer_key: PublicKey, signature: [u8; 64]) -> FederationAgree {
        FederationAgree {
            expires_at: self.expires_at,
            hops: self.hops,
            on_behalf_of: None,
            origin: self.origin.clone(),
            peer: TenantId(self.peer),
            peer_key,
            peer_sig: PeerSignature { kid: peer_key.kid(), value: signature },
            scopes: sorted(&self.scopes),
            ttl_min: self.ttl,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SignAgreement {
    /// The tenant that logs the agreement.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    #[command(flatten)]
    terms: Terms,
    /// The root key of the peer, which signs here: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE")]
    key: String,
}

impl SignAgreement {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let key = global.signer(&self.key)?;
        let mut body = self.terms.body(key.public(), [0; 64]);
        key.sign_agreement(&mut body, self.tenant)?;
        let signature = URL_SAFE_NO_PAD.encode(body.peer_sig.value);
        let json = json!({
            "ok": true, "peer_signature": signature, "peer_key": key.public().to_string(),
            "kid": key.kid().to_string(),
        });
        out.answer(&signature, &json);
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Agree {
    #[command(flatten)]
    signer: TenantSigner,
    #[command(flatten)]
    terms: Terms,
    /// The other tenant's public root key, or a file with it.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    peer_key: String,
    /// What the other tenant's `sign-agreement` printed.
    #[arg(long, value_name = "SIGNATURE", value_parser = signature, allow_hyphen_values = true)]
    peer_signature: [u8; 64],
    #[command(flatten)]
    send: Send,
}

impl Agree {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let peer_key = global.public_key(&self.peer_key)?;
        let body = self.terms.body(peer_key, self.peer_signature);
        body.verify_peer(self.signer.tenant).map_err(|_| {
            Failure::no("the peer has not signed this agreement")
                .why(format!("its signature does not hold for these terms under key {}", peer_key.kid()))
                .next("both must give the same --tenant, --peer, --origin, --scope, --hops, --ttl and --expires-at")
        })?;
        let stated = by_tenant(self.signer.tenant, Body::FederationAgree(Box::new(body)));
        let Some(sent) = self.send.send(global, out, stated, &self.signer.key(global)?)? else {
            return Ok(Exit::Ok);
        };
        let (agreement, peer) = (sent.record.hash().to_string(), TenantId(self.terms.peer));
        let words = format!("an agreement with {peer} is in force");
        let json = json!({ "agreement": agreement, "peer": peer.to_string() });
        self.send.answer(out, &sent, &words, &format!("  hash     {agreement}\n"), json);
        Ok(Exit::Ok)
    }
}

fn signature(text: &str) -> Result<[u8; 64], String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "not a signature: 86 characters of base64url, as `sign-agreement` prints".into())
}

#[derive(Debug, Args)]
pub(crate) struct End {
    #[command(flatten)]
    signer: TenantSigner,
    /// Hash of the agreement's record, as `agree` prints it.
    #[arg(long, value_name = "HEX", value_parser = record_hash)]
    agreement: RecordHash,
    /// Why, in a word.
    #[arg(long, value_name = "WORD")]
    reason: String,
    #[command(flatten)]
    send: Send,
}

impl End {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (agreement, reason) = (self.agreement, self.reason.clone());
        let body = FederationEnd { agreement, on_behalf_of: None, reason };
        let stated = by_tenant(self.signer.tenant, Body::FederationEnd(Box::new(body)));
        let words = format!("agreement {agreement} has ended");
        let extra = json!({ "agreement": agreement.to_string() });
        self.send.log(global, out, stated, &self.signer.key(global)?, &words, extra)
    }
}

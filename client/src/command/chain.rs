//! `maip chain`: the file that proves that an action was allowed.

mod collect;
mod log_at;
mod report;

use std::path::PathBuf;

use clap::{Args, ValueHint};
use ledger_client::offline::{ChainJudgement, judge_chain};
use ledger_format::{
    Chain as File, ChainQuestion, Policy, TenantRoot,
    record::{Kid, TenantId},
};
use serde_json::json;

use super::{Done, Exit, Global, Out, global::block_on, proof::write_file, tail::which, time::now_s};

pub(crate) use log_at::{Files, blocking, files, sealed};
pub(crate) use report::report;

#[derive(Debug, Args)]
pub(crate) struct Chain {
    /// The receipt: its index, or the id of its record.
    #[arg(long, value_name = "ID|INDEX")]
    receipt: String,
    /// The tenant of the receipt, when it is named by id.
    #[arg(long, env = "MAIP_TENANT", default_value = "")]
    tenant: String,
    /// Another log on the way: the URL of a node of it, its monitoring prefix, or devnet=DIR, then, if needed, ,ca=FILE and ,log=NAME. May be repeated.
    #[arg(long = "peer", value_name = "LOGSPEC", value_parser = peer)]
    peers: Vec<Peer>,
    /// Where to write it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Verify against this policy, which lists all logs on the way. Default: the devnet's, if that does.
    #[arg(long, env = "MAIP_POLICY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

/// Where another log is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Peer {
    url: Option<String>,
    devnet: Option<PathBuf>,
    ca: Option<PathBuf>,
    log: String,
}

impl Chain {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let receipt = which(&self.receipt, &self.tenant);
        let peers: Vec<Global> = self.peers.iter().map(|peer| peer.global(global)).collect();
        let all: Vec<&Global> = [global].into_iter().chain(&peers).collect();
        let files = all.iter().map(|global| log_at::files(global)).collect::<Result<Vec<_>, _>>()?;
        let chain = block_on(async {
            let mut logs = Vec::new();
            for (global, files) in all.iter().zip(&files) {
                logs.push(log_at::LogAt::open(global, files.as_ref()).await?);
            }
            collect::collect(&logs, &receipt).await
        })?;
        let bytes = chain.to_bytes();
        write_file(&self.out, &bytes)?;
        let policy = global.policy(self.policy.as_ref())?;
        let policy = policy.filter(|policy| self.policy.is_some() || lists_all(policy, &chain));
        let Some(policy) = policy else {
            let text = format!(
                "wrote {}: {} grants (not verified: no policy lists all its logs)",
                self.out.display(),
                chain.offers.len()
            );
            out.answer(
                &text,
                &json!({ "ok": true, "file": self.out, "grants": chain.offers.len(), "verified": false }),
            );
            return Ok(Exit::Ok);
        };
        let question =
            ChainQuestion { now_s: now_s(), max_age_s: None, tenant_roots: &[], moment: Default::default() };
        let judgement = judge_chain(&bytes, &policy, &question);
        if let ChainJudgement::Invalid { .. } = judgement {
            out.remark("the file is written, and what it shows is that the chain does not hold");
        }
        Ok(report(out, &self.out, &judgement, question.now_s))
    }
}

fn lists_all(policy: &Policy, chain: &File) -> bool {
    let known = |origin: &str| policy.logs().iter().any(|log| log.vkey.name() == origin);
    chain.staples.iter().all(|staple| known(&staple.origin))
}

impl Peer {
    /// The options with which that log is asked.
    fn global(&self, own: &Global) -> Global {
        Global {
            url: self.url.iter().cloned().collect(),
            devnet: self.devnet.clone(),
            ca: self.ca.clone(),
            log: self.log.clone(),
            keys: None,
            key_socket: None,
            timeout: own.timeout,
            json: own.json,
        }
    }
}

fn peer(text: &str) -> Result<Peer, String> {
    let mut peer = Peer::default();
    for word in text.split(',') {
        match word.split_once('=') {
            Some(("devnet", dir)) => peer.devnet = Some(dir.into()),
            Some(("ca", file)) => peer.ca = Some(file.into()),
            Some(("log", name)) => peer.log = name.into(),
            _ if word.contains("://") => peer.url = Some(word.into()),
            _ => return Err(format!("{word:?} is no URL and none of devnet=, ca=, log=")),
        }
    }
    if peer.url.is_none() && peer.devnet.is_none() {
        return Err("it names neither the URL of a node nor devnet=DIR".into());
    }
    Ok(peer)
}

/// A root key that the verifier trusts: the log's origin, the tenant, the key's id, with commas between.
pub(crate) fn tenant_root(text: &str) -> Result<TenantRoot, String> {
    let mut words = text.split(',');
    let (Some(origin), Some(tenant), Some(kid), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("give ORIGIN,TENANT,KID".into());
    };
    let tenant = TenantId::parse_any(tenant).ok_or("the second part is not a tenant's id")?;
    let kid =
        Kid::parse(kid).ok_or("the third part is not a key id: 32 hex digits, as `maip key show` prints")?;
    Ok(TenantRoot { origin: origin.to_owned(), tenant, kid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_read() {
        let both = peer("https://h:1,ca=ca.pem,log=main").unwrap();
        assert_eq!((both.url.as_deref(), both.log.as_str()), (Some("https://h:1"), "main"));
        assert_eq!(peer("devnet=b").unwrap().devnet, Some("b".into()));
        for bad in ["", "log=main", "h:1", "devnet=b,nope"] {
            assert!(peer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tenant_root_is_read() {
        let good = format!("a.example/log,maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7N,{}", "0a".repeat(16));
        assert_eq!(tenant_root(&good).unwrap().origin, "a.example/log");
        for bad in ["", "a", "a,b,c", "a,maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7N,0"] {
            assert!(tenant_root(bad).is_err(), "{bad}");
        }
    }
}

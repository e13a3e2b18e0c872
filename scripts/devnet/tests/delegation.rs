//! Two organisations, each with a log and witnesses of its own: A grants, B accepts and acts, a verifier without a network proves it; A
//! revokes, and the next staple shows it.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use common::LIMIT;
use devnet::{Devnet, Options, Submitter, wait_until};
use ledger_format::record::*;
use ledger_proto::v1::Ack;

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// An organisation: a cluster, a tenant with its key, an agent with its key.
struct Side {
    devnet: Devnet,
    submitter: Submitter,
    origin: String,
    tenant: Ulid,
    root: SigningKey,
    agent: AgentId,
    key: SigningKey,
    next: u128,
}

impl Side {
    async fn start(data: PathBuf, domain: &str, number: u8) -> Result<Side> {
        let mut options = Options::new(data)?;
        (options.nodes, options.witnesses, options.domain) = (1, 1, domain.into());
        options.ready_limit = LIMIT;
        let devnet = Devnet::start(options)?;
        let submitter = Submitter::connect(devnet.manifest(), "main")?;
        let origin = devnet.manifest().log("main")?.origin.clone();
        let id =
            |kind: u128| Ok::<_, anyhow::Error>(Ulid::from_parts(now_ms()?, kind << 8 | u128::from(number)));
        let mut side = Side {
            devnet,
            submitter,
            origin,
            tenant: id(1)?,
            root: SigningKey::from_seed([number; 32]),
            agent: AgentId(id(2)?),
            key: SigningKey::from_seed([number + 100; 32]),
            next: u128::from(number) << 32,
        };
        side.register().await?;
        Ok(side)
    }

    async fn register(&mut self) -> Result<()> {
        let public = Some(self.root.public());
        let body =
            TenantRegister { key: public, name: "An organisation".into(), on_behalf_of: None, plan: None };
        let record = self.draft(Actor::Tenant, Body::TenantRegister(body))?.sign(&self.root);
        self.submitter.submit_as_operator(record.to_bytes(), Ack::Sequenced).await?;
        let body = AgentRegister {
            agent: self.agent,
            denies: Vec::new(),
            key: self.key.public(),
            name: "An agent".into(),
            on_behalf_of: None,
            parent: None,
            runtime_type: None,
            scopes: scopes(&["invoice:*"])?,
            agent_type: AgentType::Autonomous,
        };
        self.as_tenant(Body::AgentRegister(Box::new(body))).await?;
        Ok(())
    }

    fn draft(&mut self, actor: Actor, body: Body) -> Result<Draft> {
        self.next += 1;
        let id = Ulid::from_parts(now_ms()?, self.next);
        Ok(Draft::new(self.tenant, id, actor, now_ms()?, body))
    }

    async fn as_tenant(&mut self, body: Body) -> Result<(u64, Record)> {
        let record = self.draft(Actor::Tenant, body)?.sign(&self.root);
        let answer = self.submitter.submit(record.to_bytes(), Ack::Sequenced).await?;
        Ok((answer.index, record))
    }

    async fn as_agent(&mut self, body: Body) -> Result<(u64, Record)> {
        let record = self.draft(Actor::Agent(self.agent), body)?.sign(&self.key);
        let answer = self.submitter.submit(record.to_bytes(), Ack::Sequenced).await?;
        Ok((answer.index, record))
    }

    /// The organisation's side of an agreement; the other one has signed it.
    async fn agree(&mut self, peer: &Side) -> Result<RecordHash> {
        let mut body = FederationAgree {
            expires_at: now_ms()? + DAY_MS,
            hops: 0,
            on_behalf_of: None,
            origin: Some(peer.origin.clone()),
            peer: TenantId(peer.tenant),
            peer_key: peer.root.public(),
            peer_sig: PeerSignature { kid: peer.root.kid(), value: [0; 64] },
            scopes: scopes(&["invoice:*"])?,
            ttl_min: 120,
        };
        body.sign_as_peer(self.tenant, &peer.root);
        Ok(self.as_tenant(Body::FederationAgree(Box::new(body))).await?.1.hash())
    }

    fn grants_to(&self, peer: &Side, grant: DelegationId, agreement: RecordHash) -> Result<DelegationOffer> {
        Ok(DelegationOffer {
            agreement: Some(agreement),
            deny: scopes(&["invoice:delete"])?,
            from: Some(self.agent),
            grant,
            hops: 0,
            limits: GrantLimits::until(now_ms()? + HOUR_MS),
            on_behalf_of: None,
            parent: None,
            scopes: scopes(&["invoice:read"])?,
            to: GrantTo {
                agent: peer.agent,
                kid: peer.key.kid(),
                origin: Some(peer.origin.clone()),
                tenant: TenantId(peer.tenant),
            },
        })
    }

    fn accepts(
        &self,
        from: &Side,
        offer: &Record,
        grant: DelegationId,
        agreement: RecordHash,
    ) -> Result<Body> {
        Ok(Body::DelegationAccept(Box::new(DelegationAccept {
            agent: self.agent,
            agreement: Some(agreement),
            foreign: Some(String::from_utf8(offer.to_bytes())?),
            foreign_origin: Some(from.origin.clone()),
            grant,
            offer: offer.hash(),
            on_behalf_of: None,
        })))
    }

    fn action(&self, action: &str, grant: DelegationId) -> Result<Body> {
        Ok(Body::ReceiptAction(ReceiptAction {
            action: Scope::parse(action).context("a scope")?,
            agent: self.agent,
            approval: None,
            decision: None,
            detail: Vec::new(),
            grant: Some(grant),
            input: Digest::sha256(b"in"),
            on_behalf_of: None,
            outcome: Some(ActionOutcome::Success),
            output: Digest::sha256(b"out"),
            session: None,
            tool: None,
            verdict: None,
        }))
    }
}

fn scopes(list: &[&str]) -> Result<Vec<Scope>> {
    list.iter().map(|text| Scope::parse(text).context("a scope")).collect()
}

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// One policy for both logs: each must be signed by its log and cosigned by its witness.
fn both(a: &Side, b: &Side) -> Result<String> {
    let mut text = String::new();
    for (name, side) in [("wa", a), ("wb", b)] {
        let manifest = side.devnet.manifest();
        text +=
            &format!("log {}\nwitness {name} {}\n", manifest.log("main")?.vkey, manifest.witnesses[0].vkey);
    }
    Ok(text + "group either any wa wb\nquorum either\n")
}

/// Runs `maip` without any of its environment variables; with `offline` in a network namespace with nothing in it, where that can be had.
fn maip(offline: bool, args: &[&str]) -> Result<Output> {
    let program = devnet::Binaries::find()?.path("maip");
    ensure!(program.is_file(), "maip is not built: cargo build --workspace --bins");
    let can_cut = Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success());
    let mut command = Command::new(if offline && can_cut { Path::new("unshare") } else { &program });
    if offline && can_cut {
        command.arg("-rn").arg(&program);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAIP_")) {
        command.env_remove(name);
    }
    Ok(command.args(args).output()?)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn path(&self, name: &str) -> String {
        path(&self.dir.path().join(name)).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_organisations_one_chain() -> Result<()> {
    let files = Files { dir: tempfile::tempdir()? };
    let mut a = Side::start(files.dir.path().join("a"), "a.devnet", 1).await?;
    let mut b = Side::start(files.dir.path().join("b"), "b.devnet", 2).await?;
    let policy = files.path("both.txt");
    fs::write(&policy, both(&a, &b)?)?;

    // They agree, each in its own log; A grants in its log, B accepts in its own, and acts.
    let in_a = a.agree(&b).await?;
    let in_b = b.agree(&a).await?;
    let grant = DelegationId(Ulid::from_parts(now_ms()?, 7));
    let offer = a.grants_to(&b, grant, in_a)?;
    let (offered, offer) = a.as_agent(Body::DelegationOffer(Box::new(offer))).await?;
    let accept = b.accepts(&a, &offer, grant, in_b)?;
    b.as_agent(accept).await?;
    let act = b.action("invoice:read", grant)?;
    let (receipt, _) = b.as_agent(act).await?;

    // Both logs publish what the chain rests on, and the statuses that they seal after it.
    a.submitter.wait_published(offered + 2, LIMIT).await?;
    b.submitter.wait_published(receipt + 2, LIMIT).await?;
    let before = files.path("before.chain");
    let (dir_a, dir_b) = (files.path("a"), files.path("b"));
    let peer = format!("devnet={dir_a}");
    let receipt = receipt.to_string();
    let build = |out: &str| {
        let args = [
            "chain",
            "--devnet",
            &dir_b,
            "--receipt",
            &receipt,
            "--peer",
            &peer,
            "--policy",
            &policy,
            "--out",
            out,
        ];
        maip(false, &args)
    };
    let made = build(&before)?;
    ensure!(made.status.code() == Some(0), "{}", said(&made));

    // A stranger builds the same from what both publish over plain HTTP, with no credential and no gRPC.
    let (url_a, url_b) = (&a.devnet.manifest().log("main")?.url, &b.devnet.manifest().log("main")?.url);
    let public = files.path("public.chain");
    let args = [
        "chain",
        "--url",
        url_b,
        "--receipt",
        &receipt,
        "--peer",
        url_a,
        "--policy",
        &policy,
        "--out",
        &public,
    ];
    let made = maip(false, &args)?;
    ensure!(made.status.code() == Some(0) && said(&made).contains("VALID"), "{}", said(&made));

    // From the same files it proves that it has seen all that the agent did.
    let agent = b.agent.to_string();
    let args = ["history", &agent, "--verify", "--url", url_b, "--policy", &policy, "--json"];
    let listed = maip(false, &args)?;
    ensure!(listed.status.code() == Some(0), "{}", said(&listed));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    ensure!(listed["verified"] == true && listed["count"] == 1, "{listed}");
    ensure!(
        listed["receipts"][0]["index"] == serde_json::from_str::<serde_json::Value>(&receipt)?,
        "{listed}"
    );

    let root = format!("{},{},{}", a.origin, TenantId(a.tenant), a.root.kid());
    let judge = |file: &str, more: &[&str]| {
        let args = [&["verify", file, "--policy", &policy, "--json"][..], more].concat();
        maip(true, &args)
    };
    let fresh = judge(&before, &["--max-age", "10m", "--tenant-root", &root])?;
    ensure!(fresh.status.code() == Some(0), "{}", said(&fresh));
    let facts: serde_json::Value = serde_json::from_slice(&fresh.stdout)?;
    ensure!(facts["chain"]["links"][0]["origin"] == "a.devnet/main", "{facts}");
    ensure!(facts["chain"]["receipt"]["origin"] == "b.devnet/main", "{facts}");
    ensure!(facts["chain"]["effective_scopes"] == serde_json::json!(["invoice:read"]), "{facts}");
    ensure!(facts["chain"]["logs"].as_array().is_some_and(|logs| logs.len() == 2), "{facts}");

    // Whoever trusts another root, or only one of the logs, is not convinced.
    let other = format!("{},{},{}", a.origin, TenantId(a.tenant), b.root.kid());
    ensure!(said(&judge(&before, &["--tenant-root", &other])?).contains("root_not_pinned"), "another root");
    let own = path(&b.devnet.manifest().policy).to_owned();
    let alone = maip(true, &["verify", &before, "--policy", &own])?;
    ensure!(alone.status.code() == Some(2), "{}", said(&alone));

    // A revokes: the next chain shows it, and the one from before is as good as it is young.
    let body = DelegationRevoke { grant, on_behalf_of: None, reason: "over".into() };
    let (revoked, _) = a.as_tenant(Body::DelegationRevoke(Box::new(body))).await?;
    let note = a.submitter.wait_published(revoked + 2, LIMIT).await?;
    ensure!(!note.is_empty(), "a checkpoint with the sealed revocation");
    let after = files.path("after.chain");
    let made = build(&after)?;
    ensure!(
        made.status.code() == Some(1) && said(&made).contains("is revoked since index"),
        "{}",
        said(&made)
    );
    let judged = judge(&after, &["--max-age", "10m"])?;
    ensure!(judged.status.code() == Some(1) && said(&judged).contains("not_live"), "{}", said(&judged));
    wait_until("the first chain is older than it may be", LIMIT, || {
        let old = judge(&before, &["--max-age", "0s"])?;
        ensure!(old.status.code() == Some(3) && said(&old).contains("\"stale\""), "{}", said(&old));
        Ok(())
    })?;
    Ok(())
}

//! Two organisations, each with a cluster, a log and witnesses of its own: one lets the other's agent do one thing for it, a stranger
//! proves what it did, and the grant is taken back.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use ledger_format::record::{DelegationId, record_hash};
use ledger_proto::v1::Ack;

use super::{
    Acknowledged, LIMIT, Summary,
    maip::{self, Network},
    standing::ask,
    story::Story,
};
use crate::{
    Devnet, Options,
    submit::Submitter,
    workload::{Agent, ForeignOffer, Tenant},
};

/// What the other organisation's agent may do.
const GRANTED: &str = "crate:inspect";

/// An organisation: its cluster, and whom it speaks as.
struct Side<'a> {
    devnet: &'a Devnet,
    submitter: &'a mut Submitter,
    tenant: &'a Tenant,
    origin: String,
    /// What must never be lost, in the log where that is looked at later.
    acknowledged: Option<&'a mut Acknowledged>,
}

impl Side<'_> {
    /// Logs a record and waits until a checkpoint covers it; its index.
    async fn log(&mut self, record: Vec<u8>) -> Result<u64> {
        let answer = self.submitter.submit(record, Ack::Sequenced).await?;
        let index = answer.index;
        if let Some(acknowledged) = &mut self.acknowledged {
            acknowledged.insert(index, answer);
        }
        self.submitter.wait_published(index + 1, LIMIT).await?;
        Ok(index)
    }

    /// What the log noticed about an entry, as a reader of the published entries computes it.
    fn flags(&self, story: &mut Story, index: u64) -> Result<Vec<String>> {
        let answer = ask(story, self.devnet, &format!("flags {index}"))?;
        let names = answer["flags"].as_array().context("no flags in the answer")?;
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }

    fn url(&self) -> Result<&str> {
        Ok(&self.devnet.manifest().log("main")?.url)
    }
}

/// Tells the chapter; fails at the first thing that is not so.
pub(super) async fn two_organisations(
    story: &mut Story,
    submitter: &mut Submitter,
    (tenant, agent): (&Tenant, &Agent),
    devnet: &Devnet,
    acknowledged: &mut Acknowledged,
    summary: &mut Summary,
) -> Result<()> {
    story.chapter("Two organisations, two clusters");
    let mut neighbour = neighbour(devnet)?;
    let harbour = Tenant::new("Harbour Inspection")?;
    let mut inspector = Agent::new(&harbour, "inspector")?;
    let mut theirs = Submitter::connect(neighbour.manifest(), "main")?;
    theirs.submit_as_operator(harbour.register()?, Ack::Sequenced).await?;
    let origin = |devnet: &Devnet| Ok::<_, anyhow::Error>(devnet.manifest().log("main")?.origin.clone());
    let mut ours =
        Side { devnet, submitter, tenant, origin: origin(devnet)?, acknowledged: Some(acknowledged) };
    let mut there = Side {
        devnet: &neighbour,
        submitter: &mut theirs,
        tenant: &harbour,
        origin: origin(&neighbour)?,
        acknowledged: None,
    };
    there.log(harbour.register_agent(&inspector)?).await?;
    story.checked(&format!(
        "another organisation runs {} with a node and a witness of its own; neither log believes the other",
        there.origin
    ));

    let grant = agree_and_grant(story, &mut ours, &mut there, agent, &inspector).await?;
    let receipt = there.log(inspector.receipt_under(grant, GRANTED, "crate 7 inspected")?).await?;
    ensure!(there.flags(story, receipt)?.is_empty(), "an action within its grant was flagged");
    story.checked("its agent acts under the grant, and its log has nothing to remark");
    let policy = both(devnet, &neighbour)?;
    let before = devnet.data().join("inspection.chain");
    let made = chain(&there, &ours, receipt, &policy, &before)?;
    story.say("Somebody who has no account with either reads both over plain HTTP and makes one file:");
    story.say(&format!("$ {}", made.command_line));
    ensure!(made.code == 0, "no chain file: exit code {}: {}", made.code, made.output);
    judge(story, devnet, &before, &policy, 0, "allows       crate:inspect")?;
    story
        .checked("judged with no network: who granted what to whom, who did what, and nothing is taken back");

    let beyond = there.log(inspector.receipt_under(grant, "crate:open", "crate 7 opened")?).await?;
    let flags = there.flags(story, beyond)?;
    ensure!(flags.contains(&"out_of_scope".to_owned()), "an action beyond its grant was flagged {flags:?}");
    story.checked(
        "what was not granted is logged, because evidence is never refused, and flagged out_of_scope",
    );

    let revoked = ours.log(tenant.revoke_grant(grant, "trust_lost")?).await?;
    // The entry behind it seals what has changed.
    ours.submitter.wait_published(revoked + 2, LIMIT).await?;
    let after = devnet.data().join("taken-back.chain");
    let made = chain(&there, &ours, receipt, &policy, &after)?;
    ensure!(
        made.code == 1,
        "a chain with a revoked grant was made with exit code {}: {}",
        made.code,
        made.output
    );
    judge(story, devnet, &after, &policy, 1, &format!("is revoked since index {revoked}"))?;
    story.checked(
        "the grant is taken back in the log that gave it, and a new file about the same action shows it",
    );
    story.say("The first file still proves that the authority stood when its statuses were sealed; it only gets older.");

    summary.organisations = 2;
    neighbour.shut_down().context("a process of the other organisation did not end well")
}

/// The other organisation's cluster: one node and one witness are enough to be somebody else.
fn neighbour(devnet: &Devnet) -> Result<Devnet> {
    let mut options = Options::new(devnet.data().join("harbour"))?;
    (options.nodes, options.witnesses, options.domain) = (1, 1, "harbour.devnet".into());
    options.binaries = devnet.binaries().clone();
    Devnet::start(options).context("the other organisation's cluster did not start")
}

/// Each agrees in its own log; one grants in its log, the other accepts in its own. The grant.
async fn agree_and_grant(
    story: &Story,
    ours: &mut Side<'_>,
    there: &mut Side<'_>,
    agent: &Agent,
    inspector: &Agent,
) -> Result<DelegationId> {
    let here = ours.tenant.agree(there.tenant, Some(&there.origin), &["crate:*"])?;
    let far = there.tenant.agree(ours.tenant, Some(&ours.origin), &["crate:*"])?;
    let (first, second) = (ours.log(here.clone()).await?, there.log(far.clone()).await?);
    story.checked(&format!(
        "both signed an agreement about crates, and each logged it: entry {first} here, entry {second} there"
    ));
    let (grant, offer) = agent.grant(inspector, Some(&there.origin), record_hash(&here), &[GRANTED])?;
    let offered = ours.log(offer.clone()).await?;
    let foreign = ForeignOffer { record: &offer, origin: &ours.origin, agreement: record_hash(&far) };
    let accepted = there.log(inspector.accept(grant, &foreign)?).await?;
    story.checked(&format!(
        "an agent here granted {GRANTED} to an agent there: entry {offered} here, accepted by entry {accepted} there"
    ));
    Ok(grant)
}

/// One policy for both logs: each signed by its own key, and cosigned by enough of its own witnesses.
fn both(ours: &Devnet, theirs: &Devnet) -> Result<PathBuf> {
    let (mut text, mut groups) = (String::new(), Vec::new());
    for (name, devnet) in [("here", ours), ("there", theirs)] {
        let manifest = devnet.manifest();
        text += &format!("log {}\n", manifest.log("main")?.vkey);
        let mut members = String::new();
        for (number, witness) in (1..).zip(&manifest.witnesses) {
            text += &format!("witness {name}{number} {}\n", witness.vkey);
            members += &format!(" {name}{number}");
        }
        groups.push(format!("group {name} {}{members}\n", manifest.witnesses.len() / 2 + 1));
    }
    text += &groups.concat();
    text += "group either any here there\nquorum either\n";
    let path = ours.data().join("policy-both.txt");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn chain(there: &Side<'_>, ours: &Side<'_>, receipt: u64, policy: &Path, file: &Path) -> Result<maip::Run> {
    let mut args: Vec<OsString> = vec!["chain".into(), "--receipt".into(), receipt.to_string().into()];
    args.extend(["--url".into(), there.url()?.into(), "--peer".into(), ours.url()?.into()]);
    args.extend(["--policy".into(), policy.into(), "--out".into(), file.into()]);
    maip::run(ours.devnet.binaries(), args, Network::Here)
}

/// Judges a chain file with no network; it must say so, with that exit code.
fn judge(story: &Story, devnet: &Devnet, file: &Path, policy: &Path, code: i32, says: &str) -> Result<()> {
    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    let mut args: Vec<OsString> = vec!["verify".into(), file.into(), "--policy".into(), policy.into()];
    args.extend(["--max-age".into(), "10m".into()]);
    let run = maip::run(devnet.binaries(), args, network)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == code, "the chain file was judged with exit code {}", run.code);
    ensure!(run.output.contains(says), "the judgement does not say {says:?}");
    Ok(())
}

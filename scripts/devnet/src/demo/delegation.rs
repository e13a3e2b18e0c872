//! Two organisations: one lets the other's agent do one thing for it, and takes that back.

use std::ffi::OsString;

use anyhow::{Context as _, Result, ensure};
use ledger_format::record::{DelegationId, record_hash};
use ledger_proto::v1::Ack;

use super::{
    Acknowledged, LIMIT,
    maip::{self, Network},
    standing::ask,
    story::Story,
};
use crate::{
    Devnet,
    submit::Submitter,
    workload::{Agent, Tenant},
};

/// What the other organisation's agent may do.
const GRANTED: &str = "crate:inspect";

/// What every part of the chapter needs.
struct Stage<'a> {
    story: &'a mut Story,
    submitter: &'a mut Submitter,
    devnet: &'a Devnet,
    acknowledged: &'a mut Acknowledged,
}

impl Stage<'_> {
    /// Logs a record; its index.
    async fn log(&mut self, record: Vec<u8>) -> Result<u64> {
        let answer = self.submitter.submit(record, Ack::Sequenced).await?;
        let index = answer.index;
        self.acknowledged.insert(index, answer);
        Ok(index)
    }

    /// What the log noticed about an entry, as a reader of the published entries computes it.
    async fn flags(&mut self, index: u64) -> Result<Vec<String>> {
        self.submitter.wait_published(index + 1, LIMIT).await?;
        let answer = ask(self.story, self.devnet, &format!("flags {index}"))?;
        let names = answer["flags"].as_array().context("no flags in the answer")?;
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }
}

/// Tells the chapter; fails at the first thing that is not so.
pub(super) async fn two_organisations(
    story: &mut Story,
    submitter: &mut Submitter,
    (tenant, agent): (&Tenant, &Agent),
    devnet: &Devnet,
    acknowledged: &mut Acknowledged,
) -> Result<()> {
    story.chapter("Two organisations");
    let harbour = Tenant::new("Harbour Inspection")?;
    let answer = submitter.submit_as_operator(harbour.register()?, Ack::Sequenced).await?;
    acknowledged.insert(answer.index, answer);
    let mut inspector = Agent::new(&harbour, "inspector")?;
    let mut stage = Stage { story, submitter, devnet, acknowledged };
    stage.log(harbour.register_agent(&inspector)?).await?;
    let agreement = tenant.agree(&harbour, &["crate:*"])?;
    let index = stage.log(agreement.clone()).await?;
    stage.story.checked(&format!("two tenants have signed an agreement about crates: entry {index}"));
    let (grant, offer) = agent.grant(&inspector, record_hash(&agreement), &[GRANTED])?;
    let offered = stage.log(offer.clone()).await?;
    let accepted = stage.log(inspector.accept(grant, record_hash(&offer))?).await?;
    stage.story.checked(&format!("an agent of the one granted {GRANTED} to an agent of the other: entry {offered}, accepted by entry {accepted}"));

    let index = stage.log(inspector.receipt_under(grant, GRANTED, "crate 7 inspected")?).await?;
    let flags = stage.flags(index).await?;
    ensure!(flags.is_empty(), "an action within its grant was flagged: {flags:?}");
    stage.story.checked("it acts under the grant, and the log has nothing to remark");
    let index = stage.log(inspector.receipt_under(grant, "crate:open", "crate 7 opened")?).await?;
    let flags = stage.flags(index).await?;
    ensure!(flags.contains(&"out_of_scope".to_owned()), "an action beyond its grant was flagged {flags:?}");
    stage.story.checked(
        "it does what was not granted: logged, because evidence is never refused, and flagged out_of_scope",
    );

    let revoked = stage.log(tenant.revoke_grant(grant, "trust_lost")?).await?;
    let index = stage.log(inspector.receipt_under(grant, GRANTED, "crate 8 inspected")?).await?;
    let flags = stage.flags(index).await?;
    ensure!(
        flags.contains(&"grant_ended".to_owned()),
        "an action after the revocation was flagged {flags:?}"
    );
    stage.story.checked(&format!("the grant is taken back by entry {revoked}: what is done under it from there on is flagged grant_ended"));
    staple(&mut stage, grant, revoked)
}

/// The grant's end in a file, judged without a network.
fn staple(stage: &mut Stage<'_>, grant: DelegationId, revoked: u64) -> Result<()> {
    let (story, devnet) = (&mut *stage.story, stage.devnet);
    let file = devnet.data().join("grant.staple");
    let mut fetch: Vec<OsString> = vec!["proof".into(), "status".into(), grant.to_string().into()];
    fetch.extend(["--min-index".into(), revoked.to_string().into()]);
    fetch.extend(["--out".into(), file.clone().into(), "--devnet".into(), devnet.data().into()]);
    let run = maip::run(devnet.binaries(), fetch, Network::Here)?;
    ensure!(run.code == 0, "no staple of the grant: exit code {}: {}", run.code, run.output);
    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    let mut verify: Vec<OsString> =
        vec!["verify".into(), file.into(), "--subject".into(), grant.to_string().into()];
    verify.extend(["--max-age".into(), "10m".into()]);
    verify.extend(["--policy".into(), devnet.manifest().policy.clone().into()]);
    let run = maip::run(devnet.binaries(), verify, network)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == 0, "the grant's staple was not accepted: exit code {}", run.code);
    ensure!(
        run.output.contains(&format!("revoked, since entry {revoked}")),
        "the staple does not say that the grant was revoked by entry {revoked}"
    );
    story.checked("whoever holds the file knows, with no network, that the grant is over");
    Ok(())
}

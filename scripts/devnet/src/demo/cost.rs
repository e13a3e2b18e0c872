//! What a violation cost, for somebody who has files and no network: the verdict itself, and the score that follows from it.

use std::{ffi::OsString, path::Path};

use anyhow::{Result, ensure};

use super::{
    Summary,
    maip::{self, Network},
    offline::TENANT_PROOF,
    standing::points,
    story::Story,
};
use crate::{Devnet, workload::Agent};

/// Verifies the proof file of the verdict, and replays a copy of the log, both with the network cut off.
pub(super) fn proven_offline(
    story: &mut Story,
    devnet: &Devnet,
    agent: &Agent,
    verdict: &Path,
    summary: &mut Summary,
) -> Result<()> {
    let policy: OsString = devnet.manifest().policy.clone().into();
    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    let run = |story: &mut Story, args: Vec<OsString>, network| -> Result<maip::Run> {
        let run = maip::run(devnet.binaries(), args, network)?;
        story.say(&format!("$ {}", run.command_line));
        story.quote(&run.output);
        ensure!(run.code == 0, "it ended with exit code {}", run.code);
        Ok(run)
    };

    let mut verify: Vec<OsString> = vec!["verify".into(), verdict.into(), "--policy".into(), policy.clone()];
    verify.extend(["--registration".into(), devnet.data().join(TENANT_PROOF).into()]);
    run(story, verify, network)?;
    story.checked("the verdict is in the log, and its tenant signed it");

    let copy: OsString = devnet.data().join("copy").into();
    let url: OsString = devnet.manifest().log("main")?.url.clone().into();
    let mut keep: Vec<OsString> = vec!["monitor".into(), "--once".into(), "--url".into(), url];
    keep.extend(["--policy".into(), policy.clone(), "--state".into(), copy.clone()]);
    run(story, keep, Network::Here)?;
    let mut explain: Vec<OsString> = vec!["trust".into(), "explain".into(), agent.id().to_string().into()];
    explain.extend(["--limit".into(), "1".into(), "--dir".into(), copy, "--policy".into(), policy]);
    let said = run(story, explain, network)?.output;
    let after = points(summary.score_after_violation);
    ensure!(
        said.contains(&after) && said.contains(" -"),
        "the replay does not say that the score fell to {after}"
    );
    story.checked(&format!(
        "whoever keeps a copy of the log computes the same with no network: that entry brought the score down to {after}"
    ));
    summary.cost_proven_offline = true;
    Ok(())
}

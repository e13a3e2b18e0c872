//! The proof file on its own: true as it is, refused after one byte changed.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use ledger_format::TlogProof;

use super::{
    Summary,
    maip::{self, Network},
    story::Story,
};
use crate::Devnet;

/// Name of the agent whose receipt is proven.
pub(super) const AGENT_NAME: &str = "courier";
/// File with the proof of the tenant's registration.
pub(super) const TENANT_PROOF: &str = "tenant.tlog-proof";

/// Verifies the file with nothing but the policy and the proofs of who registered which key.
pub(super) fn verify(story: &mut Story, devnet: &Devnet, proof: &Path, summary: &mut Summary) -> Result<()> {
    story.chapter("Verified offline");
    let network = if maip::can_cut_network() { Network::Nothing } else { Network::Here };
    match network {
        Network::Nothing => story.say("The verifier runs in a network namespace with no network in it."),
        Network::Here => story.say(
            "This system does not allow `unshare -rn`, so the verifier could use the network; it is given no URL.",
        ),
    }
    let run = maip::run(devnet.binaries(), arguments(devnet, proof), network)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == 0, "a genuine proof was not accepted: exit code {}", run.code);
    story.checked("valid: the agent signed it, it is in the log, and enough witnesses saw that log");
    summary.verified_without_network = network == Network::Nothing;
    Ok(())
}

/// Changes one byte of the receipt inside the file and shows the refusal.
pub(super) fn forge(story: &mut Story, devnet: &Devnet, proof: &Path, summary: &mut Summary) -> Result<()> {
    story.chapter("One byte changed");
    let bytes = fs::read(proof).with_context(|| format!("cannot read {}", proof.display()))?;
    let mut forged = TlogProof::parse(&bytes).context("the node's proof file does not parse")?;
    let entry = forged.extra.as_mut().context("the proof file does not hold the entry")?;
    let (place, from, to) = flip(entry).context("no letter to change in the entry")?;
    let path = devnet.data().join("forged.tlog-proof");
    fs::write(&path, forged.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    story.say(&format!(
        "In a copy, byte {place} of the entry becomes {to:?} instead of {from:?}; all else stays."
    ));
    let run = maip::run(devnet.binaries(), arguments(devnet, &path), Network::Here)?;
    story.say(&format!("$ {}", run.command_line));
    story.quote(&run.output);
    ensure!(run.code == 1, "a forged proof must give exit code 1, this gave {}", run.code);
    ensure!(!run.output.trim().is_empty(), "the forgery was refused without a reason");
    story.checked("refused, with the reason");
    summary.forgery_refused = true;
    Ok(())
}

fn arguments(devnet: &Devnet, proof: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["verify".into(), proof.into()];
    arguments.extend(["--policy".into(), devnet.manifest().policy.clone().into()]);
    // The agent's key is in its registration, whose signer's key is in the tenant's: both are proven the same way.
    for registration in [TENANT_PROOF, &format!("{AGENT_NAME}.tlog-proof")] {
        arguments.extend(["--registration".into(), devnet.data().join(registration).into()]);
    }
    arguments
}

/// Changes the last lower-case hex digit or letter of the record's body, so that the entry still reads well.
fn flip(entry: &mut [u8]) -> Option<(usize, char, char)> {
    let place = entry.iter().rposition(u8::is_ascii_lowercase)?;
    let from = entry[place];
    let to = if from == b'a' { b'b' } else { b'a' };
    entry[place] = to;
    Some((place, char::from(from), char::from(to)))
}

#[test]
fn a_flip_changes_one_letter() {
    let mut entry = b"{\"at\":1}".to_vec();
    assert_eq!(flip(&mut entry), Some((3, 't', 'a')));
    assert_eq!(entry, b"{\"aa\":1}");
    assert_eq!(flip(&mut []), None);
}

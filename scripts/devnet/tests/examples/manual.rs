//! The examples of `docs/cli.md`, section by section.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::Group;

/// The sections with examples, and the desk at which each is shown.
const SECTIONS: &[(&str, &str)] = &[
    ("Keys", "key"),
    ("Tenants, agents, receipts", "tenant"),
    ("Decisions, approvals, policies", "decision"),
    ("Grants, agreements, attestations", "delegate"),
    ("Payloads, and erasing them", "payload"),
    ("Ready records", "record"),
    ("Proofs", "proof"),
    ("Looking at a log", "consistency"),
    ("Auditing a log", "evidence"),
    ("How far an agent is trusted", "trust"),
    ("Operating a cluster", "admin"),
    ("Shell completion", "completions"),
];

/// What a block of commands begins with.
const BLOCK: &str = "\n```sh\n";

/// Desks and examples, in the manual's order.
pub(crate) fn groups() -> Result<Vec<Group>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut groups = Vec::new();
    for section in text.split("\n## ").skip(1).filter(|section| section.contains("\n```")) {
        let title = section.lines().next().unwrap_or_default();
        let known = SECTIONS.iter().find(|(name, _)| *name == title);
        let (_, desk) = known.with_context(|| format!("section {title:?} has examples and no desk"))?;
        let blocks: Vec<&str> =
            section.split(BLOCK).skip(1).filter_map(|rest| rest.split("```").next()).collect();
        ensure!(!blocks.is_empty(), "the examples of {title:?} are not in a block of sh");
        let lines = blocks.iter().flat_map(|block| block.lines()).map(str::to_owned).collect();
        groups.push(((*desk).to_owned(), lines));
    }
    ensure!(groups.len() == SECTIONS.len(), "{} sections have examples", groups.len());
    Ok(groups)
}

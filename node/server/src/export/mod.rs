//! `maip-node export`: a log's tiles and checkpoint, copied to where any static web server can serve them.
//!
//! Every hash is checked on the way: edge tiles against the signed root, full tiles against their parents, bundles
//! against their tiles. Tiles and bundles go first, the checkpoint last (rule V3), so an interrupted export leaves an
//! older but whole log behind and the next one goes on where it ended.

mod copy;
mod sink;
mod source;

use std::{fs, io::IsTerminal as _, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ledger_format::{Checkpoint, Note, Policy, Vkey};

use self::{copy::Copy, sink::Sink, source::Source};
use crate::config::{self, Overrides};

/// Copies a log to a directory or a bucket.
#[derive(Debug, Args)]
pub struct Export {
    /// Configuration of the running node to copy from (its plain HTTP listener).
    #[arg(long, env = "MAIP_NODE_CONFIG", value_name = "FILE", required_unless_present = "url")]
    config: Option<PathBuf>,
    /// Node or monitoring prefix to copy from, instead of --config.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Which log; the main one when left out. With --url it is appended to the URL.
    #[arg(long, default_value = "", value_name = "NAME")]
    log: String,
    /// A directory, or s3://bucket/prefix with AWS_* in the environment.
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    to: String,
    /// Whom to believe, with --url: the log's vkey.
    #[arg(long, value_name = "VKEY", conflicts_with = "policy")]
    vkey: Option<String>,
    /// Whom to believe: a tlog-policy whose witnesses must have cosigned.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Further authority for an https URL.
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

/// What decides whether a checkpoint is the log's.
enum Trust {
    Key(Box<Vkey>),
    Policy(Box<Policy>),
}

/// Copies what is missing. False when the destination holds another log, or a newer state than the source.
pub async fn export(args: Export) -> anyhow::Result<bool> {
    let (source, trust) = open_source(&args).await?;
    let sink = Sink::open(&args.to)?;
    let note = source.checkpoint().await?;
    let new = trust.judge(&note).context("the source's checkpoint")?;
    let old = match sink.checkpoint().await? {
        Some(note) => Some(trust.judge_signed(&note).context("the checkpoint already at the destination")?),
        None => None,
    };
    if let Some(old) = &old {
        if old.origin != new.origin {
            println!("refused: the destination holds {:?}, the source is {:?}", old.origin, new.origin);
            return Ok(false);
        }
        if old.size > new.size {
            println!(
                "refused: the destination has {} entries, the source only {}; a log never goes back",
                old.size, new.size
            );
            return Ok(false);
        }
    }
    let progress = progress(new.size);
    let copied = Copy::new(&source, &sink, &new, old.as_ref(), &progress).run().await?;
    progress.finish_and_clear();
    if let (Some(old), false) = (&old, copied.old_root_matches) {
        println!(
            "refused: the destination's checkpoint of size {} is not part of the source's log of size {}. \
             Both are signed: keep both, the log has shown two histories",
            old.size, new.size
        );
        return Ok(false);
    }
    sink.finish(note).await?;
    println!("{}: {} entries, {} files copied, root {}", new.origin, new.size, copied.files, new.root);
    Ok(true)
}

async fn open_source(args: &Export) -> anyhow::Result<(Source, Trust)> {
    let policy = |path: &PathBuf| -> anyhow::Result<Trust> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Trust::Policy(Box::new(Policy::parse(&text).with_context(|| format!("{}", path.display()))?)))
    };
    if let Some(url) = &args.url {
        let source = Source::new(url, &args.log, args.ca.as_deref())?;
        let trust = match (&args.policy, &args.vkey) {
            (Some(path), _) => policy(path)?,
            (None, Some(vkey)) => Trust::Key(Box::new(Vkey::parse(vkey).context("--vkey")?)),
            (None, None) => {
                let vkey = source.vkey(url, &args.log).await?;
                eprintln!(
                    "believing the key that the node itself names: {vkey}; give --vkey or --policy to check it"
                );
                Trust::Key(Box::new(vkey))
            }
        };
        return Ok((source, trust));
    }
    let path = args.config.as_ref().context("give --config or --url")?;
    let config = config::load(path, &Overrides::default())?;
    let log = config.log(&args.log).with_context(|| format!("no log {:?} is configured", args.log))?;
    let Some(http) = config.http_listen else {
        bail!("configuration field `http_listen` is not set; give --url to copy over another address");
    };
    let source = Source::new(&format!("http://{http}"), &log.name, None)?;
    Ok((source, policy(args.policy.as_ref().unwrap_or(&log.policy))?))
}

impl Trust {
    /// The checkpoint, when signed by the log and cosigned as the policy asks.
    fn judge(&self, note: &[u8]) -> anyhow::Result<Checkpoint> {
        match self {
            Self::Key(_) => self.judge_signed(note),
            Self::Policy(policy) => Ok(policy.check(&Note::parse(note)?)?.checkpoint),
        }
    }

    /// The checkpoint, when signed by the log.
    fn judge_signed(&self, note: &[u8]) -> anyhow::Result<Checkpoint> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let keys: Vec<&Vkey> = match self {
            Self::Key(vkey) => vec![vkey.as_ref()],
            Self::Policy(policy) => policy.logs().iter().map(|log| &log.vkey).collect(),
        };
        let signed = keys.iter().any(|vkey| {
            vkey.name() == checkpoint.origin
                && note.signature_of(vkey).is_some_and(|line| vkey.verify(note.text(), line).is_ok())
        });
        if !signed {
            bail!("not signed by the log's key");
        }
        Ok(checkpoint)
    }
}

fn progress(size: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} entries, {eta} left");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

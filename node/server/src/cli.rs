//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{backup, config::Overrides, export, init};

/// One node of a MAIP ledger: a replicated, witnessed transparency log.
///
/// Without a command it runs the node of --config.
#[derive(Debug, Parser)]
#[command(
    name = "maip-node",
    version,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub run: Run,
}

/// Runs a node.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// The configuration; `maip-node init` writes one.
    #[arg(long, env = "MAIP_NODE_CONFIG", value_name = "FILE", required = true)]
    pub config: Option<PathBuf>,
    /// Fields to replace.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write keys, certificates and a commented configuration into a new directory.
    Init(init::Init),
    /// Look for mistakes in a configuration and in everything it names.
    Check(Check),
    /// Print the OpenAPI 3.1 document of the MAIP API.
    Openapi,
    /// Copy a log's tiles and checkpoint to a directory or a bucket, for any static web server to serve.
    Export(export::Export),
    /// Fetch a backup of one log from the running node.
    Backup(backup::Backup),
    /// Put a backup into place while the node is stopped. The node fences itself when it starts.
    Restore(backup::Restore),
}

/// Checks a configuration.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, env = "MAIP_NODE_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
}

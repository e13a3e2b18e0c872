//! The command line: one file a command, and what they share.

mod admin;
mod agent;
mod agent_status;
mod attest;
mod backup;
mod chain;
mod checkpoint;
mod copy;
mod decision;
mod delegate;
mod delegate_answer;
mod erase;
mod evidence;
mod explain;
mod federation;
mod fsck;
mod global;
mod help;
mod history;
mod ids;
mod key;
mod key_agent;
mod kill;
mod log_key;
mod monitor;
mod multi;
mod node_store;
mod out;
mod payload;
mod policy;
mod private_file;
mod proof;
mod receipt;
mod record;
mod record_log;
mod replay;
mod reset_log;
mod scope;
mod send;
mod session;
mod session_token;
mod signer;
mod staple;
mod submit;
mod tail;
mod tenant;
mod tenant_status;
mod time;
mod trust;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use global::Global;
use out::{Failure, Out};

/// What every command returns: the exit code of an answer, or why there is none.
type Done = Result<Exit, Failure>;

/// Exit codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    Ok = 0,
    /// The answer is no.
    No = 1,
    /// Cannot judge: usage, environment, network.
    CannotJudge = 2,
    /// Valid, but older than was asked for.
    Stale = 3,
}

/// Talk to a MAIP ledger, prove what it holds, check it.
#[derive(Debug, Parser)]
#[command(name = "maip", version, propagate_version = true, after_help = help::MAIN, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and show signing keys.
    #[command(subcommand, after_help = help::KEY)]
    Key(key::Key),
    /// Register tenants, change their keys and thresholds, suspend and reactivate them.
    #[command(subcommand, after_help = help::TENANT)]
    Tenant(tenant::Tenant),
    /// Register agents, rotate their keys, suspend, revoke and kill them.
    #[command(subcommand, after_help = help::AGENT)]
    Agent(agent::Agent),
    /// The kill switch: end an agent and every agent below it, at once and for ever.
    #[command(after_help = help::KILL)]
    Kill(Box<kill::Kill>),
    /// Say what scopes mean in a tenant.
    #[command(subcommand, after_help = help::SCOPE)]
    Scope(Box<scope::Scope>),
    /// Open sessions, refresh, hand over and close them.
    #[command(subcommand, after_help = help::SESSION)]
    Session(session::Session),
    /// Log what an agent did.
    #[command(subcommand, after_help = help::RECEIPT)]
    Receipt(receipt::Receipt),
    /// Ask whether an agent may do something, log the answer, approve, and explain.
    #[command(subcommand, after_help = help::DECISION)]
    Decision(Box<decision::Decision>),
    /// Grants: offer, accept, reject and revoke them; agreements between tenants.
    #[command(subcommand, after_help = help::DELEGATE)]
    Delegate(delegate::Delegate),
    /// Say of an agent, as another agent that dealt with it, how that went.
    #[command(after_help = help::ATTEST)]
    Attest(Box<attest::Attest>),
    /// Values that stay out of the log: keep them encrypted, get them back, check their commitments.
    #[command(subcommand, after_help = help::PAYLOAD)]
    Payload(payload::Payload),
    /// Erase a subject: log it, then destroy the keys, the salts and the payloads that a vault and the nodes keep about it.
    #[command(after_help = help::ERASE)]
    Erase(Box<erase::Erase>),
    /// Submit ready records: files, or a stream of lines.
    #[command(after_help = help::SUBMIT)]
    Submit(submit::Submit),
    /// Log a record of any type from its JSON; sign and show records without a server.
    #[command(subcommand, after_help = help::RECORD)]
    Record(record::Record),
    /// Fetch proofs of entries, one file each or many in one, and of the status of a subject.
    #[command(subcommand, after_help = help::PROOF)]
    Proof(proof::Proof),
    /// Write the file that proves that an action was allowed: its receipt, every grant it rests on, and their status.
    #[command(after_help = help::CHAIN)]
    Chain(chain::Chain),
    /// Verify proof files, staples and chains offline.
    #[command(after_help = help::VERIFY)]
    Verify(verify::Verify),
    /// The latest checkpoint.
    #[command(after_help = help::CHECKPOINT)]
    Checkpoint(checkpoint::Checkpoint),
    /// Prove that the log of size B only added to the log of size A.
    #[command(after_help = help::CONSISTENCY)]
    Consistency(checkpoint::Consistency),
    /// Print published entries, and go on with new ones.
    #[command(after_help = help::TAIL)]
    Tail(tail::Tail),
    /// Print one entry.
    #[command(after_help = help::ENTRY)]
    Entry(tail::Entry),
    /// All receipts about an agent, and proof that these are all.
    #[command(after_help = help::HISTORY)]
    History(history::History),
    /// The state of a node and its logs (operators).
    #[command(after_help = help::STATUS)]
    Status(admin::Status),
    /// Operate a cluster (operators).
    #[command(subcommand, after_help = help::ADMIN)]
    Admin(admin::Admin),
    /// Work on the files of a log.
    #[command(subcommand, after_help = help::LOG)]
    Log(fsck::Log),
    /// Follow a log, re-hash and replay everything, catch it cheating.
    #[command(after_help = help::MONITOR)]
    Monitor(monitor::Monitor),
    /// Rebuild a log's state from its entries alone, and ask it.
    #[command(after_help = help::REPLAY)]
    Replay(replay::Replay),
    /// How far an agent is trusted, and why, from the log's entries alone.
    #[command(subcommand, after_help = help::TRUST)]
    Trust(trust::Trust),
    /// Judge evidence of cheating.
    #[command(subcommand, after_help = help::EVIDENCE)]
    Evidence(evidence::Evidence),
    /// Witness policies: show whom one trusts. Decision policies of a tenant: put, enable, disable.
    #[command(subcommand, after_help = help::POLICY)]
    Policy(policy::Policy),
    /// Print a completion script for a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.global.json);
    let exit = match run(&cli, &out) {
        Ok(exit) => exit,
        Err(failure) => {
            out.failure(&failure);
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn run(cli: &Cli, out: &Out) -> Done {
    let global = &cli.global;
    match &cli.command {
        Command::Key(c) => c.run(global, out),
        Command::Tenant(c) => c.run(global, out),
        Command::Agent(c) => c.run(global, out),
        Command::Kill(c) => c.run(global, out),
        Command::Scope(c) => c.run(global, out),
        Command::Session(c) => c.run(global, out),
        Command::Receipt(c) => c.run(global, out),
        Command::Decision(c) => c.run(global, out),
        Command::Delegate(c) => c.run(global, out),
        Command::Attest(c) => c.run(global, out),
        Command::Payload(c) => c.run(global, out),
        Command::Erase(c) => c.run(global, out),
        Command::Submit(c) => c.run(global, out),
        Command::Record(c) => c.run(global, out),
        Command::Proof(c) => c.run(global, out),
        Command::Chain(c) => c.run(global, out),
        Command::Verify(c) => c.run(global, out),
        Command::Checkpoint(c) => c.run(global, out),
        Command::Consistency(c) => c.run(global, out),
        Command::Tail(c) => c.run(global, out),
        Command::Entry(c) => c.run(global, out),
        Command::History(c) => c.run(global, out),
        Command::Status(c) => c.run(global, out),
        Command::Admin(c) => c.run(global, out),
        Command::Log(c) => c.run(out),
        Command::Monitor(c) => c.run(global, out),
        Command::Replay(c) => c.run(global, out),
        Command::Trust(c) => c.run(global, out),
        Command::Evidence(c) => c.run(global, out),
        Command::Policy(c) => c.run(global, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "maip", &mut script);
            out.bytes(&script);
            Ok(Exit::Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Whatever is typed wrong, a script can tell it from an answer.
    #[test]
    fn wrong_usage_of_every_command_is_exit_code_2() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "maip", &mut found);
        for command in &found {
            for wrong in ["--no-such-option", "--timeout=soon"] {
                // Twice: a public key may begin with a hyphen, but there is only one.
                let typed = command.split(' ').chain([wrong, wrong, "--json"]);
                let error = Cli::try_parse_from(typed).unwrap_err();
                assert_eq!(error.exit_code(), Exit::CannotJudge as i32, "{command} {wrong}");
            }
        }
    }

    /// Every command and subcommand, as a person types it.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let subs: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").collect();
        if subs.is_empty() {
            found.push(path.to_owned());
        }
        for sub in subs {
            leaves(sub, &format!("{path} {}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_is_in_the_document_and_has_an_example() {
        let doc = include_str!("../../../docs/cli.md");
        let mut found = Vec::new();
        leaves(&Cli::command(), "maip", &mut found);
        assert!(found.len() > 20, "{found:?}");
        for command in &found {
            assert!(doc.contains(&format!("`{command}")), "docs/cli.md does not describe `{command}`");
        }
        // The examples of a group stand in its help, one at least for each of its commands.
        for sub in Cli::command().get_subcommands() {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut leaves_of = Vec::new();
            leaves(sub, &format!("maip {}", sub.get_name()), &mut leaves_of);
            for command in &leaves_of {
                assert!(
                    help.contains(command),
                    "no example of `{command}` in the help of `{}`",
                    sub.get_name()
                );
            }
        }
    }
}

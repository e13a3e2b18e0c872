//! `maip`: the command of clients, auditors and operators.
//!
//! Reads the command line, runs one command, turns its result into an exit code. Each command is a file of
//! `command/`; what it does beyond talking to a person is in the library.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}

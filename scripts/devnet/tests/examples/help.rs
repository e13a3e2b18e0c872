//! What `--help` prints, taken apart.

use anyhow::{Context as _, Result, ensure};

use crate::shell::Shell;

/// The commands of `maip`, each with the examples of its help.
pub(crate) fn groups(shell: &Shell) -> Result<Vec<(String, Vec<String>)>> {
    let help = said(shell, "")?;
    let commands = help.split("\nCommands:\n").nth(1).context("the help lists no commands")?;
    let commands = commands.split("\n\n").next().unwrap_or_default();
    let mut groups = Vec::new();
    for name in commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        if !name.is_empty() && name != "help" {
            let found = examples(shell, name)?;
            ensure!(!found.is_empty(), "the help of `maip {name}` has no example");
            groups.push((name.to_owned(), found));
        }
    }
    Ok(groups)
}

/// The examples of one command's help (of `maip` itself, when it is empty): what is indented below `Example:` or `Examples:`.
pub(crate) fn examples(shell: &Shell, command: &str) -> Result<Vec<String>> {
    let help = said(shell, command)?;
    let block = ["\nExamples:\n", "\nExample:\n"].iter().find_map(|heading| help.split(heading).nth(1));
    let lines = block.unwrap_or_default().lines();
    Ok(lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect())
}

fn said(shell: &Shell, command: &str) -> Result<String> {
    let ran = shell.run(&format!("maip {command} --help"))?;
    ensure!(ran.code == 0, "`maip {command} --help` ended with {}", ran.code);
    Ok(ran.out)
}

//! `maip-population [--agents N] [--seed N] [--svg FILE]`: a year of a population, as a table and a picture.

use std::io::Write as _;
use std::process::ExitCode;

use ledger_simulations::population::{self, Options};

const USAGE: &str = "usage: maip-population [--agents N] [--seed N] [--svg FILE]";

fn main() -> ExitCode {
    match tell() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maip-population: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell() -> Result<(), String> {
    let mut options = Options { agents: 100_000, seed: 1 };
    let mut picture = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} takes a number\n{USAGE}"));
        match word.as_str() {
            "--agents" => options.agents = number()?,
            "--seed" => options.seed = number()?,
            "--svg" => picture = Some(value),
            _ => return Err(USAGE.into()),
        }
    }
    let story = population::run(options, |day, records| {
        eprint!("\rday {day} of 365, {records} records");
        let _ = std::io::stderr().flush();
    })?;
    eprintln!();
    println!(
        "{} agents, {} records, seed {}, root {}\n",
        story.figures.agents, story.figures.records, options.seed, story.root
    );
    print!("{}", story.figures.to_markdown());
    if let Some(path) = picture {
        std::fs::write(&path, population::svg(&story.figures)).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

//! `maip-simulation [--seed N | --seeds A..B] [--luck KIND] [--ablate RULE] [--table N] [--twice | --paused]`: a cluster's bad luck from a seed.
//!
//! Built with `--cfg simulation --cfg tokio_unstable`; `simulations/run` does that.

#[cfg(not(simulation))]
fn main() -> std::process::ExitCode {
    eprintln!("maip-simulation: built without `--cfg simulation`: use simulations/run");
    std::process::ExitCode::from(2)
}

#[cfg(simulation)]
fn main() -> std::process::ExitCode {
    told::main()
}

#[cfg(simulation)]
#[path = "simulation/pause.rs"]
mod pause;

#[cfg(simulation)]
mod told {
    use std::{
        num::NonZero,
        process::{Command, ExitCode},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use ledger_simulations::cluster::{Ended, Luck, Plan, SWITCHES, Switch, run};

    use super::pause;

    const USAGE: &str = "usage: maip-simulation [--seed N | --seeds A..B] [--luck KIND] [--ablate RULE] [--table N] [--twice | --paused]";

    struct Options {
        first: u64,
        end: u64,
        off: Option<Switch>,
        luck: Option<Luck>,
        twice: bool,
        /// Each seed is told once more by another process that is stopped again and again.
        paused: bool,
        /// Seeds tried for each rule of the table.
        table: Option<u64>,
    }

    pub(super) fn main() -> ExitCode {
        let options = match options() {
            Ok(options) => options,
            Err(error) => {
                eprintln!("maip-simulation: {error}");
                return ExitCode::from(2);
            }
        };
        // What breaks inside a node is part of the story; the node's end is seen by the oracle.
        std::panic::set_hook(Box::new(|panic| eprintln!("(a task ended: {panic})")));
        let good = match (options.table, options.off) {
            (Some(seeds), None) => table(seeds),
            (Some(seeds), Some(switch)) => row(switch, seeds),
            (None, _) => seeds(&options),
        };
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn options() -> Result<Options, String> {
        let mut options =
            Options { first: 1, end: 2, off: None, luck: None, twice: false, paused: false, table: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--twice" => options.twice = true,
                "--paused" => options.paused = true,
                _ => {}
            }
            if matches!(word.as_str(), "--twice" | "--paused") {
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            let number =
                |text: &str| text.parse::<u64>().map_err(|_| format!("{text} is no number\n{USAGE}"));
            match word.as_str() {
                "--seed" => (options.first, options.end) = (number(&value)?, number(&value)? + 1),
                "--seeds" => {
                    let (first, end) = value.split_once("..").ok_or(USAGE)?;
                    (options.first, options.end) = (number(first)?, number(end)?);
                }
                "--ablate" => options.off = Some(value.parse()?),
                "--luck" => options.luck = Some(value.parse()?),
                "--table" => options.table = Some(number(&value)?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// Whether every seed kept every invariant, and told the same story twice where that was asked for.
    fn seeds(options: &Options) -> bool {
        let mut broken = Vec::new();
        let (mut steps, mut simulated_ms, mut acknowledged) = (0, 0, 0);
        for seed in options.first..options.end {
            let plan = Plan { seed, off: options.off, luck: options.luck };
            let mut ended = run(plan);
            if options.twice {
                let again = run(plan);
                if again.history != ended.history {
                    ended.broken.get_or_insert_with(|| "the same seed told another story".to_owned());
                }
            }
            if options.paused {
                match pause::history(plan) {
                    Ok(history) if history == short(&ended) => {}
                    Ok(_) => {
                        let what = "the same seed told another story when its process was paused";
                        ended.broken.get_or_insert_with(|| what.to_owned());
                    }
                    Err(error) => ended.broken = Some(error),
                }
            }
            steps += ended.steps;
            simulated_ms += ended.simulated_ms;
            acknowledged += ended.counts.0;
            let only = options.end - options.first == 1;
            show(seed, &ended, only);
            if ended.broken.is_some() {
                broken.push(seed);
            }
        }
        println!(
            "{} seeds, {} s simulated, {steps} steps, {acknowledged} records acknowledged; broken: {broken:?}",
            options.end - options.first,
            simulated_ms / 1_000
        );
        broken.is_empty()
    }

    fn show(seed: u64, ended: &Ended, whole: bool) {
        if whole || ended.broken.is_some() {
            ended.sentences.iter().for_each(|sentence| println!("{sentence}"));
        }
        let end = ended
            .broken
            .as_ref()
            .map_or_else(|| "all invariants held".to_owned(), |b| format!("BROKEN: {b}"));
        let (acknowledged, signed) = ended.counts;
        println!(
            "seed {seed}: {} s, {} steps, {acknowledged} acknowledged, {signed} notes, history {}: {end}",
            ended.simulated_ms / 1_000,
            ended.steps,
            short(ended)
        );
    }

    /// What is printed of a history's hash.
    fn short(ended: &Ended) -> String {
        ended.history.to_hex()[..16].to_owned()
    }

    /// One row a rule: the first seed at which its absence is noticed. Rules know nothing of each other, and chance belongs to a process: each rule
    /// gets one of its own, as many at a time as there are processors.
    fn table(seeds: u64) -> bool {
        println!("| rule taken out | noticed at seed | of | by |\n|---|---|---|---|");
        let (next, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for _ in 0..processors {
                scope.spawn(|| {
                    while let Some(&switch) = SWITCHES.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !row_apart(switch, seeds) {
                            missed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        missed.into_inner() == 0
    }

    /// The row of one rule, told by a process of its own; whether its absence was noticed.
    fn row_apart(switch: Switch, seeds: u64) -> bool {
        let ended = std::env::current_exe().and_then(|program| {
            let (seeds, switch) = (seeds.to_string(), switch.to_string());
            Command::new(program).args(["--table", &seeds, "--ablate", &switch]).status()
        });
        match ended {
            Ok(status) => status.success(),
            Err(error) => {
                println!("| {switch} | - | {seeds} | no process for it: {error} |");
                false
            }
        }
    }

    /// The row of one rule.
    fn row(switch: Switch, seeds: u64) -> bool {
        let noticed = (1..=seeds)
            .find_map(|seed| Some((seed, run(Plan { seed, off: Some(switch), luck: None }).broken?)));
        match &noticed {
            Some((seed, broken)) => println!("| {switch} | {seed} | {seeds} | {broken} |"),
            None => println!("| {switch} | - | {seeds} | nothing |"),
        }
        noticed.is_some()
    }
}

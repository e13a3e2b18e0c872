//! `maip-model [--world NAME] [--ablate RULE]...`: explores the protocol's model; with a rule switched off, tells the shortest
//! story of what goes wrong.

use std::process::ExitCode;

use ledger_simulations::model::{Explored, Rule, World, explore, limits, worlds};

const USAGE: &str = "usage: maip-model [--world NAME] [--ablate RULE]...";

fn main() -> ExitCode {
    match tell() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("maip-model: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether what was found is what should be: nothing with all rules, something without one.
fn tell() -> Result<bool, String> {
    let mut off: Vec<Rule> = Vec::new();
    let mut name = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match word.as_str() {
            "--ablate" => off.push(value.parse()?),
            "--world" => name = Some(value),
            _ => return Err(USAGE.into()),
        }
    }
    for rule in &off {
        println!("switched off: {rule}, {}", rule.text());
    }
    let wanted = |world: &World| name.as_ref().is_none_or(|name| world.name == name);
    let mut all: Vec<World> = worlds().into_iter().filter(wanted).collect();
    if all.is_empty() {
        all.extend(limits().into_iter().map(|(world, _)| world).filter(wanted));
    }
    if all.is_empty() {
        return Err(format!("there is no world {:?}", name.unwrap_or_default()));
    }
    let mut found = false;
    for world in all {
        let explored = explore(world, &off);
        show(&explored);
        found |= explored.broken.is_some();
    }
    if name.is_none() && off.is_empty() {
        println!("\nbeyond what the rules promise:");
        for (world, _) in limits() {
            show(&explore(world, &[]));
        }
    }
    Ok(found != off.is_empty())
}

fn show(explored: &Explored) {
    let Explored { world, states, depth, broken } = explored;
    let end = if broken.is_some() { "BROKEN" } else { "kept" };
    println!("{:<13} {states:>9} states, depth {depth:>2}: {end:<6} {}", world.name, world.about);
    if let Some(broken) = broken {
        for (number, sentence) in broken.story.iter().enumerate() {
            println!("    {:>2}. {sentence}", number + 1);
        }
    }
}

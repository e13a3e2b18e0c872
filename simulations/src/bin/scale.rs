//! `maip-scale --point PROGRAM [--entries N,N,…] [--data DIR] [--points FILE] [--json] [--total N] [--logs N] [--records-a-day N]`: see `simulations/scale`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ledger_simulations::scale::{self, Assumed, Fits, Point};

const USAGE: &str = "usage: simulations/scale [--entries N,N,…] [--data DIR] [--points FILE] [--json] [--total N] [--logs N] [--records-a-day N]";

/// What was asked for.
struct Asked {
    program: PathBuf,
    sizes: Vec<u64>,
    data: PathBuf,
    kept: Option<PathBuf>,
    json: bool,
    assumed: Assumed,
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("scale: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure(&asked) {
        Ok(points) => {
            let (fits, machine) = (Fits::new(points), machine());
            if asked.json {
                println!("{}", scale::json(&fits, &asked.assumed, &machine));
            } else {
                print!("{}", scale::text(&fits, &asked.assumed, &machine));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked {
        program: PathBuf::new(),
        sizes: vec![10_000, 100_000],
        data: std::env::temp_dir(),
        kept: None,
        json: false,
        assumed: Assumed::default(),
    };
    while let Some(word) = words.next() {
        if word == "--json" {
            asked.json = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let positive = || {
            let number = value.parse::<f64>().ok().filter(|number| *number >= 1.0 && number.is_finite());
            number.ok_or_else(|| format!("{word} takes a number from 1 on, not {value}"))
        };
        match word.as_str() {
            "--point" => asked.program = value.into(),
            "--data" => asked.data = value.into(),
            "--points" => asked.kept = Some(value.into()),
            "--total" => asked.assumed.entries = positive()?,
            "--logs" => asked.assumed.logs = positive()?,
            "--records-a-day" => asked.assumed.records_a_day = positive()?,
            "--entries" => {
                let sizes = value.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>();
                asked.sizes =
                    sizes.ok().filter(|sizes| sizes.iter().all(|size| *size > 0)).ok_or_else(|| {
                        format!("--entries takes numbers from 1 on with commas between, not {value}")
                    })?;
            }
            _ => return Err(format!("there is no {word}")),
        }
    }
    Ok(asked)
}

/// What was kept of earlier runs, and each size in a process of its own.
fn measure(asked: &Asked) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    if let Some(path) = &asked.kept
        && let Ok(text) = std::fs::read_to_string(path)
    {
        points = text
            .split("\n\n")
            .filter(|part| !part.trim().is_empty())
            .map(Point::parse)
            .collect::<Result<_, _>>()?;
    }
    for (number, size) in asked.sizes.iter().enumerate() {
        if points.iter().any(|point| (point.value("records") - *size as f64).abs() < 0.5) {
            continue;
        }
        if std::io::stderr().is_terminal() {
            eprintln!("scale: {size} entries, size {} of {}", number + 1, asked.sizes.len());
        }
        let dir = asked.data.join(format!("maip-scale-{}-{size}", std::process::id()));
        let measured = one(&asked.program, &dir, *size);
        let removed = std::fs::remove_dir_all(&dir);
        let text = measured?;
        removed.map_err(|error| format!("{}: {error}", dir.display()))?;
        points.push(Point::parse(&text)?);
        if let Some(path) = &asked.kept {
            let before = std::fs::read_to_string(path).unwrap_or_default();
            std::fs::write(path, format!("{before}{text}\n"))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(points)
}

fn one(program: &Path, dir: &Path, size: u64) -> Result<String, String> {
    let run = Command::new(program).arg(dir).arg(size.to_string()).output();
    let run = run.map_err(|error| format!("{}: {error}", program.display()))?;
    if !run.status.success() {
        return Err(format!("{size} entries: {}", String::from_utf8_lossy(&run.stderr).trim()));
    }
    String::from_utf8(run.stdout).map_err(|error| error.to_string())
}

/// Processor, number of cores and the day.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{} with {cores} cores", model.unwrap_or("an unknown processor"))
}

#[test]
fn what_is_asked_for_is_read_or_refused() {
    let words = |text: &str| asked(text.split_whitespace().map(str::to_owned));
    let read = words("--point p --entries 10,200 --json --logs 7").ok().unwrap();
    assert_eq!((read.sizes, read.json), (vec![10, 200], true));
    assert!((read.assumed.logs - 7.0).abs() < 1e-9);
    for (bad, said) in [
        ("--entries ten", "--entries takes numbers"),
        ("--entries 0", "--entries takes numbers"),
        ("--logs -1", "--logs takes a number"),
        ("--data", "--data needs a value"),
        ("--sizes 1", "there is no --sizes"),
    ] {
        assert!(words(bad).err().unwrap().starts_with(said), "{bad}");
    }
}

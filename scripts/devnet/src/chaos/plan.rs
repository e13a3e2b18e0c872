//! What goes wrong, and when: a pure function of the seed.

use std::{fmt, time::Duration};

/// Quiet before the first fault: clients find a healthy cluster.
const FIRST_AFTER_MS: u64 = 2_000;
/// How long a fault lasts.
const SPAN_MS: (u64, u64) = (800, 6_000);
/// How long everything is well between two faults, so that work gets done and later faults meet fresh records.
const CALM_MS: (u64, u64) = (1_000, 4_000);

/// Which node a fault hits. Who leads is known only when it happens; the seed says that the leader is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever leads the main log then; the first node if nobody does.
    Leader,
    /// The first node after the leader.
    Follower,
    /// The node with this id.
    Node(u64),
    /// All nodes at once.
    All,
}

/// Which directions of a node's links to all others are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both.
    Both,
    /// It hears nobody.
    In,
    /// Nobody hears it.
    Out,
}

/// One kind of bad luck. It begins, lasts for its span, and is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; started again at the end.
    Kill(Target),
    /// SIGSTOP; SIGCONT at the end.
    Pause(Target),
    /// Links cut; healed at the end.
    Cut(Target, Way),
    /// The disk of the node that has one of its own is filled; room again, and a restart, at the end. Passed over where nothing
    /// can be mounted, so that a seed means the same plan everywhere.
    FillDisk,
    /// SIGKILL to this many witnesses, from the first; started again at the end.
    KillWitnesses(usize),
    /// SIGSTOP to one witness (from 1); SIGCONT at the end.
    PauseWitness(usize),
}

/// A fault and its time, counted from the start of the chaos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub span: Duration,
    /// What it is.
    pub fault: Fault,
}

/// What may be hit.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Nodes, with the ids from 1.
    pub nodes: u64,
    /// Witnesses.
    pub witnesses: usize,
}

/// The faults of `length`, in order, one after the other. The same arguments give the same plan.
pub fn plan(seed: u64, length: Duration, scene: Scene) -> Vec<Step> {
    let mut dice = Dice(seed);
    let end = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut at = FIRST_AFTER_MS;
    let mut steps = Vec::new();
    loop {
        let fault = fault(&mut dice, scene);
        let span = dice.between(SPAN_MS);
        let calm = dice.between(CALM_MS);
        if at.saturating_add(span) > end {
            return steps;
        }
        steps.push(Step { at: Duration::from_millis(at), span: Duration::from_millis(span), fault });
        at += span + calm;
    }
}

fn fault(dice: &mut Dice, scene: Scene) -> Fault {
    let one = match dice.below(4) {
        0 | 1 => Target::Leader,
        2 => Target::Follower,
        _ => Target::Node(1 + dice.below(scene.nodes)),
    };
    let witness = dice.below(scene.witnesses as u64);
    let witness = usize::try_from(witness).unwrap_or(0) + 1;
    match dice.below(12) {
        0..=2 => Fault::Kill(one),
        3 => Fault::Kill(Target::All),
        4 | 5 => Fault::Pause(one),
        6 => Fault::Cut(one, Way::In),
        7 => Fault::Cut(one, Way::Out),
        8 => Fault::Cut(one, Way::Both),
        9 => Fault::FillDisk,
        // Scenes without witnesses lose a link instead.
        _ if scene.witnesses == 0 => Fault::Cut(one, Way::Both),
        10 => Fault::KillWitnesses(witness),
        _ => Fault::PauseWitness(witness),
    }
}

/// SplitMix64: integers only, so that a seed means the same plan on every machine.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A number from the first to the last, both included.
    fn between(&mut self, (first, last): (u64, u64)) -> u64 {
        first + self.below(last - first + 1)
    }
}

impl Fault {
    /// The kind, for counting.
    pub fn kind(&self) -> String {
        self.to_string().split(':').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Leader => f.write_str("the leader"),
            Target::Follower => f.write_str("a follower"),
            Target::Node(id) => write!(f, "node {id}"),
            Target::All => f.write_str("all nodes"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(target) => write!(f, "kill -9: {target}"),
            Fault::Pause(target) => write!(f, "SIGSTOP: {target}"),
            Fault::Cut(target, Way::Both) => write!(f, "cut off: {target}"),
            Fault::Cut(target, Way::In) => write!(f, "hears nobody: {target}"),
            Fault::Cut(target, Way::Out) => write!(f, "heard by nobody: {target}"),
            Fault::FillDisk => f.write_str("disk full: the node on the small disk"),
            Fault::KillWitnesses(count) => write!(f, "kill -9 to witnesses: {count} of them"),
            Fault::PauseWitness(number) => write!(f, "SIGSTOP to a witness: number {number}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1} s  {} (for {:.1} s)", self.at.as_secs_f64(), self.fault, self.span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: Scene = Scene { nodes: 3, witnesses: 3 };

    #[test]
    fn a_seed_is_a_plan() {
        let minutes = Duration::from_secs(600);
        assert_eq!(plan(7, minutes, SCENE), plan(7, minutes, SCENE));
        assert_ne!(plan(7, minutes, SCENE), plan(8, minutes, SCENE));
        // A longer run begins as a shorter one.
        let short = plan(7, Duration::from_secs(60), SCENE);
        assert!(short.len() > 5, "{} faults in a minute", short.len());
        assert_eq!(plan(7, minutes, SCENE)[..short.len()], short[..]);
    }

    #[test]
    fn faults_follow_each_other_and_end_in_time() {
        let length = Duration::from_secs(600);
        let steps = plan(3, length, SCENE);
        for pair in steps.windows(2) {
            assert!(pair[0].at + pair[0].span < pair[1].at, "{} overlaps {}", pair[0], pair[1]);
        }
        assert!(steps.iter().all(|step| step.at + step.span <= length));
    }

    #[test]
    fn every_kind_happens_in_ten_minutes_of_some_seeds() {
        let kinds: std::collections::BTreeSet<String> = (1..=5)
            .flat_map(|seed| plan(seed, Duration::from_secs(600), SCENE))
            .map(|step| step.fault.kind())
            .collect();
        let wanted = [
            "SIGSTOP",
            "SIGSTOP to a witness",
            "cut off",
            "disk full",
            "heard by nobody",
            "hears nobody",
            "kill -9",
            "kill -9 to witnesses",
        ];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn what_is_not_there_is_not_hit() {
        let bare = Scene { nodes: 3, witnesses: 0 };
        let hit = |step: &Step| matches!(step.fault, Fault::KillWitnesses(_) | Fault::PauseWitness(_));
        assert!(!plan(1, Duration::from_secs(3_600), bare).iter().any(hit));
    }
}

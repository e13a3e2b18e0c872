//! The protocol as a transition system for the model checker.

use std::fmt;

use stateright::{Model, Property};

use super::{
    promise::Promise,
    rule::Rule,
    state::{Node, State, Witness, bit, bits},
    tree::record_name,
    world::World,
};

/// A world under all rules but those that are switched off.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    /// The bounds.
    pub(super) world: World,
    /// Rules that nobody keeps.
    pub(super) off: Vec<Rule>,
}

impl Protocol {
    /// Whether a rule is kept.
    pub(super) fn holds(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }
}

/// One step. Sets of nodes and witnesses are bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A majority votes for a node.
    Elect { node: usize, voters: u8 },
    /// A client's record reaches a leader.
    Propose { node: usize, record: u8, again: bool },
    /// The leader appends what changes the members.
    Change { node: usize },
    /// A leader's log reaches a majority, and is committed.
    Push { node: usize, voters: u8 },
    /// What a node holds becomes durable (L2 switched off; else it is at once).
    Sync { node: usize },
    /// A node asks witnesses and guard what they remember.
    Fence { node: usize, asked: u8 },
    /// A leader signs what it has applied.
    Sign { node: usize },
    /// A note reaches a witness, and its answer the node, or not.
    Ask { node: usize, witness: usize, heard: bool },
    /// A witness answers with a line that does not verify.
    Lie { node: usize, witness: usize },
    /// The witnessed checkpoint is proposed.
    Publish { node: usize },
    /// The power of a node fails; it starts again.
    Crash { node: usize },
    /// The power of a witness fails; it starts again.
    CrashWitness { witness: usize },
    /// A node loses its disk and returns under its id.
    Wipe { node: usize },
    /// A node gets the disk of the backup and returns under its id.
    SetBack { node: usize },
    /// A bit flips on a node's disk.
    Rot { node: usize },
    /// A backup is made from a node.
    Backup { node: usize },
    /// The whole cluster is set back to the backup.
    Restore,
    /// A second cluster starts from the backup.
    Twin,
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let away = |node: usize| {
            let later = self.world.clusters.iter().skip(1).any(|set| set & bit(node) != 0);
            Node { away: later, fenced: true, ..Node::default() }
        };
        vec![State {
            nodes: (0..self.world.nodes).map(away).collect(),
            witnesses: vec![Witness::default(); self.world.witnesses],
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        for node in
            (0..self.world.nodes).filter(|node| !state.nodes[*node].away && !state.nodes[*node].halted)
        {
            self.consensus_steps(state, node, steps);
            self.publishing_steps(state, node, steps);
        }
        self.fault_steps(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        let possible = match step {
            Step::Elect { node, voters } => self.elect(&mut next, node, voters),
            Step::Propose { node, record, again } => self.propose(&mut next, node, record, again),
            Step::Change { node } => self.change(&mut next, node),
            Step::Push { node, voters } => self.push(&mut next, node, voters),
            Step::Sync { node } => self.sync(&mut next, node),
            Step::Fence { node, asked } => self.fence(&mut next, node, asked),
            Step::Sign { node } => self.sign(&mut next, node),
            Step::Ask { node, witness, heard } => self.ask(&mut next, node, witness, heard),
            Step::Lie { node, witness } => self.lie(&mut next, node, witness),
            Step::Publish { node } => self.publish(&mut next, node),
            Step::Crash { node } => self.crash(&mut next, node),
            Step::CrashWitness { witness } => self.crash_witness(&mut next, witness),
            Step::Wipe { node } => self.wipe(&mut next, node),
            Step::SetBack { node } => self.set_back(&mut next, node),
            Step::Rot { node } => self.rot(&mut next, node),
            Step::Backup { node } => self.back_up(&mut next, node),
            Step::Restore => self.restore(&mut next),
            Step::Twin => self.twin(&mut next),
        };
        // A step that changes nothing is none.
        (possible.is_some() && next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.world.promises.iter().map(|promise| property(*promise)).collect()
    }
}

/// The checker wants a plain function for each.
fn property(promise: Promise) -> Property<Protocol> {
    let kept: fn(&Protocol, &State) -> bool = match promise {
        Promise::Signed => |p, s| Promise::Signed.kept(p, s),
        Promise::SignedByOneDisk => |p, s| Promise::SignedByOneDisk.kept(p, s),
        Promise::NothingAgainstWitnessed => |p, s| Promise::NothingAgainstWitnessed.kept(p, s),
        Promise::Witnessed => |p, s| Promise::Witnessed.kept(p, s),
        Promise::WitnessOnce => |p, s| Promise::WitnessOnce.kept(p, s),
        Promise::NeverShrinks => |p, s| Promise::NeverShrinks.kept(p, s),
        Promise::OwnTree => |p, s| Promise::OwnTree.kept(p, s),
        Promise::Acknowledged => |p, s| Promise::Acknowledged.kept(p, s),
        Promise::OneIndex => |p, s| Promise::OneIndex.kept(p, s),
        Promise::ValidPublished => |p, s| Promise::ValidPublished.kept(p, s),
        Promise::TrueAlarm => |p, s| Promise::TrueAlarm.kept(p, s),
    };
    Property::always(promise.text(), kept)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |node: usize| format!("node {}", node + 1);
        let set = |set: u8| bits(set).map(|one| (one + 1).to_string()).collect::<Vec<_>>().join(", ");
        match *self {
            Step::Elect { node, voters } => write!(f, "{} is elected by {}", name(node), set(voters)),
            Step::Propose { node, record, again } => write!(
                f,
                "record {} is sent {}to {}",
                record_name(record),
                if again { "again " } else { "" },
                name(node)
            ),
            Step::Change { node } => write!(f, "{} proposes the change of members", name(node)),
            Step::Push { node, voters } => {
                write!(f, "the log of {} reaches {}: committed", name(node), set(voters))
            }
            Step::Sync { node } => write!(f, "{} syncs", name(node)),
            Step::Fence { node, asked } => {
                write!(f, "{} asks witnesses {} at its fence", name(node), set(asked))
            }
            Step::Sign { node } => write!(f, "{} signs", name(node)),
            Step::Ask { node, witness, heard } => write!(
                f,
                "witness {} is asked by {}{}",
                witness + 1,
                name(node),
                if heard { "" } else { "; its answer is lost" }
            ),
            Step::Lie { node, witness } => {
                write!(f, "witness {} answers {} with a bad line", witness + 1, name(node))
            }
            Step::Publish { node } => write!(f, "{} proposes the witnessed checkpoint", name(node)),
            Step::Crash { node } => write!(f, "{} loses power and starts again", name(node)),
            Step::CrashWitness { witness } => {
                write!(f, "witness {} loses power and starts again", witness + 1)
            }
            Step::Wipe { node } => write!(f, "{} loses its disk and returns under its id", name(node)),
            Step::SetBack { node } => {
                write!(f, "{} gets the backup's disk and returns under its id", name(node))
            }
            Step::Rot { node } => write!(f, "a bit of the first entry flips on {}", name(node)),
            Step::Backup { node } => write!(f, "a backup is made from {}", name(node)),
            Step::Restore => f.write_str("the whole cluster is set back to the backup"),
            Step::Twin => f.write_str("a second cluster starts from the backup"),
        }
    }
}

//! Raft in the abstract: an election and a commit are one step each, between any majority.

use super::{
    promise::Promise,
    protocol::{Protocol, Step},
    rule::Rule,
    state::{Node, State, bit, bits, note},
    tree::{Entry, What},
};

impl Protocol {
    pub(super) fn consensus_steps(&self, state: &State, node: usize, steps: &mut Vec<Step>) {
        let own = &state.nodes[node];
        let may_lead = self.members(state, node).all() & bit(node) != 0;
        for voters in self.majorities(state, node) {
            if may_lead {
                steps.push(Step::Elect { node, voters });
            }
            if own.leader {
                steps.push(Step::Push { node, voters });
            }
        }
        if own.leader && own.log.len() < self.world.log {
            let has = |record: &u8| own.log.iter().any(|entry| is_record(entry, *record));
            // Records are alike: the lowest that the leader does not have stands for all others.
            if let Some(record) = (0..self.world.records).find(|record| !has(record)) {
                steps.push(Step::Propose { node, record, again: false });
            }
            if state.spent[3] < self.world.luck[3] {
                steps.extend((0..self.world.records).filter(has).map(|record| Step::Propose {
                    node,
                    record,
                    again: true,
                }));
            }
            if self.world.new_members != 0 {
                steps.push(Step::Change { node });
            }
        }
        if !self.holds(Rule::L2) && own.durable != (own.term, own.log.len()) {
            steps.push(Step::Sync { node });
        }
    }

    /// Voters promise not to vote in an older term, and vote for nobody who has less than they have.
    pub(super) fn elect(&self, state: &mut State, node: usize, voters: u8) -> Option<()> {
        let term = bits(voters).map(|voter| state.nodes[voter].term).max()? + 1;
        if term > self.world.terms || state.nodes[node].log.len() >= self.world.log {
            return None;
        }
        let rank = |node: &Node| (node.log.last().map_or(0, |entry| entry.term), node.log.len());
        let own = rank(&state.nodes[node]);
        if bits(voters).any(|voter| rank(&state.nodes[voter]) > own || !can_answer(&state.nodes[voter])) {
            return None;
        }
        for voter in bits(voters) {
            let voter = &mut state.nodes[voter];
            voter.term = term;
            voter.leader = false;
            self.written(voter);
        }
        let own = &mut state.nodes[node];
        own.leader = true;
        own.round = None;
        own.log.push(Entry { term, what: What::Blank });
        self.written(own);
        Some(())
    }

    pub(super) fn propose(&self, state: &mut State, node: usize, record: u8, again: bool) -> Option<()> {
        state.spent[3] += u8::from(again);
        let later =
            state.restored && (self.world.clusters.len() == 1 || self.world.clusters[1] & bit(node) != 0);
        self.append(&mut state.nodes[node], What::Record(record, later));
        Some(())
    }

    /// Through both sets (L4), or at once.
    pub(super) fn change(&self, state: &mut State, node: usize) -> Option<()> {
        let own = &mut state.nodes[node];
        let at = |what: What| own.log.iter().position(|entry| entry.what == what);
        let what = match (at(What::Joint), at(What::New)) {
            (_, Some(_)) => return None,
            (None, None) if self.holds(Rule::L4) => What::Joint,
            (None, None) => What::New,
            (Some(joint), None) if own.applied > joint => What::New,
            (Some(_), None) => return None,
        };
        self.append(own, what);
        Some(())
    }

    pub(super) fn append(&self, node: &mut Node, what: What) {
        node.log.push(Entry { term: node.term, what });
        self.written(node);
    }

    /// L2: what is acknowledged is durable. Switched off, a power cut may take it.
    pub(super) fn written(&self, node: &mut Node) {
        if self.holds(Rule::L2) {
            node.durable = (node.term, node.log.len());
        } else {
            node.durable.1 = node.durable.1.min(node.log.len());
        }
    }

    pub(super) fn sync(&self, state: &mut State, node: usize) -> Option<()> {
        let own = &mut state.nodes[node];
        own.durable = (own.term, own.log.len());
        Some(())
    }

    /// The leader's log replaces theirs; they learn how much of it was committed before.
    pub(super) fn push(&self, state: &mut State, node: usize, voters: u8) -> Option<()> {
        let leader = state.nodes[node].clone();
        for other in bits(voters).filter(|other| *other != node) {
            let follower = &mut state.nodes[other];
            if follower.term > leader.term || !can_answer(follower) {
                return None;
            }
            if follower.term < leader.term {
                follower.term = leader.term;
                follower.leader = false;
            }
            let same = follower.log.iter().zip(&leader.log).take_while(|(a, b)| a == b).count();
            if same < follower.log.len() {
                follower.durable.1 = follower.durable.1.min(same);
                // Under all rules nothing that was applied is ever replaced.
                follower.applied = follower.applied.min(same);
            }
            follower.log.clone_from(&leader.log);
            self.written(follower);
            let applied = leader.applied.max(follower.applied);
            self.apply_up_to(state, other, applied);
        }
        self.apply_up_to(state, node, leader.log.len());
        let tree = self.meaning(&leader.log).tree;
        for entry in &leader.log {
            let What::Record(record, _) = entry.what else { continue };
            let mine = entry.term == leader.term;
            let place = tree.leaves().iter().position(|leaf| leaf.record == record);
            if let (true, Some(index)) = (mine, place) {
                note(&mut state.acknowledged, (index, tree.leaves()[index]));
            }
        }
        Some(())
    }

    /// Applies what is committed; S5 judges each checkpoint on the way.
    pub(super) fn apply_up_to(&self, state: &mut State, node: usize, applied: usize) {
        let own = &mut state.nodes[node];
        while own.applied < applied && !own.halted {
            own.applied += 1;
            let What::Publish(tree) = own.log[own.applied - 1].what else { continue };
            let computed = self.computed(own, own.applied);
            let mine = tree.is_prefix_of(&computed);
            if self.holds(Rule::S5) {
                if !mine {
                    own.halted = true;
                    own.leader = false;
                    own.round = None;
                    break;
                }
                if tree.size() < own.served.size() {
                    continue;
                }
            }
            if !own.served.is_prefix_of(&tree) {
                state.broken = Some(Promise::NeverShrinks);
            } else if !mine {
                state.broken = Some(Promise::OwnTree);
            }
            own.served = tree;
        }
    }
}

fn is_record(entry: &Entry, record: u8) -> bool {
    matches!(entry.what, What::Record(known, _) if known == record)
}

/// A node that is there and has not stopped itself.
pub(super) fn can_answer(node: &Node) -> bool {
    !node.away && !node.halted
}

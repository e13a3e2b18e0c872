//! Fence, signature, cosignatures, publication.

use super::{
    consensus::can_answer,
    promise::Promise,
    protocol::{Protocol, Step},
    rule::Rule,
    state::{Round, State, bit, bits, note},
    tree::{Tree, What},
};

impl Protocol {
    pub(super) fn publishing_steps(&self, state: &State, node: usize, steps: &mut Vec<Step>) {
        let own = &state.nodes[node];
        if !own.fenced && !own.alarm {
            // Enough to ask is a set without which no quorum is left: asking more only helps.
            let enough = |asked: &u8| asked.count_ones() as usize == self.fence_asks();
            let sets = 0..1_u8 << self.world.witnesses;
            steps.extend(sets.filter(enough).map(|asked| Step::Fence { node, asked }));
        }
        if own.leader && own.round.is_none() {
            steps.push(Step::Sign { node });
        }
        if let Some(round) = &own.round {
            for witness in (0..self.world.witnesses).filter(|witness| round.lines & bit(*witness) == 0) {
                steps.push(Step::Ask { node, witness, heard: true });
                steps.push(Step::Ask { node, witness, heard: false });
                if state.spent[2] < self.world.luck[2] && !self.holds(Rule::C2) {
                    steps.push(Step::Lie { node, witness });
                }
            }
            if self.world.publishes && own.leader && own.log.len() < self.world.log {
                steps.push(Step::Publish { node });
            }
        }
    }

    /// R2: how many witnesses a fence must have asked. Those that it has not asked cannot have made a quorum.
    fn fence_asks(&self) -> usize {
        let rest_is_no_quorum = self.world.witnesses - self.world.quorum + 1;
        if self.holds(Rule::R2Rest) { rest_is_no_quorum.max(self.world.quorum) } else { self.world.quorum }
    }

    /// R2: what witnesses and guard remember must be a prefix of what this node holds.
    pub(super) fn fence(&self, state: &mut State, node: usize, asked: u8) -> Option<()> {
        let tree = self.tree(&state.nodes[node]);
        let guard = self.holds(Rule::G3).then_some(state.nodes[node].guard);
        let remembered = bits(asked).map(|witness| state.witnesses[witness].now).chain(guard);
        for theirs in remembered.collect::<Vec<_>>() {
            if theirs.size() > tree.size() {
                // Behind, or robbed? Only a leader whom a majority confirms can tell.
                return if self.majority_confirms(state, node) {
                    self.alarm(state, node, theirs)
                } else {
                    None
                };
            }
            if !theirs.is_prefix_of(&tree) {
                state.nodes[node].alarm = true;
                return Some(());
            }
        }
        state.nodes[node].fenced = true;
        Some(())
    }

    /// C4: entries are lost. False, if the node has them in its log.
    fn alarm(&self, state: &mut State, node: usize, theirs: Tree) -> Option<()> {
        let own = &mut state.nodes[node];
        own.alarm = true;
        if theirs.is_prefix_of(&self.meaning(&own.log).tree) {
            state.broken = Some(Promise::TrueAlarm);
        }
        Some(())
    }

    pub(super) fn sign(&self, state: &mut State, node: usize) -> Option<()> {
        let own = &state.nodes[node];
        let length = if self.holds(Rule::G1) { own.applied } else { own.log.len() };
        let tree = self.computed(own, length);
        let allowed = own.fenced && !own.alarm && self.confirmed(own) && tree.size() > 0;
        if !allowed || !self.root_vote(state, node, &tree) {
            return None;
        }
        if self.holds(Rule::G3) && !own.guard.is_prefix_of(&tree) {
            return None;
        }
        if self.witnessed(state).any(|witnessed| !witnessed.fits(&tree)) {
            state.broken = Some(Promise::NothingAgainstWitnessed);
        }
        let own = &mut state.nodes[node];
        own.guard = tree;
        own.round = Some(Round { tree, lines: 0, bad: 0 });
        note(&mut state.signed, (node, tree));
        Some(())
    }

    /// G2: a majority, this node included, computes the same root from what it has applied.
    fn root_vote(&self, state: &State, node: usize, tree: &Tree) -> bool {
        if !self.holds(Rule::G2) {
            return true;
        }
        let agrees = |voter: usize| {
            let voter = &state.nodes[voter];
            can_answer(voter) && tree.is_prefix_of(&self.tree(voter))
        };
        let members = self.members(state, node);
        let agree = bits(members.all()).filter(|voter| agrees(*voter)).fold(0, |set, voter| set | bit(voter));
        members.majority(agree)
    }

    /// The witness compares, remembers, then answers; the node judges the answer.
    pub(super) fn ask(&self, state: &mut State, node: usize, witness: usize, heard: bool) -> Option<()> {
        let tree = state.nodes[node].round.as_ref()?.tree;
        let memory = &mut state.witnesses[witness];
        let known = memory.now;
        if known.is_prefix_of(&tree) || !self.holds(Rule::WitnessCompares) {
            memory.now = tree;
            if self.holds(Rule::WitnessPersists) {
                memory.stored = tree;
            }
            note(&mut state.cosigned, (witness, tree));
            if heard {
                state.nodes[node].round.as_mut()?.lines |= bit(witness);
            }
            return Some(());
        }
        if !heard {
            return None;
        }
        if known.size() <= tree.size() {
            // 422: it holds another tree (C6).
            state.nodes[node].alarm = true;
            return Some(());
        }
        // 409 with a larger size (C4).
        let applied = self.tree(&state.nodes[node]).size();
        if known.size() > applied && self.majority_confirms(state, node) {
            return self.alarm(state, node, known);
        }
        None
    }

    /// C2 switched off: the node takes the line for good.
    pub(super) fn lie(&self, state: &mut State, node: usize, witness: usize) -> Option<()> {
        let round = state.nodes[node].round.as_mut()?;
        round.lines |= bit(witness);
        round.bad |= bit(witness);
        state.spent[2] += 1;
        Some(())
    }

    /// C3: only with a quorum of lines.
    pub(super) fn publish(&self, state: &mut State, node: usize) -> Option<()> {
        let round = state.nodes[node].round.clone()?;
        if (round.lines.count_ones() as usize) < self.world.quorum {
            return None;
        }
        if round.bad != 0 {
            state.broken = Some(Promise::ValidPublished);
        }
        let own = &mut state.nodes[node];
        own.round = None;
        self.append(own, What::Publish(round.tree));
        Some(())
    }
}

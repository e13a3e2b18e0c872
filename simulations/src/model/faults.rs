//! Bad luck: power cuts, lost disks, flipped bits, backups.

use super::{
    protocol::{Protocol, Step},
    rule::Rule,
    state::{Node, State, bits},
    tree::{Entry, Tree},
};

impl Protocol {
    pub(super) fn fault_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let there = || (0..self.world.nodes).filter(|node| !state.nodes[*node].away);
        if state.spent[0] < self.world.luck[0] {
            steps.extend(there().map(|node| Step::Crash { node }));
            if !self.holds(Rule::L3) {
                steps.extend(there().map(|node| Step::Wipe { node }));
            }
            if !self.holds(Rule::WitnessPersists) {
                steps.extend((0..self.world.witnesses).map(|witness| Step::CrashWitness { witness }));
            }
        }
        if state.spent[1] < self.world.luck[1] {
            steps.extend(there().map(|node| Step::Rot { node }));
        }
        if !self.world.backup {
            return;
        }
        match &state.backup {
            None => steps.extend(there().map(|node| Step::Backup { node })),
            Some(_) if state.restored => {}
            Some(_) if self.world.clusters.len() > 1 => steps.push(Step::Twin),
            Some(_) => {
                steps.push(Step::Restore);
                if !self.holds(Rule::L3) {
                    steps.extend(there().map(|node| Step::SetBack { node }));
                }
            }
        }
    }

    /// What is not on the disk is gone: leadership, the round, and that the fence was passed.
    fn start_again(&self, node: &mut Node) {
        node.leader = false;
        node.round = None;
        node.fenced = !self.holds(Rule::R2);
        node.alarm = false;
    }

    pub(super) fn crash(&self, state: &mut State, node: usize) -> Option<()> {
        state.spent[0] += 1;
        let own = &mut state.nodes[node];
        if !self.holds(Rule::L2) {
            own.term = own.durable.0;
            own.log.truncate(own.durable.1);
            own.applied = own.applied.min(own.log.len());
        }
        self.start_again(own);
        Some(())
    }

    pub(super) fn crash_witness(&self, state: &mut State, witness: usize) -> Option<()> {
        state.spent[0] += 1;
        state.witnesses[witness].now = state.witnesses[witness].stored;
        Some(())
    }

    pub(super) fn wipe(&self, state: &mut State, node: usize) -> Option<()> {
        state.spent[0] += 1;
        state.nodes[node] = Node::default();
        self.start_again(&mut state.nodes[node]);
        Some(())
    }

    pub(super) fn rot(&self, state: &mut State, node: usize) -> Option<()> {
        state.spent[1] += 1;
        state.nodes[node].rotten = true;
        Some(())
    }

    pub(super) fn back_up(&self, state: &mut State, node: usize) -> Option<()> {
        let own = &state.nodes[node];
        state.backup = Some(own.log[..own.applied].to_vec());
        Some(())
    }

    pub(super) fn restore(&self, state: &mut State) -> Option<()> {
        let log = state.backup.clone()?;
        state.restored = true;
        for node in &mut state.nodes {
            self.begin_from(node, &log);
        }
        Some(())
    }

    pub(super) fn set_back(&self, state: &mut State, node: usize) -> Option<()> {
        let log = state.backup.clone()?;
        state.restored = true;
        self.begin_from(&mut state.nodes[node], &log);
        Some(())
    }

    pub(super) fn twin(&self, state: &mut State) -> Option<()> {
        let log = state.backup.clone()?;
        state.restored = true;
        for node in bits(self.world.clusters[1]) {
            state.nodes[node].away = false;
            self.begin_from(&mut state.nodes[node], &log);
        }
        Some(())
    }

    /// A node with what the backup holds, and with its own guard where that survives.
    fn begin_from(&self, node: &mut Node, log: &[Entry]) {
        let term = log.last().map_or(0, |entry| entry.term);
        let guard = if self.world.guards_stay { node.guard } else { Tree::default() };
        *node = Node {
            term,
            log: log.to_vec(),
            applied: log.len(),
            durable: (term, log.len()),
            guard,
            served: self.meaning(log).published,
            ..Node::default()
        };
        self.start_again(node);
    }
}

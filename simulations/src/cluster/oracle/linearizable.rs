//! Reads of an agent's key and of its revocation, through the way that a node offers for fresh reads, are linearizable: each looks as if
//! it had happened at one moment between question and answer. Checked a subject at a time, from what clients saw, by the tester of
//! `stateright`.
//!
//! A change whose client was never answered may have happened at any time since, or never. A read that was not answered says nothing.

use std::collections::BTreeSet;

use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec};

use super::{Facts, Replica};

/// What an agent is: the number of its key, 0 before it is registered, and whether it is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) key: usize,
    pub(crate) revoked: bool,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// From now on it is this.
    Change(Standing),
    /// What is it?
    Read,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ret {
    /// The change is in the log.
    Done,
    /// What it is.
    Saw(Standing),
}

/// One end of one operation on one agent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// `client` begins the operation `number`.
    Asked { client: u8, number: u64, op: Op },
    /// It is answered.
    Told { client: u8, number: u64, ret: Ret },
}

#[derive(Clone, Debug)]
struct Register(Standing);

impl SequentialSpec for Register {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match op {
            Op::Change(standing) => {
                self.0 = *standing;
                Ret::Done
            }
            Op::Read => Ret::Saw(self.0),
        }
    }
}

/// Once, at the end: then all answers are in.
pub(super) fn check(facts: &Facts, replicas: &[Replica]) -> Result<(), String> {
    if replicas.is_empty() || facts.may_have_lost() {
        return Ok(());
    }
    for (agent, events) in &facts.registers {
        if !is_linearizable(events)? {
            return Err(format!("what clients saw of agent {agent} fits no order: {}", told(events)));
        }
    }
    Ok(())
}

fn is_linearizable(events: &[Event]) -> Result<bool, String> {
    let answered: BTreeSet<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Told { number, .. } => Some(*number),
            Event::Asked { .. } => None,
        })
        .collect();
    let mut tester = LinearizabilityTester::new(Register(Standing { key: 0, revoked: false }));
    for event in events {
        let result = match *event {
            Event::Asked { op: Op::Read, number, .. } if !answered.contains(&number) => continue,
            Event::Asked { client, op, .. } => tester.on_invoke(client, op),
            Event::Told { client, ret, .. } => tester.on_return(client, ret),
        };
        result.map_err(|error| format!("not a history: {error}"))?;
    }
    Ok(tester.is_consistent())
}

/// The history in short: who asked and who was told what.
fn told(events: &[Event]) -> String {
    let short = |event: &Event| match event {
        Event::Asked { client, op: Op::Change(to), .. } => format!("{client} sets {}", shown(to)),
        Event::Asked { client, op: Op::Read, .. } => format!("{client} asks"),
        Event::Told { client, ret: Ret::Done, .. } => format!("{client} is done"),
        Event::Told { client, ret: Ret::Saw(standing), .. } => format!("{client} sees {}", shown(standing)),
    };
    events.iter().map(short).collect::<Vec<_>>().join(", ")
}

fn shown(standing: &Standing) -> String {
    format!("key {}{}", standing.key, if standing.revoked { " revoked" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Standing = Standing { key: 1, revoked: false };
    const NEW: Standing = Standing { key: 1, revoked: true };

    fn asked(client: u8, number: u64, op: Op) -> Event {
        Event::Asked { client, number, op }
    }

    fn saw(client: u8, number: u64, standing: Standing) -> Event {
        Event::Told { client, number, ret: Ret::Saw(standing) }
    }

    #[test]
    fn a_read_may_not_be_older_than_what_was_done_or_read_before_it() {
        let register = [asked(0, 0, Op::Change(OLD)), Event::Told { client: 0, number: 0, ret: Ret::Done }];
        let revoke = asked(0, 1, Op::Change(NEW));
        let done = Event::Told { client: 0, number: 1, ret: Ret::Done };
        let history = |rest: &[Event]| is_linearizable(&[&register, rest].concat()).unwrap();

        let during =
            [revoke, asked(1, 2, Op::Read), saw(1, 2, OLD), asked(1, 3, Op::Read), saw(1, 3, NEW), done];
        assert!(history(&during), "the change may fall between two reads");
        let back =
            [revoke, asked(1, 2, Op::Read), saw(1, 2, NEW), asked(2, 3, Op::Read), saw(2, 3, OLD), done];
        assert!(!history(&back), "what was once seen stays");
        let stale = [revoke, done, asked(1, 2, Op::Read), saw(1, 2, OLD)];
        assert!(!history(&stale), "a revocation that was answered is seen");
        let unanswered = [revoke, asked(1, 2, Op::Read), asked(2, 3, Op::Read), saw(2, 3, OLD)];
        assert!(history(&unanswered), "who was not answered knows nothing");
    }
}

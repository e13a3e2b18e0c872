//! What a revocation or kill ended, a page at a time: a tree of agents may be large, and nobody waits for all of it.
//!
//! The walk goes down first: an agent, then its first child and everything below that one, then the next child. Where it stands
//! is one agent, so a page needs no memory of the pages before it, and looks at [`ENDED_LOOKS_MAX`] agents at most.

use ledger_format::record::{AgentId, Ulid};

use crate::keys;
use crate::status::{agent, open_sessions};
use crate::values::{Agent, AgentStatus};
use crate::view::View;

/// Agents that one page looks at, at most, whether or not they are in it.
pub const ENDED_LOOKS_MAX: usize = 4_096;

/// A page of the agents that a record ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedPage {
    /// The agents, each before those below it, children in the order of registration. May be none although more follow.
    pub agents: Vec<AgentId>,
    /// Sessions that ended with them.
    pub sessions: u64,
    /// Where the next page goes on; `None`: this was the last one.
    pub next: Option<AgentId>,
}

/// The agents at and below `top` that the record at `index` ended, at most `limit` of them: what a revocation or kill did. `from` is
/// what the page before gave as `next`, or `top`. A later record that ended an agent anew takes it out of this list.
pub fn ended_by(
    view: &(impl View + ?Sized),
    top: AgentId,
    index: u64,
    from: AgentId,
    limit: usize,
) -> EndedPage {
    let (mut page, mut next) = (EndedPage::default(), Some(from));
    let mut walk = Walk { view, top, places: Vec::new() };
    for _ in 0..ENDED_LOOKS_MAX {
        let Some(id) = next.filter(|_| page.agents.len() < limit) else { break };
        let Some(found) = agent(view, id) else { return page };
        if matches!(found.status, AgentStatus::Revoked { index: at, .. } if at == index) {
            page.agents.push(id);
            page.sessions = page.sessions.saturating_add(open_sessions(view, id));
        }
        next = walk.after(id, found);
    }
    page.next = next;
    page
}

/// Goes from agent to agent below `top`.
struct Walk<'v, V: ?Sized> {
    view: &'v V,
    top: AgentId,
    /// Where the walk stands among the children of the agents above, as far as it came through them. As deep as the tree at most, and
    /// no tree is deeper than the log's genesis allows.
    places: Vec<Place>,
}

/// A place among the children of an agent.
struct Place {
    parent: AgentId,
    children: u64,
    number: u64,
}

impl<V: View + ?Sized> Walk<'_, V> {
    /// The agent after this one.
    fn after(&mut self, mut id: AgentId, mut found: Agent) -> Option<AgentId> {
        if found.children > 0 {
            return self.enter(Place { parent: id, children: found.children, number: 0 });
        }
        while id != self.top {
            let place = match self.places.pop() {
                Some(place) => Place { number: place.number + 1, ..place },
                None => self.place_behind(&found)?,
            };
            if place.number < place.children {
                return self.enter(place);
            }
            id = place.parent;
            found = agent(self.view, id)?;
        }
        None
    }

    fn enter(&mut self, place: Place) -> Option<AgentId> {
        let next = self.child(place.parent, place.number);
        self.places.push(place);
        next
    }

    fn child(&self, parent: AgentId, number: u64) -> Option<AgentId> {
        let bytes = self.view.get(&keys::child(parent, number))?;
        Some(AgentId(Ulid::from_bytes(bytes.try_into().ok()?)))
    }

    /// The place behind an agent that a page begins with. Children are numbered as they are registered, so it is found by halving.
    fn place_behind(&self, found: &Agent) -> Option<Place> {
        let parent = found.parent?;
        let children = agent(self.view, parent)?.children;
        let (mut low, mut high) = (0, children);
        while low < high {
            let middle = low + (high - low) / 2;
            let child = self.child(parent, middle).and_then(|id| agent(self.view, id))?;
            if child.registered <= found.registered { low = middle + 1 } else { high = middle }
        }
        Some(Place { parent, children, number: low })
    }
}

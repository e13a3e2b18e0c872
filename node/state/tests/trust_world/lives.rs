//! Short names for what scenarios are made of: agents, days of their lives, words about each other.

#![allow(dead_code, reason = "each test file uses its part")]

use ledger_state::trust::{
    ActionOutcome, AgentState, Attestation, DAY_MS, Factors, Id, Input, MemoryTrust, ONE_Q12, Reading,
    SessionOutcome, StatusChange, TrustError, Verdict, What,
};

pub(crate) const DAY: u64 = DAY_MS;
pub(crate) const HOUR: u64 = DAY / 24;
pub(crate) const MINUTE: u64 = 60_000;

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).expect("an id")
}

pub(crate) fn action(agent: &str, outcome: ActionOutcome) -> What {
    What::Action { agent: id(agent), outcome }
}

pub(crate) fn ok(agent: &str) -> What {
    action(agent, ActionOutcome::Ok)
}

pub(crate) fn denial(agent: &str) -> What {
    What::Denial { agent: id(agent) }
}

pub(crate) fn clean_session(agent: &str) -> What {
    What::Session { agent: id(agent), outcome: SessionOutcome::Clean }
}

pub(crate) fn status(agent: &str, change: StatusChange) -> What {
    What::Status { agent: id(agent), change }
}

/// A word that cites a given interaction.
pub(crate) fn word(by: &str, agent: &str, verdict: Verdict, interaction: u64, interaction_ms: u64) -> What {
    What::Attest(Attestation { agent: id(agent), by: id(by), interaction, interaction_ms, verdict })
}

/// A world: the state and a counter of interactions, so that each can be a new one.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) state: MemoryTrust,
    interactions: u64,
}

impl World {
    /// Agent `a` of tenant `home`.
    pub(crate) fn with_agent() -> Self {
        let mut world = Self::default();
        world.register("a", "home", 0);
        world
    }

    /// Agent `a`, and agents `f1`, `f2`, ... of as many foreign tenants of full weight, all after 30 clean days.
    pub(crate) fn of_veterans(foreign_tenants: usize) -> Self {
        let mut world = Self::with_agent();
        let mut agents = vec!["a".to_owned()];
        for number in 1..=foreign_tenants {
            let (agent, tenant) = (format!("f{number}"), format!("t{number}"));
            world.weight(&tenant, ONE_Q12, 0);
            world.register(&agent, &tenant, 0);
            agents.push(agent);
        }
        world.live(&agents, 0..30, 6);
        world
    }

    pub(crate) fn try_do(&mut self, ms: u64, what: What) -> Result<(), TrustError> {
        self.state.apply(&Input { ms, what })
    }

    pub(crate) fn act(&mut self, ms: u64, what: What) {
        self.try_do(ms, what).expect("an input of a scenario");
    }

    pub(crate) fn register(&mut self, agent: &str, tenant: &str, ms: u64) {
        self.act(ms, What::Register { agent: id(agent), tenant: id(tenant) });
    }

    pub(crate) fn weight(&mut self, tenant: &str, weight_q12: u64, ms: u64) {
        self.act(ms, What::TenantWeight { tenant: id(tenant), weight_q12 });
    }

    /// So many words of one agent about another, each after a new interaction of that moment.
    pub(crate) fn attest(&mut self, by: &str, agent: &str, verdict: Verdict, times: u64, ms: u64) {
        for _ in 0..times {
            self.interactions += 1;
            self.act(ms, word(by, agent, verdict, self.interactions, ms));
        }
    }

    /// Clean days: ten active hours, so many ok actions in each, then a clean session.
    pub(crate) fn live<A: AsRef<str>>(&mut self, agents: &[A], days: std::ops::Range<u64>, calls: u64) {
        self.live_pushed(agents, days, calls, 0);
    }

    /// The same with every time later by `push_ms`.
    pub(crate) fn live_pushed<A: AsRef<str>>(
        &mut self,
        agents: &[A],
        days: std::ops::Range<u64>,
        calls: u64,
        push_ms: u64,
    ) {
        let each = |world: &mut Self, ms: u64, what: fn(&str) -> What| {
            agents.iter().for_each(|agent| world.act(ms + push_ms, what(agent.as_ref())));
        };
        for day in days {
            for hour in 8..18 {
                for call in 0..calls {
                    each(self, day * DAY + hour * HOUR + call * MINUTE, ok);
                }
            }
            each(self, day * DAY + 18 * HOUR, clean_session);
        }
    }

    pub(crate) fn agent(&self, agent: &str) -> &AgentState {
        &self.state.agents[&id(agent)]
    }

    /// Agent `a` at a log time; 0 stands for the last input's.
    pub(crate) fn read_at(&self, agent: &str, ms: u64) -> Reading {
        self.state.reading(&id(agent), ms.max(self.state.last_ms)).expect("a registered agent")
    }

    /// Agent `a` now.
    pub(crate) fn read(&self) -> Reading {
        self.read_at("a", 0)
    }

    pub(crate) fn score_at(&self, agent: &str, ms: u64) -> u64 {
        self.read_at(agent, ms).score.expect("a scored agent")
    }

    /// Score of agent `a` now.
    pub(crate) fn score(&self) -> u64 {
        self.score_at("a", 0)
    }

    pub(crate) fn factors(&self) -> Factors {
        self.read().factors
    }

    /// The anomaly factor of agent `a` at a log time.
    pub(crate) fn calm_at(&self, ms: u64) -> u64 {
        self.read_at("a", ms).factors.anomaly.expect("a warm agent").bp
    }
}

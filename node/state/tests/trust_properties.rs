//! Properties over random histories: reading changes nothing, bytes hold everything, rejected inputs leave no trace.

use std::cell::Cell;

use ledger_state::Value;
use ledger_state::trust::{
    self, ActionOutcome, AgentState, Attestation, Citation, EPOCH_MS, EngineError, Id, Input, MemoryTrust,
    SessionOutcome, StatusChange, TrustStore, Verdict, What,
};
use proptest::prelude::*;
use proptest::sample::select;

/// Few names, so that inputs meet.
fn agent() -> impl Strategy<Value = Id> {
    (0..6u8).prop_map(|n| Id::parse(&format!("agent:{n}")).unwrap())
}

fn tenant() -> impl Strategy<Value = Id> {
    select(vec!["Home", "home", "t1", "t2", "t3"]).prop_map(|text| Id::parse(text).unwrap())
}

fn what() -> impl Strategy<Value = What> {
    let verdict = select(Verdict::ALL);
    prop_oneof![
        1 => (agent(), tenant()).prop_map(|(agent, tenant)| What::Register { agent, tenant }),
        1 => (tenant(), 0..5000u64).prop_map(|(tenant, weight_q12)| What::TenantWeight { tenant, weight_q12 }),
        8 => (agent(), select(ActionOutcome::ALL)).prop_map(|(agent, outcome)| What::Action { agent, outcome }),
        2 => agent().prop_map(|agent| What::Denial { agent }),
        2 => (agent(), select(SessionOutcome::ALL))
            .prop_map(|(agent, outcome)| What::Session { agent, outcome }),
        4 => (agent(), agent(), 0..9u64, 0..40 * 86_400_000u64, verdict).prop_map(
            |(agent, by, interaction, interaction_ms, verdict)| {
                What::Attest(Attestation { agent, by, interaction, interaction_ms, verdict })
            }
        ),
        1 => (agent(), 0..11_000u64, any::<bool>()).prop_map(|(agent, ceiling_bp, cross_tenant)| {
            What::Delegate { agent, ceiling_bp, cross_tenant }
        }),
        1 => (agent(), select(StatusChange::ALL)).prop_map(|(agent, change)| What::Status { agent, change }),
    ]
}

/// Inputs whose times mostly go on: within the epoch, over some epochs, over weeks, and at times backwards.
fn history() -> impl Strategy<Value = Vec<Input>> {
    let step = prop_oneof![
        12 => 0..1000i64,
        6 => 0..3 * EPOCH_MS as i64,
        1 => 0..30 * 86_400_000i64,
        1 => -5 * EPOCH_MS as i64..0,
    ];
    prop::collection::vec((step, what()), 1..250).prop_map(|steps| {
        let mut ms = 20 * 86_400_000u64;
        let next = |(step, what)| {
            let at = ms.saturating_add_signed(step);
            ms = ms.max(at);
            Input { ms: at, what }
        };
        steps.into_iter().map(next).collect()
    })
}

/// A store that keeps agents as bytes, as a disk would, and counts what it is asked.
#[derive(Default)]
struct Bytes {
    inner: MemoryTrust,
    asked: Cell<u32>,
}

impl Bytes {
    fn count(&self) -> &MemoryTrust {
        self.asked.set(self.asked.get() + 1);
        &self.inner
    }

    fn count_mut(&mut self) -> &mut MemoryTrust {
        self.count();
        &mut self.inner
    }
}

impl TrustStore for Bytes {
    type Error = std::convert::Infallible;

    fn last_ms(&self) -> Result<u64, Self::Error> {
        self.count().last_ms()
    }
    fn put_last_ms(&mut self, ms: u64) -> Result<(), Self::Error> {
        self.count_mut().put_last_ms(ms)
    }
    fn agent(&self, id: &Id) -> Result<Option<AgentState>, Self::Error> {
        let agent = self.count().agent(id)?;
        Ok(agent.map(|agent| AgentState::decode(&agent.encode()).unwrap()))
    }
    fn put_agent(&mut self, id: &Id, state: AgentState) -> Result<(), Self::Error> {
        let state = AgentState::decode(&state.encode()).unwrap();
        self.count_mut().put_agent(id, state)
    }
    fn tenant_weight_q12(&self, tenant: &Id) -> Result<u64, Self::Error> {
        self.count().tenant_weight_q12(tenant)
    }
    fn put_tenant_weight_q12(&mut self, tenant: &Id, weight_q12: u64) -> Result<(), Self::Error> {
        self.count_mut().put_tenant_weight_q12(tenant, weight_q12)
    }
    fn is_cited(&self, day: u64, citation: &Citation) -> Result<bool, Self::Error> {
        self.count().is_cited(day, citation)
    }
    fn put_citation(&mut self, day: u64, citation: Citation) -> Result<(), Self::Error> {
        self.count_mut().put_citation(day, citation)
    }
    fn forget_citations_before(&mut self, day: u64) -> Result<(), Self::Error> {
        self.count_mut().forget_citations_before(day)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_of_bytes_agrees_and_is_asked_little(history in history()) {
        let (mut memory, mut bytes) = (MemoryTrust::new(), Bytes::default());
        for input in &history {
            bytes.asked.set(0);
            let expected = memory.apply(input).map_err(EngineError::Rejected);
            prop_assert_eq!(trust::apply(&mut bytes, input), expected);
            prop_assert!(bytes.asked.get() <= 10, "{} questions for {:?}", bytes.asked.get(), input);
        }
        prop_assert_eq!(bytes.inner, memory);
    }

    #[test]
    fn rejected_inputs_and_readings_leave_no_trace(history in history()) {
        let mut with = MemoryTrust::new();
        let mut accepted = Vec::new();
        for (i, input) in history.into_iter().enumerate() {
            let before = with.clone();
            match with.apply(&input) {
                Ok(()) => accepted.push(input),
                Err(_) => prop_assert_eq!(&with, &before),
            }
            let before = with.digest();
            for agent in with.agents.keys() {
                let reading = with.reading(agent, with.last_ms + i as u64 * 60_000).unwrap();
                prop_assert!(reading.score.is_none_or(|score| score <= reading.caps.least() || score == 0));
            }
            prop_assert_eq!(with.digest(), before);
        }
        let mut without = MemoryTrust::new();
        accepted.iter().for_each(|input| without.apply(input).unwrap());
        prop_assert_eq!(with, without);
    }

    #[test]
    fn inputs_read_back(history in history()) {
        for input in history {
            let bytes = input.to_value().to_bytes();
            prop_assert_eq!(Input::parse(&bytes), input.check().map(|()| input));
        }
    }
}

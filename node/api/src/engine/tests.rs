//! What becomes of runs, move by move, without a node.

use ledger_format::record::{OrchestrationId, Ulid};
use serde_json::{Value, json};

use super::{
    Attempt, Cannot, Definition, Opening, Outcome, Plan, Retry, Run, RunStatus, StepDefinition, StepState,
    StepType, Trouble,
    moves::Performed,
    run::{Finished, Logged, OUTPUT_BYTES_MAX, Said},
    todo::Todo,
};

pub(super) const A: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N";
const B: &str = "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7M";
const START: u64 = 1_000_000;

fn step(name: &str, kind: StepType, config: Value, after: &[&str]) -> StepDefinition {
    let retry = Retry { max_attempts: 3, backoff_ms: 1_000 };
    StepDefinition { retry, timeout_seconds: 60, ..super::definition::tests::step(name, kind, config, after) }
}

fn task(name: &str, after: &[&str]) -> StepDefinition {
    step(name, StepType::ToolCall, json!({}), after)
}

/// Steps that wait for nothing.
pub(super) fn many_tasks(count: usize) -> Vec<StepDefinition> {
    (0..count).map(|n| task(&format!("s{n}"), &[])).collect()
}

/// A run with what it runs.
pub(super) struct World {
    pub(super) definition: Definition,
    plan: Plan,
    pub(super) run: Run,
    pub(super) now: u64,
}

impl World {
    pub(super) fn new(steps: Vec<StepDefinition>) -> Self {
        let definition =
            Definition { name: "w".into(), description: String::new(), label: "1.0.0".into(), steps };
        let plan = definition.plan().expect("a good definition");
        let opening = Opening {
            id: OrchestrationId(Ulid(7)),
            tenant: Ulid(1),
            workflow: "maip-wf:01KC2G2V3T3XJ6W1B0D9QH8Y7Y".into(),
            version: 1,
            agent: Some(A.into()),
            participants: Vec::new(),
            scope: None,
            name: "api-key:k".into(),
            input: json!({"amount": 5}),
            parameters: serde_json::Map::new(),
            timeout_ms: 600_000,
        };
        let run = Run::open(opening, &definition, &plan, START);
        Self { definition, plan, run, now: START }
    }

    fn todo(&self) -> Vec<Todo> {
        self.run.todo(&self.definition, &self.plan, self.now)
    }

    pub(super) fn begin(&mut self, place: usize) {
        self.run
            .begin(&self.definition, place, Some("maip-rcpt:d".into()), None, self.now)
            .expect("it begins");
    }

    fn claimed(&mut self, place: usize) {
        self.begin(place);
        self.run.claim(place, A, None, 30_000, self.now).expect("it is claimed");
    }

    fn report(
        &mut self,
        place: usize,
        number: u32,
        result: Result<Value, (Trouble, bool)>,
    ) -> Result<(), Cannot> {
        let outcome = Outcome {
            result,
            receipt: None,
            digest: "sha256:00".into(),
            cost_cents: 2,
            name: "session:s".into(),
        };
        let of = Attempt { place, agent: A, number };
        self.run.report(&self.definition, &self.plan, of, outcome, self.now)
    }

    fn perform(&mut self, place: usize, output: Value) {
        self.begin(place);
        let attempt = self.run.steps[place].attempt;
        let performed = Performed { attempt, result: Ok(output), receipt: None };
        self.run.performed(&self.definition, &self.plan, place, performed, self.now).expect("it is done");
    }

    fn states(&self) -> Vec<StepState> {
        self.run.steps.iter().map(|step| step.status).collect()
    }

    /// What the records say of steps, in order.
    fn told(&self) -> Vec<(usize, Logged)> {
        let of = |said: &Said| match said {
            Said::Step { place, status, .. } => Some((*place, *status)),
            _ => None,
        };
        self.run.outbox.iter().filter_map(|record| of(&record.said)).collect()
    }
}

fn trouble() -> Trouble {
    Trouble::new("NO_MODEL", "the model is not there")
}

#[test]
fn a_run_ends_when_its_last_step_has() {
    let mut world = World::new(vec![task("a", &[]), task("b", &["a"])]);
    assert_eq!(world.todo(), [Todo::Ask(0)], "b waits for a");
    world.claimed(0);
    world.report(0, 1, Ok(json!(1))).unwrap();
    assert_eq!(world.todo(), [Todo::Ask(1)]);
    world.claimed(1);
    world.report(1, 1, Ok(json!(2))).unwrap();
    assert_eq!((world.run.status, world.todo()), (RunStatus::Completed, vec![]));
    let said: Vec<&Said> = world.run.outbox.iter().map(|record| &record.said).collect();
    assert!(matches!(said[0], Said::Start));
    assert!(matches!(said.last(), Some(Said::Finish(Finished::Succeeded))));
    assert_eq!(said.iter().filter(|said| matches!(said, Said::Receipt { .. })).count(), 2);
    assert_eq!(world.run.steps.iter().map(|step| step.cost_cents).sum::<u64>(), 4);
}

#[test]
fn the_ways_that_a_decision_does_not_take_are_skipped_and_meet_again() {
    let choices =
        json!({"choices": [{"when": "input.amount < 10", "next": ["small"]}], "otherwise": ["large"]});
    let mut world = World::new(vec![
        step("size", StepType::Decision, choices, &[]),
        task("small", &["size"]),
        task("large", &["size"]),
        task("larger", &["large"]),
        task("end", &["small", "larger"]),
    ]);
    world.perform(0, json!({"next": ["small"]}));
    world.run.branch(&world.plan, &[1, 2], &[1], world.now);
    use StepState::{Skipped, Succeeded, Waiting};
    assert_eq!(world.states(), [Succeeded, Waiting, Skipped, Skipped, Waiting]);
    world.claimed(1);
    world.report(1, 1, Ok(json!(null))).unwrap();
    assert_eq!(world.todo(), [Todo::Ask(4)], "one of the ways has come through");
}

#[test]
fn a_skip_waits_for_every_step_before_it() {
    let choices = json!({"choices": [{"when": "true", "next": ["x"]}], "otherwise": ["y"]});
    let mut world = World::new(vec![
        step("way", StepType::Decision, choices, &[]),
        task("other", &[]),
        task("x", &["way"]),
        task("y", &["way", "other"]),
    ]);
    world.perform(0, json!({}));
    world.run.branch(&world.plan, &[2, 3], &[2], world.now);
    assert_eq!(world.run.steps[3].status, StepState::Waiting, "the log would refuse the skip");
    world.claimed(1);
    world.report(1, 1, Ok(json!(null))).unwrap();
    assert_eq!(world.run.steps[3].status, StepState::Skipped);
}

#[test]
fn a_failed_attempt_is_made_again_later_and_later() {
    let mut world = World::new(vec![task("a", &[])]);
    for (number, pause) in [(1, 1_000), (2, 2_000)] {
        world.claimed(0);
        world.report(0, number, Err((trouble(), true))).unwrap();
        assert_eq!(world.todo(), [], "attempt {number} is just over");
        world.now += pause - 1;
        assert_eq!(world.todo(), [], "{number}");
        world.now += 1;
        assert_eq!(world.todo(), [Todo::Ask(0)], "{number}");
    }
    world.claimed(0);
    world.report(0, 3, Err((trouble(), true))).unwrap();
    assert_eq!(world.run.status, RunStatus::Failed);
    let failed = world.run.trouble.as_ref().unwrap();
    assert_eq!((failed.code.as_str(), failed.step.as_deref()), ("NO_MODEL", Some("a")));
    use Logged::{Assigned, Failed};
    let both = [(0, Assigned), (0, Failed)];
    assert_eq!(world.told(), [both, both, both].concat());
}

#[test]
fn what_cannot_be_helped_is_not_tried_again() {
    let mut world = World::new(vec![task("a", &[]), task("b", &[])]);
    world.claimed(0);
    world.begin(1);
    world.report(0, 1, Err((trouble(), false))).unwrap();
    assert_eq!(world.run.status, RunStatus::Failed);
    assert_eq!(world.states(), [StepState::Failed, StepState::Cancelled]);
}

#[test]
fn a_claim_is_one_agents_for_its_time() {
    let mut world = World::new(vec![task("a", &[])]);
    world.begin(0);
    assert_eq!(world.run.claim(0, B, None, 30_000, world.now), Err(Cannot::OtherAgent));
    world.run.claim(0, A, None, 30_000, world.now).unwrap();
    assert_eq!(world.run.claim(0, A, None, 30_000, world.now), Err(Cannot::State(StepState::Running)));
    world.now += 29_999;
    let of = Attempt { place: 0, agent: A, number: 1 };
    world.run.heartbeat(of, 30_000, world.now).unwrap();
    world.now += 29_999;
    assert!(!world.run.expire(&world.definition, world.now), "it was heard of");
    world.now += 1;
    assert_eq!(world.todo(), [Todo::Expire]);
    assert!(world.run.expire(&world.definition, world.now));
    assert_eq!(world.run.steps[0].status, StepState::Ready, "another program of the agent can claim it");
    assert_eq!(world.report(0, 1, Ok(json!(1))), Err(Cannot::State(StepState::Ready)));
}

#[test]
fn a_claim_with_a_name_can_be_made_again() {
    let mut world = World::new(vec![task("a", &[])]);
    world.begin(0);
    world.run.claim(0, A, Some("p1"), 30_000, world.now).unwrap();
    world.now += 10_000;
    world.run.claim(0, A, Some("p1"), 30_000, world.now).unwrap();
    assert_eq!(world.run.steps[0].lease_ms, world.now + 30_000);
    let other = world.run.claim(0, A, Some("p2"), 30_000, world.now);
    assert_eq!(other, Err(Cannot::State(StepState::Running)));
    assert_eq!(world.run.claim(0, B, Some("p1"), 30_000, world.now), Err(Cannot::OtherAgent));
}

#[test]
fn an_attempt_that_takes_too_long_is_over() {
    let mut world = World::new(vec![task("a", &[])]);
    world.claimed(0);
    world.run.heartbeat(Attempt { place: 0, agent: A, number: 1 }, 3_600_000, world.now).unwrap();
    world.now += 60_000;
    assert!(world.run.expire(&world.definition, world.now));
    assert_eq!(world.told(), [(0, Logged::Assigned), (0, Logged::TimedOut)]);
    world.now += 1_000;
    world.claimed(0);
    assert_eq!(world.report(0, 1, Ok(json!(1))), Err(Cannot::OtherAttempt(2)));
    world.now = START + 600_000;
    assert!(world.run.expire(&world.definition, world.now));
    assert_eq!((world.run.status, world.states()), (RunStatus::Timeout, vec![StepState::Cancelled]));
}

#[test]
fn the_same_report_again_changes_nothing() {
    let mut world = World::new(vec![task("a", &[]), task("b", &["a"])]);
    world.claimed(0);
    world.report(0, 1, Ok(json!(1))).unwrap();
    let before = world.run.clone();
    world.report(0, 1, Ok(json!(1))).unwrap();
    assert_eq!(world.run, before);
    assert_eq!(world.report(0, 1, Ok(json!(2))), Err(Cannot::State(StepState::Succeeded)));
}

#[test]
fn the_same_failure_again_changes_nothing_until_the_next_attempt() {
    let mut world = World::new(vec![task("a", &[])]);
    for number in 1..=3 {
        world.claimed(0);
        world.report(0, number, Err((trouble(), true))).unwrap();
        let before = world.run.clone();
        world.report(0, number, Err((trouble(), true))).unwrap();
        assert_eq!(world.run, before, "attempt {number}");
        let other = Trouble::new("NO_BANK", "the bank is closed");
        assert!(world.report(0, number, Err((other, true))).is_err(), "attempt {number}");
        world.now += 2_000;
    }
    assert_eq!(world.run.status, RunStatus::Failed);
}

#[test]
fn the_same_cancellation_again_changes_nothing() {
    let mut world = World::new(vec![task("a", &[])]);
    world.run.cancel("entered twice", world.now).unwrap();
    let before = world.run.clone();
    world.run.cancel("entered twice", world.now).unwrap();
    assert_eq!(world.run, before);
    assert_eq!(world.run.cancel("entered twice", world.now + 1), Err(Cannot::RunOver));
    assert_eq!(world.run.cancel("late", world.now), Err(Cannot::RunOver));
}

#[test]
fn a_step_is_handed_on_and_asked_about_anew() {
    let mut world = World::new(vec![task("a", &[])]);
    world.claimed(0);
    let of = Attempt { place: 0, agent: A, number: 1 };
    world.run.hand_off(of, B, world.now).unwrap();
    assert_eq!(world.todo(), [Todo::Ask(0)]);
    world.begin(0);
    assert_eq!(
        (world.run.steps[0].attempt, world.run.claim(0, A, None, 1, world.now)),
        (1, Err(Cannot::OtherAgent))
    );
    assert!(world.run.claim(0, B, None, 1, world.now).is_ok());
}

#[test]
fn an_approval_is_waited_for() {
    let mut world = World::new(vec![task("a", &[])]);
    world.run.await_approval(0, "maip-rcpt:d".into()).unwrap();
    assert_eq!(world.todo(), [Todo::LookForApproval(0)]);
    world.run.approve(0, "maip-rcpt:y".into(), world.now).unwrap();
    assert_eq!((world.todo(), world.run.steps[0].asks), (vec![Todo::Ask(0)], 1));
    world.run.refuse(0, None, trouble(), world.now).unwrap();
    assert_eq!(world.run.status, RunStatus::Failed);
    assert_eq!(world.run.cancel("late", world.now), Err(Cannot::RunOver));
}

#[test]
fn outputs_have_their_bounds() {
    let mut world = World::new(vec![task("a", &[])]);
    world.claimed(0);
    let large = Value::String("x".repeat(OUTPUT_BYTES_MAX));
    assert_eq!(world.report(0, 1, Ok(large)), Err(Cannot::TooMuch(OUTPUT_BYTES_MAX)));
    assert_eq!(world.run.steps[0].status, StepState::Running, "the agent can send less");
}

#[test]
fn a_step_sees_what_came_before_it_and_nothing_else() {
    let mut world = World::new(vec![task("a", &[]), task("b", &[]), task("c", &["a"]), task("d", &["c"])]);
    world.claimed(0);
    world.report(0, 1, Ok(json!({"n": 1}))).unwrap();
    world.claimed(1);
    world.report(1, 1, Ok(json!({"n": 2}))).unwrap();
    let given = world.run.given(&world.plan, 3).unwrap();
    assert_eq!(given["steps"]["a"]["output"]["n"], 1);
    assert!(given["steps"].get("b").is_none(), "b may end at any time");
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}

/// What the log knows of a run, by its own rules: a second reading of `docs/record-format.md`.
struct Reader {
    steps: Vec<Option<Logged>>,
    over: bool,
}

impl Reader {
    fn read(&mut self, plan: &Plan, said: &Said) {
        let is_done = |status: Option<Logged>| matches!(status, Some(Logged::Succeeded | Logged::Skipped));
        match said {
            Said::Start | Said::Receipt { .. } => {}
            Said::Step { place, status, .. } => {
                assert!(!self.over, "orchestration_finished");
                assert!(!is_done(self.steps[*place]), "step_done");
                let ready = plan.steps[*place].after.iter().all(|before| is_done(self.steps[*before]));
                assert!(ready, "step_not_ready");
                self.steps[*place] = Some(*status);
            }
            Said::Finish(finished) => {
                assert!(!self.over, "orchestration_finished");
                let all = self.steps.iter().all(|status| is_done(*status));
                assert!(*finished != Finished::Succeeded || all, "step_not_ready");
                self.over = true;
            }
        }
    }
}

/// Steps that wait for some of those before them.
fn any_steps(dice: &mut Dice) -> Vec<StepDefinition> {
    let count = 1 + dice.below(7);
    let name = |place: usize| format!("s{place}");
    let steps = (0..count).map(|place| {
        let before: Vec<String> = (0..place).filter(|_| dice.below(3) == 0).map(name).collect();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        task(&name(place), &before)
    });
    steps.collect()
}

fn any_move(world: &mut World, dice: &mut Dice) {
    let place = dice.below(world.run.steps.len());
    let number = world.run.steps[place].attempt;
    let of = Attempt { place, agent: A, number };
    let (free, now) = (world.run.is_free(&world.plan, place), world.now);
    let waits = world.run.steps[place].status == StepState::Waiting;
    let _ = match dice.below(12) {
        0..=3 if free && waits => world.run.begin(&world.definition, place, None, None, now),
        4..=5 => world.run.claim(place, A, None, 5_000, now),
        6..=7 => world.report(place, number, Ok(json!(place))),
        8 => world.report(place, number, Err((trouble(), dice.below(4) > 0))),
        9 => world.run.hand_off(of, A, now),
        10 => {
            world.now += dice.below(4_000) as u64;
            world.run.expire(&world.definition, world.now);
            Ok(())
        }
        11 if dice.below(12) == 0 => {
            let unchosen: Vec<usize> = (0..world.run.steps.len()).filter(|_| dice.below(2) == 0).collect();
            world.run.branch(&world.plan, &unchosen, &[], now);
            Ok(())
        }
        _ => Ok(()),
    };
}

#[test]
fn the_log_takes_every_record_of_every_run() {
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let mut world = World::new(any_steps(&mut dice));
        let mut reader = Reader { steps: vec![None; world.run.steps.len()], over: false };
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..120 {
            any_move(&mut world, &mut dice);
            let was_over = world.run.status != RunStatus::Running;
            for record in std::mem::take(&mut world.run.outbox) {
                assert!(ids.insert(record.id.clone()), "seed {seed}: {} twice", record.id);
                reader.read(&world.plan, &record.said);
            }
            assert_eq!(was_over, reader.over, "seed {seed}");
            if was_over {
                assert!(world.run.steps.iter().all(|step| step.status.is_over()), "seed {seed}");
                assert_eq!(world.todo(), [], "seed {seed}");
            } else {
                let next = world.run.next_ms(&world.definition, &world.plan, world.now);
                let idle = world.todo().is_empty();
                assert!(next < u64::MAX, "seed {seed}: nobody would look at it again");
                assert!(!idle || next > world.now, "seed {seed}: looked at all the time for nothing");
            }
        }
        *ends.entry(format!("{:?}", world.run.status)).or_insert(0) += 1;
    }
    for end in ["Completed", "Failed", "Running"] {
        assert!(ends.get(end).is_some_and(|count| *count > 50), "{ends:?}");
    }
}

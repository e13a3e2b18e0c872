//! Damaged files that a replay is given: what an earlier one kept, claims, and questions.

#[path = "../../../ledger-format/fuzz/src/damage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "public in the fuzz crate, whose file it is; this crate uses its part"
)]
mod damage;

use ledger_format::{Checkpoint, record::Digest};
use ledger_state::{Command, MemoryState, Outcome, Replayer, status};
use serde_json::Value;

use super::{Claim, ClaimError, Kept, KeptError, Question, Replayed};
use damage::Dice;

/// Records that a small log takes, one of each type.
const POPULATION: &str = include_str!("../../../node/state/fuzz/population");
const TIME_MS: u64 = 1_769_000_000_000;

/// The population as it was replayed.
fn replayed() -> Replayed {
    let mut state = MemoryState::new();
    for record in POPULATION.lines() {
        let append = Command::Append { log_ms: TIME_MS, records: vec![record.as_bytes().to_vec()] };
        let outcomes = state.run(&append).unwrap();
        assert!(matches!(outcomes[..], [Outcome::Sequenced { .. }]), "{outcomes:?}");
    }
    state.run(&Command::Seal { log_ms: TIME_MS }).unwrap();
    let now = status(&state);
    let checkpoint = Checkpoint::new(now.origin.unwrap(), now.size, now.root);
    Replayed { checkpoint, state, state_roots: 1 }
}

/// Every question that a kept state may be asked; an answer or none, and never a panic.
fn ask_everything(replayed: &Replayed, ids: &[String]) -> usize {
    let mut answers = 0;
    for id in ids {
        for kind in ["agent", "session", "trust", "computed", "usage"] {
            let question = Question::parse(&format!("{kind} {id}"));
            answers += usize::from(question.and_then(|question| replayed.ask(question)).is_some());
        }
    }
    for index in 0..replayed.size().min(80) {
        answers += usize::from(replayed.ask(Question::Flags(index)).is_some());
    }
    answers
}

/// The ids that the population names.
fn ids() -> Vec<String> {
    let mut ids: Vec<_> = POPULATION
        .split('"')
        .filter(|word| ["maip-agent:", "maip-sess", "maip-tenant:"].iter().any(|kind| word.starts_with(kind)))
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids.dedup();
    assert!(ids.len() > 5, "{ids:?}");
    ids
}

#[test]
fn what_was_kept_and_is_damaged_is_refused() {
    let good = replayed().keep();
    assert_eq!(Kept::parse(&good).unwrap().size(), status(&replayed().state).size);
    let mut dice = Dice::seeded();
    for _ in 0..damage::cases(1_500) {
        let bad = dice.damage(&good);
        if bad != good {
            let refused = Kept::parse(&bad).map(|kept| kept.size());
            assert!(matches!(refused, Err(KeptError::Form | KeptError::Damaged)), "{refused:?}");
        }
    }
}

/// As from somebody who makes such files: what is read says the same again, answers questions, and a replay goes on from it or says why not.
#[test]
fn what_was_kept_with_another_content_and_its_digest_is_read_as_it_is_or_refused() {
    let (before, ids) = (replayed(), ids());
    let good = before.keep();
    let entries = [next_entry(&before.state)];
    assert!(ask_everything(&before, &ids) as u64 > before.size(), "nothing but flags was answered");
    let head: usize = good.split_inclusive(|byte| *byte == b'\n').take(3).map(<[u8]>::len).sum();
    let leaves = head + 32 * before.state.leaves().len();
    let (mut dice, mut read) = (Dice::seeded(), 0);
    for case in 0..damage::cases(600) {
        let mut bad = match case % 3 {
            0 => [&dice.damage(&good[..head]), &good[head..good.len() - 32]].concat(),
            1 => [&good[..leaves], &dice.damage(&good[leaves..good.len() - 32])].concat(),
            _ => dice.damage(&good[..good.len() - 32]),
        };
        // Lengths and numbers are seldom hit by chance: here, values are other values of the same length.
        if case % 6 == 1 {
            bad = good[..good.len() - 32].to_vec();
            let at = leaves + dice.below(bad.len() - leaves);
            bad[at] = dice.number() as u8;
        }
        bad.extend(Digest::sha256(&bad).bytes);
        let Ok(Kept { origin, state, state_roots }) = Kept::parse(&bad) else { continue };
        read += 1;
        let checkpoint = Checkpoint::new(origin, before.checkpoint.size, before.checkpoint.root);
        let kept = Replayed { checkpoint, state, state_roots };
        assert!(kept.keep() == bad, "another spelling of what was kept");
        ask_everything(&kept, &ids);
        let mut replayer = Replayer::resume(kept.state.clone());
        let size = replayer.size();
        for entry in &entries {
            if replayer.step_unsigned(size, entry).is_err() {
                assert!(replayer.state() == &kept.state, "stands where it stood");
            }
        }
    }
    assert!(read > 50, "only {read} were read");
}

/// The entry that comes next if the last record of the population is sent once more under another id, and sealed.
fn next_entry(state: &MemoryState) -> Vec<u8> {
    let receipt = POPULATION.lines().find(|line| line.contains("\"receipt.action\"")).unwrap();
    let id = receipt.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    let other = format!("{}ZZ", &id[..id.len() - 2]);
    let record = receipt.replace(id, &other).into_bytes();
    let applied = ledger_state::apply(state, &Command::Append { log_ms: TIME_MS, records: vec![record] });
    applied.entries.into_iter().next().expect("it is taken").bytes
}

#[test]
fn a_damaged_claim_is_read_and_compared_or_refused_by_the_name_of_its_member() {
    let replayed = replayed();
    let id = ids().into_iter().find(|id| id.starts_with("maip-agent:")).unwrap();
    let Some(Question::Agent(agent)) = Question::parse(&format!("agent {id}")) else { panic!("{id}") };
    let standing = replayed.standing(agent, TIME_MS).unwrap();
    let good = serde_json::to_vec(&replayed.claim(agent, &standing)).unwrap();
    let right = Claim::parse(&good).unwrap().compare(&replayed).unwrap();
    assert!(right.different.is_empty() && right.equal.len() > 5, "{right:?}");
    let (mut dice, mut compared, mut different) = (Dice::seeded(), 0, 0);
    for _ in 0..damage::cases(4_000) {
        let bad = dice.damage(&good);
        match Claim::parse(&bad) {
            Ok(claim) => {
                let Some(found) = claim.compare(&replayed) else { continue };
                compared += 1;
                different += usize::from(!found.different.is_empty());
                // Whatever was changed is noticed, unless it is only the spelling.
                let same: Value = serde_json::from_slice(&bad).unwrap();
                let claimed = same.as_object().map_or(0, serde_json::Map::len);
                assert_eq!(
                    found.equal.len() + found.different.len() + found.not_compared.len(),
                    claimed,
                    "each member is accounted for"
                );
            }
            Err(ClaimError::Form(text)) => assert!(!text.is_empty()),
            Err(ClaimError::Member(name)) => {
                let members = ["agent", "alg", "as_of", "as_of_size", "factors", "origin", "score_bp"];
                assert!(members.contains(&name), "{name}");
            }
        }
        let _ = Question::parse(&String::from_utf8_lossy(&bad));
    }
    assert!(compared > 50 && different > 20, "{compared} compared, {different} differ");
}

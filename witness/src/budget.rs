//! How often each log may be cosigned in a day.
//!
//! Days are the clock's, in UTC. A count starts again with the day and with the program: the budget protects
//! the disk and the processor, it is not an account.
//!
//! Only what is about to be cosigned and was not cosigned before is counted. Checkpoints are public, so a stranger can replay one: what
//! is refused costs its log nothing, nor does the checkpoint cosigned last, which anybody may have refreshed. A new one needs a note that
//! only the log signs. What refreshes cost is bounded without a count: see [`Signer::repeat`](crate::sign::Signer::repeat).

use std::collections::HashMap;
use std::sync::Mutex;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Requests counted today, by origin.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    today: Mutex<(u64, HashMap<String, u64>)>,
}

impl Budget {
    /// Counts one request; or says in how many seconds the next day begins, if today's are used up.
    pub(crate) fn spend(&self, origin: &str, per_day: Option<u64>, now_ms: u64) -> Result<(), u64> {
        let Some(per_day) = per_day else { return Ok(()) };
        let mut today = self.today.lock().expect("nothing panics under this lock");
        let day = now_ms / DAY_MS;
        if today.0 != day {
            *today = (day, HashMap::new());
        }
        let spent = today.1.entry(origin.to_owned()).or_default();
        if *spent >= per_day {
            return Err(((day + 1) * DAY_MS - now_ms).div_ceil(1000));
        }
        *spent += 1;
        Ok(())
    }
}

#[test]
fn a_budget_lasts_a_day_and_is_per_log() {
    let budget = Budget::default();
    let noon = DAY_MS * 20_000 + DAY_MS / 2;
    assert_eq!(budget.spend("a", Some(2), noon), Ok(()));
    assert_eq!(budget.spend("a", Some(2), noon + 1), Ok(()));
    assert_eq!(budget.spend("a", Some(2), noon + 1_000), Err(12 * 3600 - 1));
    assert_eq!(budget.spend("b", Some(2), noon + 1_000), Ok(()));
    assert_eq!(budget.spend("c", None, noon), Ok(()));
    assert_eq!(budget.spend("a", Some(2), DAY_MS * 20_001), Ok(()));
}

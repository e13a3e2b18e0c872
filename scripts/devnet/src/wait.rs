//! Waiting for something to become true, for a bounded time.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Looks until `condition` gives a value; after `limit` fails with what was awaited and the last thing seen.
///
/// The condition says `Ok(value)`, or `Err(what it saw instead)`, which is only ever shown.
pub fn wait_until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() >= limit => {
                bail!("waited {:.1} s for {what}; last seen: {seen:#}", limit.as_secs_f64())
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// The same for asynchronous conditions.
pub async fn wait_until_async<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match condition().await {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() >= limit => {
                bail!("waited {:.1} s for {what}; last seen: {seen:#}", limit.as_secs_f64())
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

#[test]
fn the_last_thing_seen_is_in_the_error() {
    let mut looks = 0;
    let value = wait_until("a third look", Duration::from_secs(60), || {
        looks += 1;
        if looks == 3 { Ok(looks) } else { bail!("only {looks}") }
    });
    assert_eq!(value.unwrap(), 3);
    let error = wait_until::<()>("rain", Duration::ZERO, || bail!("sun")).unwrap_err();
    assert_eq!(error.to_string(), "waited 0.0 s for rain; last seen: sun");
}

//! A closed loop: each client sends its next request when the last one is answered.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

/// Failed requests that are tolerated, one in so many: a leader change under load may cost a few.
const ONE_FAILURE_IN: usize = 1_000;

/// What one run gave.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Answered requests.
    pub(crate) requests: usize,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Latency of each answered request in microseconds, ascending.
    pub(crate) latencies_us: Vec<u64>,
    /// Processor time in seconds: leader, the other nodes, witnesses, this program. Zero where nobody looked.
    pub(crate) cpu_s: [f64; 4],
}

impl Measured {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Cores that were busy: leader, the other nodes, witnesses, this program.
    pub(crate) fn cores(&self) -> [f64; 4] {
        self.cpu_s.map(|seconds| seconds / self.elapsed.as_secs_f64())
    }

    /// The latency that `percent` of the requests did not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        percentile(&self.latencies_us, percent) as f64 / 1_000.0
    }
}

/// The value that `percent` of the ascending values do not exceed; 0 when there are none.
pub(crate) fn percentile(ascending: &[u64], percent: usize) -> u64 {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied().unwrap_or(0)
}

/// Runs `clients` clients until `work` requests have been sent or `limit` has passed.
///
/// `client(number)` makes a client; a client is called with the place of its next piece of work.
pub(crate) async fn closed_loop<C, F>(
    clients: usize,
    work: usize,
    limit: Duration,
    client: impl Fn(usize) -> C,
) -> Result<Measured>
where
    C: FnMut(usize) -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let failure = Arc::new(Mutex::new((0usize, None)));
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(clients);
    for number in 0..clients {
        let mut call = client(number);
        let (next, failure) = (Arc::clone(&next), Arc::clone(&failure));
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < limit {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= work {
                    break;
                }
                let sent = Instant::now();
                match call(place).await {
                    Ok(()) => latencies.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX)),
                    Err(error) => {
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        failure.0 += 1;
                        failure.1.get_or_insert(error);
                    }
                }
            }
            latencies
        }));
    }
    let mut latencies_us = Vec::new();
    for task in tasks {
        latencies_us.extend(task.await?);
    }
    let elapsed = start.elapsed();
    latencies_us.sort_unstable();
    let requests = latencies_us.len();
    let (failed, first) = {
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        (failure.0, failure.1.take())
    };
    ensure!(
        failed * ONE_FAILURE_IN <= requests,
        "{failed} of {} requests failed; the first: {}",
        failed + requests,
        first.map_or_else(String::new, |error| format!("{error:#}"))
    );
    Ok(Measured { requests, elapsed, latencies_us, cpu_s: [0.0; 4] })
}

#[test]
fn percentiles_of_small_sets() {
    let values: Vec<u64> = (1..=100).collect();
    for (percent, expected) in [(50, 50), (99, 99), (100, 100), (1, 1)] {
        assert_eq!(percentile(&values, percent), expected);
    }
    assert_eq!(percentile(&[7], 99), 7);
    assert_eq!(percentile(&[], 50), 0);
}

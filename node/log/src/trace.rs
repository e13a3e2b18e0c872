//! The trace id of a request: made where it arrives, in every log line about it, and carried to the other nodes.
//!
//! A batch holds records of many requests; it travels under the id of its first one.

use std::{
    fmt,
    future::Future,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

tokio::task_local! {
    static CURRENT: TraceId;
}

/// 16 bytes, printed as 32 lower-case hex digits as in W3C trace context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

impl TraceId {
    /// A fresh id: random for the process, counted within it. An id is a convenience, not a secret, and a system call for
    /// each request would be dear.
    pub fn fresh() -> Self {
        static BASE: OnceLock<u128> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let base = *BASE.get_or_init(|| {
            let mut base = [0; 16];
            if getrandom::fill(&mut base).is_err() {
                tracing::warn!("no randomness for trace ids: they repeat after a restart");
            }
            u128::from_be_bytes(base)
        });
        let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed));
        Self(base.wrapping_add(count).to_be_bytes())
    }

    /// The id in a `traceparent` header (`00-<32 hex>-<16 hex>-<2 hex>`), unless it is malformed or all zero.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let (version, id, parent) = (parts.next()?, parts.next()?, parts.next()?);
        if version.len() != 2 || version == "ff" || parent.len() != 16 {
            return None;
        }
        Self::parse(id)
    }

    /// 32 lower-case hex digits, not all zero.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        let id = u128::from_str_radix(hex, 16).ok().filter(|&id| id != 0)?;
        Some(Self(id.to_be_bytes()))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// The trace id of the request that this task serves.
pub fn current() -> Option<TraceId> {
    CURRENT.try_with(|id| *id).ok()
}

/// Runs `work` under a trace id.
pub async fn scope<F: Future>(id: TraceId, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_only_when_well_formed() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let cases = [
            (format!("00-{id}-b7ad6b7169203331-01"), true),
            (format!("01-{id}-b7ad6b7169203331-01-later"), true),
            (format!("ff-{id}-b7ad6b7169203331-01"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            (format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()), false),
            (format!("00-{id}"), false),
            (String::new(), false),
        ];
        for (header, taken) in cases {
            let got = TraceId::from_traceparent(&header).map(|id| id.to_string());
            assert_eq!(got.as_deref(), taken.then_some(id), "{header}");
        }
    }

    #[tokio::test]
    async fn the_id_is_known_inside_the_request_only() {
        assert_eq!(current(), None);
        let id = TraceId::fresh();
        assert_eq!(scope(id, async { current() }).await, Some(id));
        assert_eq!(current(), None);
    }
}

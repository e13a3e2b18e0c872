//! How many live streams there are on this node, by credential.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::ApiError;

/// Most live streams of one credential on a node.
pub(crate) const STREAMS_OF_CREDENTIAL_MAX: usize = 8;
/// Most live streams on a node.
const STREAMS_MAX: usize = 512;
/// When a place may be free again, seconds.
const RETRY_AFTER_S: u32 = 5;

/// The open streams.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// A place among the open streams, until it is dropped.
pub(crate) struct StreamSlot {
    streams: Streams,
    who: String,
}

impl Streams {
    /// One more stream of `who`, or 429.
    pub(crate) fn open(&self, who: &str) -> Result<StreamSlot, ApiError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= STREAMS_MAX {
            return Err(ApiError::busy("this node has too many live streams open", RETRY_AFTER_S));
        }
        let own = open.entry(who.to_owned()).or_default();
        if *own >= STREAMS_OF_CREDENTIAL_MAX {
            let message = format!("the credential has {STREAMS_OF_CREDENTIAL_MAX} live streams open already");
            return Err(ApiError::busy(message, RETRY_AFTER_S));
        }
        *own += 1;
        Ok(StreamSlot { streams: self.clone(), who: who.to_owned() })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_so_many_places_and_gets_them_back() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..STREAMS_OF_CREDENTIAL_MAX).map(|_| streams.open("a").unwrap()).collect();
        assert_eq!(streams.open("a").map(drop).unwrap_err().status, 429);
        let other = streams.open("b").unwrap();
        open.pop();
        open.push(streams.open("a").unwrap());
        drop((open, other));
        assert!(streams.0.lock().unwrap().is_empty());
    }
}

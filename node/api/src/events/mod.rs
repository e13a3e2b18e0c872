//! Events: what happened in a log, told to whoever asks or listens.
//!
//! An event is a view of one record of a tenant, and each record is one event. So nothing can be lost or told twice under two names:
//! an event's id is made of the log and the index of its entry, the same on every node, and whoever knows the last id that it has seen
//! goes on behind it on any other node.

mod event;
mod feed;
mod pattern;
mod search;
mod streams;
mod timings;
mod types;

pub(crate) use event::Event;
pub(crate) use feed::{Feed, Filter, parse_id};
pub(crate) use pattern::EventPattern;
pub(crate) use streams::{StreamSlot, Streams};
pub(crate) use timings::{Timings, percentiles};
pub(crate) use types::{EMITTED, TYPES, USAGE_THRESHOLD, is_reserved, is_word, word_fits, words};

//! Scale by measurement and on paper: a log is written at several sizes, lines are put through what was measured, and the lines say what a
//! billion entries and a thousand logs would take.
//!
//! The only part of this crate that is no function of a seed: it measures. Each size is measured by a process of its own
//! (`ledger-log` example `scale_point`), so that memory and processor time are that size's.

mod fit;
mod plan;
mod point;
mod report;

pub use fit::{Line, error_at_largest};
pub use plan::{Assumed, Fits, Row, bytes};
pub use point::{NAMES, Point};
pub use report::{json, text};

//! Runs of workflows.
//!
//! ```text
//! author ─> Definition ─plan─> Plan
//! ```
//!
//! What decides is pure: a definition's faults, the order of its steps, the value of an expression follow from their input alone.

mod definition;
mod expression;
mod graph;
pub(crate) mod shelf;

pub(crate) use definition::{Definition, Plan, Retry, STEP_TIMEOUT_S, StepDefinition, StepType, Wrong};

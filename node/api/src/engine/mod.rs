//! Runs of workflows.
//!
//! ```text
//! author ─> Definition ─plan─> Plan ┐
//!                                   ├─> todo ─> ask, perform (I/O) ─> moves ─> Run with an outbox ─> records in the log
//! caller, agents, time ─> Run ──────┘                               (pure)   (private state, compare and swap)
//! ```
//!
//! What decides is pure: a definition's faults, the order of its steps, the value of an expression, what follows from a move. A run is one
//! value in the private state of its log, changed by compare and swap; the records that a move calls for are part of the value, with
//! ids and times that are fixed before they are sent. **Invariant:** a move and its records are taken together or not at all: whoever
//! leads next sends the same bytes again, and the log has them once. The leader of a log drives its runs, a few of each tenant at once;
//! agents' calls reach any node.

mod ask;
mod definition;
mod drive;
mod ends;
mod expression;
mod flush;
mod graph;
mod keep;
mod moves;
mod offers;
mod perform;
mod run;
pub(crate) mod shelf;
#[cfg(test)]
mod tests;
mod todo;
mod turns;

pub(crate) use ask::foresee;
pub(crate) use definition::{
    Definition, Plan, PlannedStep, Retry, STEP_TIMEOUT_S, StepDefinition, StepType, Task, Wrong,
};
pub(crate) use drive::Engine;
pub use drive::run_workflows;
pub(crate) use flush::flush;
pub(crate) use keep::{Kept, Runs};
pub(crate) use moves::{Attempt, Cannot, Outcome};
pub(crate) use run::{INPUT_BYTES_MAX, Opening, Run, RunStatus, StepRun, StepState, Trouble};

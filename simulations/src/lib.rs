//! Years of bad luck in minutes, from one seed.
//!
//! - [`population`]: a hundred thousand agents of stated kinds live through a year of the real state machine; how well does
//!   the trust score tell the bad from the good?
//! - [`model`]: the protocol that keeps the log from forking, explored to the end within bounds; each rule carries weight.
//!
//! - [`scale`]: what a log costs at several sizes, measured, and what larger ones would take.
//!
//! All but the last is a function of a seed: no clock, no randomness of the machine, no map without an order. The same seed
//! gives the same story on every machine.

#[cfg(simulation)]
pub mod cluster;
pub mod dice;
pub mod model;
pub mod population;
pub mod scale;

//! A log in memory, its files, and ways to run `maip`.

pub(crate) mod http;
pub(crate) mod node;
pub(crate) mod run;
pub(crate) mod shelf;
pub(crate) mod world;

pub(crate) use run::{Ran, maip};
pub(crate) use shelf::Shelf;
pub(crate) use world::{NOW_S, World, agent_key, tenant_key};

//! What every endpoint of the MAIP API shares: one declaration that mounts it and describes it.
//!
//! ```text
//! group.post("/v1/agents", "register_agent", register).summary("Register an agent").needs("agents:write").answers(201);
//!
//! request ─> who calls (Caller) ─> may it (scope, tenant, rate) ─> input (query, body) ─> handler ─> Reply
//!                                                                                          │
//!                                                                        Context: views of state, records
//! ```
//!
//! A handler is `async fn(Context, Query, Body) -> Result<Reply<Answer>, ApiError>`. Its types say what the OpenAPI document
//! says, so the document cannot tell of an endpoint that is not mounted, nor of a field that is not read.

mod complete;
mod context;
mod document;
mod glossary;
mod input;
mod lease;
mod mount;
mod newcomer;
mod objects;
mod operation;
mod page;
mod precondition;
mod refusals;
mod reply;
mod routes;
mod walk;

pub(crate) use context::{Context, Logged, notes_place, write_receipt};
pub(crate) use document::document;
#[cfg(test)]
pub(crate) use document::faults;
pub(crate) use input::{BodyInput, NoBody, NoQuery, QueryInput, either, one_of};
pub(crate) use lease::Lease;
pub(crate) use mount::mount;
pub(crate) use operation::{Access, Operation};
pub(crate) use page::{Listed, Page, Paged};
pub(crate) use reply::Reply;
pub(crate) use routes::{Routes, reference};
pub(crate) use walk::LOOKS_MAX;

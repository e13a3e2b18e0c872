//! The values that bodies, queries and answers are made of. Each says in the OpenAPI document what its reader enforces.

mod any;
mod base64;
mod content_hash;
mod csv;
mod digest;
mod email;
mod fraction;
mod hash;
mod hex;
mod id;
mod key;
mod link;
mod metadata;
mod name;
mod receipt;
mod scope;
mod text;
mod time;
mod word;

pub(crate) use any::AnyJson;
pub(crate) use base64::{Base64Text, PATTERN as BASE64_PATTERN};
pub(crate) use content_hash::ContentHash;
pub(crate) use csv::csv_cell;
pub(crate) use digest::DigestText;
pub(crate) use email::EmailText;
pub(crate) use fraction::Fraction;
pub(crate) use hash::RecordHashText;
pub(crate) use hex::hex;
pub(crate) use id::{
    AgentRef, ClaimRef, DatasetRef, DelegationRef, Id, IdKind, ModelRef, ReceiptRef, SessionRef, TenantRef,
    ToolRef, VoteRef, WorkflowRef, article, schema as id_schema,
};
pub(crate) use key::PublicKeyText;
pub(crate) use link::LinkText;
pub(crate) use metadata::{Metadata, Payload};
pub(crate) use name::{reason, record_name, token};
pub(crate) use receipt::{WriteReceipt, Written, WrittenAt};
pub(crate) use scope::{SCOPE_PATTERN, ScopeObject, ScopeText};
pub(crate) use text::{DescriptionText, NameText, ReasonText, Text, Whole};
pub(crate) use time::{TimeText, time_text};
pub(crate) use word::{CurrencyText, KeyIdText, OriginText};

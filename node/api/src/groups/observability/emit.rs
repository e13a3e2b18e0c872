//! A caller's own event: a receipt of the kind `event`.

use std::borrow::Cow;

use ledger_format::record::{Body, DetailValue, ReceiptStatement};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use super::list::feed;
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply},
    events::{EMITTED, Event, is_reserved, is_word},
    groups::receipts::{ReceiptNotes, hex, salted_digest},
    wire::{AgentRef, Metadata, Text, WriteReceipt},
};

/// The word of an event that a caller makes.
struct EventWord(String);

impl<'de> Deserialize<'de> for EventWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if !is_word(&text) {
            return Err(de::Error::custom(
                "is not the word of an event: parts of a-z 0-9 _ - between dots, at most 64 characters",
            ));
        }
        Ok(Self(text.into_owned()))
    }
}

impl PartialSchema for EventWord {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(64));
        text.pattern(Some(r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"))
            .description(Some("What happened, in a word of the caller's own: `acme.invoice_paid`."))
            .into()
    }
}

impl ToSchema for EventWord {
    fn name() -> Cow<'static, str> {
        "EventWord".into()
    }
}

/// An event to be emitted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmitEvent {
    event_type: EventWord,
    /// The agent that it is about.
    agent_id: AgentRef,
    /// What else it is about, in the caller's words.
    #[serde(default)]
    resource_id: Option<Text<1, 256>>,
    #[serde(default, alias = "payload")]
    metadata: Option<Metadata>,
}

impl BodyInput for EmitEvent {}

/// The event, and its place in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct EmittedEvent {
    #[serde(flatten)]
    event: Event,
    leaf_hash: String,
    ack: &'static str,
}

pub(super) async fn emit(
    mut context: Context,
    _: NoQuery,
    body: EmitEvent,
) -> Result<Reply<EmittedEvent>, ApiError> {
    let agent = body.agent_id.0;
    context.own_agent(agent, "agent_id")?;
    if is_reserved(&body.event_type.0) {
        let message = "is an event that a record of the protocol makes, so nobody can emit it";
        return Err(ApiError::unprocessable(message)
            .field("event_type")
            .fix("use a word of your own, such as acme.invoice_paid"));
    }
    let feed = feed(&context)?;
    let id = context.new_id()?;
    let mut payload = Map::new();
    if let Some(resource) = body.resource_id {
        payload.insert("resource_id".into(), resource.into_string().into());
    }
    payload.insert("metadata".into(), Value::Object(body.metadata.unwrap_or_default().0));
    let salt = hex(&context.draw("salt")?[..16]);
    let notes = ReceiptNotes { salt, payload: Some(payload.clone()), ..ReceiptNotes::default() };
    let text = |text: String| DetailValue::Text(text);
    let statement = ReceiptStatement {
        agent,
        detail: Some(vec![
            ("kind".into(), text(EMITTED.into())),
            ("payload".into(), text(salted_digest(&notes.salt, &payload))),
        ]),
        input: None,
        on_behalf_of: context.on_behalf_of()?,
        output: None,
        subject: Some(body.event_type.0),
    };
    let logged = context.record_noted(id, Body::ReceiptClaim(Box::new(statement)), id, &notes).await?;
    let event = feed.at(logged.index)?.ok_or_else(|| ApiError::internal("a logged event is not there"))?;
    let WriteReceipt { leaf_hash, ack, .. } = logged.receipt;
    Ok(Reply::new(EmittedEvent { event, leaf_hash, ack }).at(logged.index))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_has_a_word() {
        let read = |word: &str| serde_json::from_value::<EventWord>(json!(word)).map(|word| word.0).ok();
        assert_eq!(read("acme.invoice_paid").as_deref(), Some("acme.invoice_paid"));
        for bad in ["Acme", "a..b", "", "agent.*"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

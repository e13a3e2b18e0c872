//! What callers say of a webhook.

use std::borrow::Cow;

use ledger_format::record::Ulid;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    endpoint::BodyInput,
    events::EventPattern,
    webhooks::WebhookStatus,
    wire::{DescriptionText, IdKind, NameText, Whole},
};

/// Longest URL.
const URL_CHARS_MAX: usize = 2_048;

/// Id of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WebhookId(pub(super) Ulid);

impl IdKind for WebhookId {
    const WHAT: &'static str = "webhook";
    const PREFIX: &'static str = "maip-hook:";

    fn read(text: &str) -> Option<Self> {
        let text = text.replace("%3A", ":");
        Ulid::parse_any(text.strip_prefix(Self::PREFIX).unwrap_or(&text)).map(Self)
    }
}

/// Where events are sent.
pub(super) struct TargetUrl(pub(super) String);

impl<'de> Deserialize<'de> for TargetUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if text.len() > URL_CHARS_MAX || !plain || host.is_empty() || host.contains('@') {
            return Err(de::Error::custom(
                "is not the URL of a target: http or https, a host without a user, at most 2048 ASCII characters",
            ));
        }
        Ok(Self(text.into_owned()))
    }
}

impl PartialSchema for TargetUrl {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(URL_CHARS_MAX));
        text.pattern(Some(r#"^https?://[!-"$-.0->A-~]+([/?#][!-~]*)?$"#))
            .description(Some("An address of the public internet unless the operator allows others."))
            .examples([serde_json::json!("https://example.com/hooks/maip")])
            .into()
    }
}

impl ToSchema for TargetUrl {
    fn name() -> Cow<'static, str> {
        "TargetUrl".into()
    }
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateWebhook {
    pub(super) url: TargetUrl,
    /// What people call it: its description, when that is not said.
    #[serde(default)]
    pub(super) name: Option<NameText>,
    /// What it is sent; everything when nothing is said.
    #[serde(default, alias = "events", alias = "event_filters")]
    #[schema(min_items = 1, max_items = 64)]
    pub(super) event_types: Option<Vec<EventPattern>>,
    #[serde(default)]
    pub(super) description: Option<DescriptionText>,
    /// Attempts before an event becomes a dead letter; 8 when nothing is said.
    #[serde(default)]
    pub(super) max_attempts: Option<Whole<1, 16>>,
}

impl BodyInput for CreateWebhook {}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateWebhook {
    #[serde(default)]
    pub(super) url: Option<TargetUrl>,
    /// What it is sent.
    #[serde(default, alias = "events")]
    #[schema(min_items = 1, max_items = 64)]
    pub(super) event_types: Option<Vec<EventPattern>>,
    #[serde(default)]
    pub(super) description: Option<DescriptionText>,
    /// Attempts before an event becomes a dead letter.
    #[serde(default)]
    pub(super) max_attempts: Option<Whole<1, 16>>,
    #[serde(default)]
    pub(super) status: Option<WantedStatus>,
}

impl BodyInput for UpdateWebhook {}

/// What its owner can make of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WantedStatus {
    /// It is sent events.
    Active,
    /// Events wait.
    Paused,
}

impl From<WantedStatus> for WebhookStatus {
    fn from(wanted: WantedStatus) -> Self {
        match wanted {
            WantedStatus::Active => Self::Active,
            WantedStatus::Paused => Self::Paused,
        }
    }
}

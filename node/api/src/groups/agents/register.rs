//! Registering an agent, as each of the published clients asks for it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger_format::record::{AgentId, AgentRegister, AgentType, Body, PublicKey, Scope, SigningKey};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::view::{AgentNotes, AgentView, agent_view};
use crate::{
    ApiError,
    account::quota,
    endpoint::{BodyInput, Context, NoQuery, Reply, either, one_of},
    wire::{
        AgentRef, DescriptionText, Metadata, NameText, PublicKeyText, ScopeObject, ScopeText, Text,
        record_name,
    },
};

/// An agent to be registered: as the API has it, or as the older SDKs send it.
pub(super) enum RegisterAgent {
    /// As the API has it.
    Native(NativeAgent),
    /// As the older SDKs send it.
    Sdk(SdkAgent),
}

impl BodyInput for RegisterAgent {}

one_of!(RegisterAgent: NativeAgent, SdkAgent);

impl<'de> Deserialize<'de> for RegisterAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_sdk =
            |body: &serde_json::Value| body.get("scope").is_some() || body.get("publicKey").is_some();
        either(deserializer, is_sdk, RegisterAgent::Sdk, RegisterAgent::Native)
    }
}

/// An agent to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NativeAgent {
    /// What people call it.
    #[serde(alias = "name")]
    display_name: NameText,
    /// `autonomous`, `supervised`, `delegated` or `system`; any other word says what kind of program it is, and the agent is
    /// autonomous.
    #[serde(default, alias = "type")]
    agent_type: Option<Text<1, 64>>,
    #[serde(default)]
    description: Option<DescriptionText>,
    /// What it may do; with `!`, what it must not do. Nothing when left out.
    #[serde(default, alias = "capabilities")]
    #[schema(max_items = 256)]
    scopes: Option<Vec<ScopeText>>,
    /// Kept by the nodes, not in the log.
    #[serde(default)]
    metadata: Option<Metadata>,
    /// The agent's Ed25519 public key, base64url. Without one, a key pair is made and shown once.
    #[serde(default)]
    public_key: Option<PublicKeyText>,
    /// The agent above it; of what an agent's own token registers, that agent.
    #[serde(default)]
    parent_agent_id: Option<AgentRef>,
}

/// An agent to be registered, as the older SDKs send it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SdkAgent {
    /// What people call it.
    name: NameText,
    scope: ScopeObject,
    /// The agent's Ed25519 public key.
    #[serde(default, rename = "publicKey")]
    public_key: Option<PublicKeyText>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

/// What both say.
struct Wanted {
    name: NameText,
    agent_type: Option<String>,
    scopes: Vec<ScopeText>,
    public_key: Option<PublicKey>,
    parent: Option<AgentId>,
    notes: AgentNotes,
}

impl From<RegisterAgent> for Wanted {
    fn from(body: RegisterAgent) -> Self {
        match body {
            RegisterAgent::Native(body) => Wanted {
                agent_type: body.agent_type.map(Text::into_string),
                scopes: body.scopes.unwrap_or_default(),
                public_key: body.public_key.map(|key| key.0),
                parent: body.parent_agent_id.map(|id| id.0),
                notes: AgentNotes {
                    description: body.description.map(Text::into_string).unwrap_or_default(),
                    metadata: body.metadata.unwrap_or_default().0,
                    ..AgentNotes::default()
                },
                name: body.display_name,
            },
            RegisterAgent::Sdk(body) => Wanted {
                agent_type: None,
                scopes: body.scope.scopes(),
                public_key: body.public_key.map(|key| key.0),
                parent: None,
                notes: AgentNotes {
                    metadata: body.metadata.unwrap_or_default().0,
                    scope: Some(body.scope.into_value()),
                    ..AgentNotes::default()
                },
                name: body.name,
            },
        }
    }
}

pub(super) async fn register(
    mut context: Context,
    _: NoQuery,
    body: RegisterAgent,
) -> Result<Reply<AgentView>, ApiError> {
    let Wanted { name, agent_type, scopes, public_key, parent, mut notes } = body.into();
    quota::agents(&context)?;
    // What an agent registers is below it, and ends with it.
    let parent = parent.or(context.caller()?.agent());
    if let Some(parent) = parent {
        context.acting_agent(parent, "parent_agent_id")?;
    }
    let (scopes, denies) = sorted_scopes(&scopes, "scopes")?;
    let id = context.new_id()?;
    let (key, private_key) = match public_key {
        Some(key) => (key, None),
        None => {
            let seed = context.draw("agent key")?;
            (SigningKey::from_seed(seed).public(), Some(URL_SAFE_NO_PAD.encode(seed)))
        }
    };
    let (kind, runtime_type) = types(agent_type.as_deref());
    notes.agent_type = agent_type.filter(|_| runtime_type.is_some());
    let (record_name, whole) = record_name(name.as_str());
    notes.display_name = whole;
    let agent = AgentId(id);
    let logged = context
        .record_noted(
            id,
            Body::AgentRegister(Box::new(AgentRegister {
                agent,
                denies,
                key,
                name: record_name,
                on_behalf_of: context.on_behalf_of()?,
                parent,
                runtime_type,
                scopes,
                agent_type: kind,
            })),
            id,
            &notes,
        )
        .await?;
    let view =
        agent_view(&context, agent)?.ok_or_else(|| ApiError::internal("a registered agent is not there"))?;
    Ok(Reply::new(view.logged(logged.receipt, private_key)).at(logged.index))
}

/// The type of the protocol, and the word for the program, of what callers call a type.
fn types(word: Option<&str>) -> (AgentType, Option<String>) {
    match word {
        None => (AgentType::Autonomous, None),
        Some(word) => match AgentType::parse(word) {
            Some(kind) => (kind, None),
            None => (AgentType::Autonomous, Some(crate::wire::token(word))),
        },
    }
}

/// Scopes and denials, each sorted and once, as a record has them.
pub(super) fn sorted_scopes(texts: &[ScopeText], field: &str) -> Result<(Vec<Scope>, Vec<Scope>), ApiError> {
    let (mut scopes, mut denies) = (Vec::new(), Vec::new());
    for (at, text) in texts.iter().enumerate() {
        let refused = |error| ApiError::unprocessable(error).field(format!("{field}[{at}]"));
        let (scope, denied) = text.scope().map_err(refused)?;
        if denied { &mut denies } else { &mut scopes }.push(scope);
    }
    for list in [&mut scopes, &mut denies] {
        list.sort_unstable();
        list.dedup();
    }
    Ok((scopes, denies))
}

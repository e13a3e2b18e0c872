//! The export: records in the order of the log, as lines of JSON or as a table.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    super::receipts::Found,
    event::{COLUMNS, event},
    event_type::EventTypeText,
    rows::{Span, oldest},
};
use crate::{
    ApiError,
    endpoint::{Context, NoBody, QueryInput},
    wire::{AgentRef, TimeText, Whole, csv_cell},
};

/// Most records of one export.
const RECORDS_MAX: usize = 10_000;
/// Names the `from_index` of the next part.
const NEXT_INDEX: &str = "x-next-index";

/// Which records, in which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportAudit {
    /// `jsonl` when nothing is said.
    #[serde(default)]
    #[param(inline)]
    format: Option<AuditForm>,
    /// A record type such as `agent.register`, or the word before its dot for all of a family: `agent`.
    #[serde(default)]
    #[param(inline)]
    event_type: Option<EventTypeText>,
    /// Only about this agent.
    #[serde(default)]
    #[param(inline)]
    agent_id: Option<AgentRef>,
    /// From this time of the log on.
    #[serde(default)]
    #[param(inline)]
    from: Option<TimeText>,
    /// Up to this time of the log.
    #[serde(default)]
    #[param(inline)]
    to: Option<TimeText>,
    /// From this entry on: `X-Next-Index` of the part before.
    #[serde(default)]
    #[param(inline)]
    from_index: Option<Whole<0, 9_007_199_254_740_991>>,
}

impl QueryInput for ExportAudit {}

/// The form of an export.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AuditForm {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// A table.
    Csv,
}

pub(super) async fn export(context: Context, query: ExportAudit, _: NoBody) -> Result<Response, ApiError> {
    let types = query.event_type.map_or_else(Vec::new, |types| types.0);
    let agent = query.agent_id.map(|agent| agent.0);
    if let Some(agent) = agent {
        context.own_agent(agent, "agent_id")?;
    }
    let mut span = Span::of(&context, query.from, query.to).await?;
    span.from = span.from.max(query.from_index.map_or(0, Whole::get)).min(span.to);
    let (rows, next) = oldest(&context, &types, agent, span, RECORDS_MAX)?;
    let form = query.format.unwrap_or_default();
    let mut text = if form == AuditForm::Csv { COLUMNS.join(",") + "\r\n" } else { String::new() };
    for row in &rows {
        let Some(found) = Found::of_row(&context, row)? else { continue };
        let event = serde_json::to_value(event(&found)?).map_err(ApiError::internal)?;
        match form {
            AuditForm::Jsonl => text += &line(event, &found),
            AuditForm::Csv => text += &table_row(&event),
        }
    }
    let (kind, ending) = match form {
        AuditForm::Jsonl => ("application/jsonl", "jsonl"),
        AuditForm::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let name = format!("attachment; filename=\"audit-{}-{}.{ending}\"", span.from, span.to);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?),
    ];
    let mut response = (headers, text).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(NEXT_INDEX, next.into());
    }
    Ok(response)
}

/// The event with its entry: what the leaf hash is of.
fn line(mut event: Value, found: &Found) -> String {
    if let Some(members) = event.as_object_mut() {
        members.insert("entry_base64".into(), STANDARD.encode(&found.entry).into());
    }
    let mut line = String::new();
    // Writing into a text does not fail.
    let _ = writeln!(line, "{event}");
    line
}

fn table_row(event: &Value) -> String {
    let cell = |name: &&str| match &event[*name] {
        Value::Null => String::new(),
        Value::String(cell) => csv_cell(cell),
        other => other.to_string(),
    };
    COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}

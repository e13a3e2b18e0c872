//! Searching and exporting receipts of issuers.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger_format::record::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::receipts::{AnyReceipt, Wanted, platform_view};
use crate::{
    ApiError,
    account::Changes,
    endpoint::{BodyInput, Context, NoBody, NoQuery, Page, Paged, Reply},
    groups::receipts::{ReceiptStatus, hex},
    wire::{AgentRef, Text, TimeText, Whole, csv_cell, time_text},
};

/// Most receipts of an export.
const EXPORT_ITEMS_MAX: usize = 10_000;
/// Receipts read at once for an export.
const EXPORT_PAGE: usize = 200;
/// How long an export can be fetched.
const EXPORT_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// What is looked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchReceipts {
    /// Looked for in ids, types, subjects, payloads and metadata, without regard to case.
    #[serde(default)]
    q: Option<Text<0, 256>>,
    #[serde(default)]
    issuer_id: Option<AgentRef>,
    #[serde(default)]
    receipt_type: Option<Text<1, 128>>,
    #[serde(default)]
    status: Option<ReceiptStatus>,
    #[serde(default, alias = "from")]
    from_date: Option<TimeText>,
    #[serde(default, alias = "to")]
    to_date: Option<TimeText>,
    #[serde(default)]
    limit: Option<Whole<1, 200>>,
    #[serde(default)]
    offset: Option<Whole<0, 10_000>>,
}

impl BodyInput for SearchReceipts {
    const REQUIRED: bool = false;
}

pub(super) async fn search(
    mut context: Context,
    _: NoQuery,
    body: SearchReceipts,
) -> Result<Reply<Paged<AnyReceipt>>, ApiError> {
    let limit = body.limit.map_or(Page::default().limit, |limit| limit.get() as usize);
    let offset = body.offset.map_or(0, |offset| offset.get() as usize);
    context.page = Page { limit, offset, cursor: None };
    let wanted = Wanted {
        issuer: body.issuer_id.map(|issuer| issuer.0),
        receipt_type: body.receipt_type.map(Text::into_string),
        status: body.status,
        from: body.from_date,
        to: body.to_date,
    };
    let needle = body.q.map(|q| q.as_str().to_lowercase()).unwrap_or_default();
    let page = wanted.page(&context, |context, found| {
        let view = platform_view(context, found)?;
        let text = serde_json::to_string(&view).map_err(ApiError::internal)?;
        let fits = needle.is_empty() || text.to_lowercase().contains(&needle);
        Ok(fits.then(|| AnyReceipt::Platform(Box::new(view))))
    });
    Ok(Reply::new(page.await?))
}

/// Which receipts, in which form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportReceipts {
    #[serde(default)]
    format: Option<ExportFormat>,
    #[serde(default)]
    filters: Option<ExportFilters>,
}

impl BodyInput for ExportReceipts {
    const REQUIRED: bool = false;
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ExportFormat {
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// A table of what they have in common.
    Csv,
}

/// Which receipts.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExportFilters {
    #[serde(default)]
    #[schema(value_type = Option<AgentRef>)]
    issuer_id: Option<String>,
    #[serde(default)]
    #[schema(max_length = 128)]
    receipt_type: Option<String>,
    #[serde(default)]
    status: Option<ReceiptStatus>,
    #[serde(default, alias = "from")]
    #[schema(value_type = Option<TimeText>)]
    from_date: Option<String>,
    #[serde(default, alias = "to")]
    #[schema(value_type = Option<TimeText>)]
    to_date: Option<String>,
}

impl ExportFilters {
    fn wanted(&self) -> Result<Wanted, ApiError> {
        let refused = |field: &str, why: &str| ApiError::unprocessable(why).field(format!("filters.{field}"));
        let time = |field: &str, text: &Option<String>| {
            text.as_deref().map(|text| TimeText::parse(text).map_err(|why| refused(field, why))).transpose()
        };
        let issuer = self.issuer_id.as_deref().map(|text| {
            ledger_format::record::AgentId::parse_any(text)
                .ok_or_else(|| refused("issuer_id", "is not the id of an issuer"))
        });
        Ok(Wanted {
            issuer: issuer.transpose()?,
            receipt_type: self.receipt_type.clone(),
            status: self.status,
            from: time("from_date", &self.from_date)?,
            to: time("to_date", &self.to_date)?,
        })
    }
}

/// An export, as it is kept: a question about the log up to an index, answered when it is fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Export {
    tenant: String,
    format: ExportFormat,
    filters: ExportFilters,
    /// Entries that it looks at.
    size: u64,
    created_ms: u64,
}

/// An export.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportView {
    export_id: String,
    id: String,
    /// `completed`: it can be downloaded.
    status: &'static str,
    format: ExportFormat,
    /// Path on this API, with the same credential.
    download_url: String,
    /// Entries of the log that it looks at.
    tree_size: u64,
    created_at: String,
    expires_at: String,
}

fn export_view(id: &str, export: &Export) -> ExportView {
    ExportView {
        export_id: id.to_owned(),
        id: id.to_owned(),
        status: "completed",
        format: export.format,
        download_url: format!("/v1/receipts/exports/{id}/download"),
        tree_size: export.size,
        created_at: time_text(export.created_ms),
        expires_at: time_text(export.created_ms + EXPORT_KEPT_MS),
    }
}

fn place(id: &str) -> String {
    format!("receipt-exports/{id}")
}

pub(super) async fn export(
    mut context: Context,
    _: NoQuery,
    body: ExportReceipts,
) -> Result<Reply<ExportView>, ApiError> {
    let filters = body.filters.unwrap_or_default();
    let wanted = filters.wanted()?;
    if let Some(issuer) = wanted.issuer {
        super::issuers::own_issuer(&context, issuer, "filters.issuer_id")?;
    }
    let id = hex(&context.draw("export")?[..16]);
    let export = Export {
        tenant: TenantId(context.tenant()?).to_string(),
        format: body.format.unwrap_or(ExportFormat::Json),
        filters,
        size: context.reader.applied_size(),
        created_ms: context.now_ms,
    };
    let expires = Some(context.now_ms + EXPORT_KEPT_MS);
    context.shared.store.change(Changes::default().put(&place(&id), &export, expires)?).await?;
    Ok(Reply::new(export_view(&id, &export)))
}

fn own_export(context: &Context) -> Result<(String, Export), ApiError> {
    let id = context.word("export_id").to_owned();
    let tenant = TenantId(context.tenant()?).to_string();
    let kept = context.shared.store.get::<Export>(&place(&id))?.map(|(export, _)| export);
    let export = kept.filter(|export| export.tenant == tenant);
    Ok((id, export.ok_or_else(|| ApiError::missing("export", "export_id"))?))
}

pub(super) async fn get_export(context: Context, _: NoQuery) -> Result<Reply<ExportView>, ApiError> {
    let (id, export) = own_export(&context)?;
    Ok(Reply::new(export_view(&id, &export)))
}

pub(super) async fn download(mut context: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    let (id, export) = own_export(&context)?;
    let wanted = export.filters.wanted()?;
    let (mut receipts, mut cursor) = (Vec::new(), Some(export.size));
    while let (Some(before), true) = (cursor, receipts.len() < EXPORT_ITEMS_MAX) {
        context.page = Page { limit: EXPORT_PAGE, offset: 0, cursor: Some(before) };
        let page = wanted.page(&context, |context, found| platform_view(context, found).map(Some)).await?;
        for view in page.items {
            receipts.push(serde_json::to_value(view).map_err(ApiError::internal)?);
        }
        cursor = page.next;
    }
    receipts.truncate(EXPORT_ITEMS_MAX);
    let (kind, ending, body) = match export.format {
        ExportFormat::Json => ("application/json", "json", Value::from(receipts).to_string()),
        ExportFormat::Jsonl => ("application/jsonl", "jsonl", lines(&receipts)),
        ExportFormat::Csv => ("text/csv; charset=utf-8", "csv", table(&receipts)),
    };
    let name = format!("attachment; filename=\"receipts-{id}.{ending}\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(ApiError::internal)?),
    ];
    Ok((headers, body).into_response())
}

fn lines(receipts: &[Value]) -> String {
    receipts.iter().fold(String::new(), |mut text, receipt| {
        // Writing into a text does not fail.
        let _ = writeln!(text, "{receipt}");
        text
    })
}

/// RFC 4180.
fn table(receipts: &[Value]) -> String {
    const COLUMNS: &[&str] = &[
        "receipt_id",
        "receipt_type",
        "receipt_version",
        "status",
        "issued_at",
        "issuer_id",
        "subject",
        "payload_hash",
        "log_index",
        "leaf_hash",
    ];
    let mut text = COLUMNS.join(",") + "\r\n";
    for receipt in receipts {
        let cell = |name: &&str| match &receipt[*name] {
            Value::Null => String::new(),
            Value::String(cell) => csv_cell(cell),
            other => other.to_string(),
        };
        text += &COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",");
        text += "\r\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_safe_to_open() {
        let receipts = [serde_json::json!({"receipt_id": "a", "subject": "=1+1, \"x\"", "log_index": 3})];
        let text = table(&receipts);
        assert_eq!(text.lines().nth(1), Some("a,,,,,,\"'=1+1, \"\"x\"\"\",,3,"), "{text}");
    }
}

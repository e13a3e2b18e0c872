//! Reports: made, listed, read back, printed.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger_format::record::{Body, ComplianceReport, Framework, ReportId, TenantId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::{
    super::{logged_at::LoggedAt, receipts::Found},
    check_view::{ComplianceFinding, FindingCounts},
    document::{Document, Question, document},
    entity::{EntityType, own_entity},
    gather::{Period, gather},
    html::{STYLE_POLICY, page},
    scope::{FrameworkText, ScopeText, regulation, tokens},
};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, Listed, Logged, NoBody, NoQuery, Paged, QueryInput, Reply},
    wire::{Text, TimeText, time_text},
};

/// The last moment of a day, from its first.
const DAY_REST_MS: u64 = 86_399_999;

/// The end of a period: a date ends with its last moment.
#[derive(Clone, Copy)]
struct PeriodEnd(u64);

impl<'de> Deserialize<'de> for PeriodEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = TimeText::parse(&text).map_err(serde::de::Error::custom)?;
        let is_date = text.len() == "2026-11-30".len();
        Ok(Self(if is_date { time.0 + DAY_REST_MS } else { time.0 }))
    }
}

impl PartialSchema for PeriodEnd {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        TimeText::schema()
    }
}

impl ToSchema for PeriodEnd {
    fn name() -> std::borrow::Cow<'static, str> {
        "PeriodEnd".into()
    }
}

/// A report to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateReport {
    entity_type: EntityType,
    /// Its id; `tenant` is the caller's tenant.
    entity_id: Text<1, 256>,
    /// The set of controls.
    #[serde(alias = "framework")]
    regulation: FrameworkText,
    /// First moment of the period; a date begins with its first moment in UTC.
    period_start: TimeText,
    /// Last moment of the period; a date ends with its last moment in UTC.
    period_end: PeriodEnd,
    /// Which controls: `full` when nothing is said.
    #[serde(default)]
    scope: Option<ScopeText>,
    /// Who asks for it; the credential when nothing is said.
    #[serde(default)]
    generated_by: Option<Text<0, 128>>,
}

impl BodyInput for CreateReport {}

/// A report.
#[derive(Serialize, ToSchema)]
pub(super) struct ComplianceReportView {
    #[serde(flatten)]
    at: LoggedAt,
    id: String,
    report_id: String,
    tenant_id: String,
    /// `agent`, `model`, `dataset`, `workflow` or `tenant`; empty when the tenant has logged the report without this API.
    entity_type: String,
    /// What it is about.
    entity_id: String,
    /// `SOC2`, `ISO27001`, `GDPR`, `HIPAA` or `EU_AI_ACT`.
    regulation: &'static str,
    /// The same in small letters.
    framework: &'static str,
    period_start: String,
    period_end: String,
    /// `ready`.
    status: &'static str,
    /// `compliant`, `partial` (only rules of low or medium severity fail), `non_compliant` or `not_applicable`.
    verdict: Option<String>,
    /// How many controls have which status.
    summary: FindingCounts,
    /// One for each control, in the framework's order.
    findings: Vec<ComplianceFinding>,
    generated_at: String,
    /// Who asked for it.
    generated_by: String,
    /// SHA-256 of `document` as JSON with sorted keys and without spaces, as it stands in the record.
    digest: String,
    /// Path of the page to print.
    html_url: String,
    /// Path of the proof file of the report's own record.
    proof_url: String,
    /// The whole report; null in lists.
    document: Option<Document>,
}

impl Listed for ComplianceReportView {
    const PLURAL: &'static str = "reports";
}

pub(super) async fn create(
    mut context: Context,
    _: NoQuery,
    body: CreateReport,
) -> Result<Reply<ComplianceReportView>, ApiError> {
    let (from_ms, to_ms) = (body.period_start.0, body.period_end.0);
    if to_ms < from_ms {
        return Err(ApiError::unprocessable("the period ends before it begins").field("period_end"));
    }
    let framework = body.regulation.0;
    let tokens = tokens(framework, body.scope.as_ref())?;
    let entity = own_entity(&context, body.entity_type, &body.entity_id, "entity_id").await?;
    let (report, record_id) = (ReportId(context.new_id()?), context.new_id()?);
    // Repeated under its key, while the first answer was lost.
    if let (Some(_), Some(found)) = (context.seed, Found::of(&context, context.tenant()?, record_id)?) {
        return shown(&context, &found, None);
    }
    let said = body.generated_by.map(Text::into_string).filter(|text| !text.is_empty());
    let period = Period { from_ms, to_ms };
    let summary = gather(&context, &entity, period).await?;
    let generated_by = said.unwrap_or(context.caller()?.name.clone());
    let question =
        Question { report_id: report.to_string(), entity, framework, tokens, period, generated_by };
    let document = document(&context, question, &summary).await?;
    let record = Body::ComplianceReport(Box::new(ComplianceReport {
        digest: document.digest()?,
        framework,
        from: from_ms,
        on_behalf_of: context.on_behalf_of()?,
        report,
        to: to_ms,
    }));
    let logged = context.record_noted(record_id, record, record_id, &document).await?;
    let found = Found::at_index(&context, context.tenant()?, logged.index)?;
    let found = found.ok_or_else(|| ApiError::internal("a logged report is not there"))?;
    shown(&context, &found, Some(&logged))
}

fn shown(
    context: &Context,
    found: &Found,
    logged: Option<&Logged>,
) -> Result<Reply<ComplianceReportView>, ApiError> {
    let view = report_view(context, found, true)?;
    let mut view = view.ok_or_else(|| ApiError::internal("a report of another type"))?;
    if let Some(logged) = logged {
        view.at = view.at.acked(logged);
    }
    Ok(Reply::new(view).at(found.at.index))
}

fn report_view(
    context: &Context,
    found: &Found,
    whole: bool,
) -> Result<Option<ComplianceReportView>, ApiError> {
    let Body::ComplianceReport(body) = &found.record.body else { return Ok(None) };
    let kept: Option<Document> = context.kept(found.record.id)?;
    let of = |read: fn(&Document) -> &String| kept.as_ref().map(read).cloned().unwrap_or_default();
    let report_id = body.report.to_string();
    Ok(Some(ComplianceReportView {
        at: LoggedAt::of(found),
        id: body.report.0.uuid(),
        html_url: format!("/v1/compliance/reports/{report_id}/html"),
        proof_url: format!("/v1/receipts/{}/proof", found.id()),
        report_id,
        tenant_id: TenantId(found.tenant).to_string(),
        entity_type: of(|document| &document.entity_type),
        entity_id: of(|document| &document.entity_id),
        regulation: regulation(body.framework),
        framework: body.framework.as_str(),
        period_start: time_text(body.from),
        period_end: time_text(body.to),
        status: "ready",
        verdict: kept.as_ref().map(|document| document.status.clone()),
        summary: kept.as_ref().map(|document| document.counts).unwrap_or_default(),
        findings: kept.as_ref().map(|document| document.findings.clone()).unwrap_or_default(),
        generated_at: time_text(found.at.log_ms),
        generated_by: of(|document| &document.generated_by),
        digest: body.digest.to_string(),
        document: kept.filter(|_| whole),
    }))
}

/// Which reports.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListReports {
    /// Only those whose period ends at this time or later.
    #[serde(default, alias = "period_start", alias = "from")]
    #[param(inline)]
    start: Option<TimeText>,
    /// Only those whose period begins at this time or earlier.
    #[serde(default, alias = "period_end", alias = "to")]
    #[param(inline)]
    end: Option<TimeText>,
    /// Only against this framework.
    #[serde(default, alias = "framework")]
    #[param(inline)]
    regulation: Option<FrameworkText>,
    /// `json`: the one form of this answer.
    #[serde(default)]
    #[param(inline)]
    format: Option<ReportForm>,
}

impl QueryInput for ListReports {}

/// The one form of a list of reports.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ReportForm {
    Json,
}

pub(super) async fn list(
    context: Context,
    query: ListReports,
) -> Result<Reply<Paged<ComplianceReportView>>, ApiError> {
    let _ = query.format;
    let wanted = query.regulation.map(|regulation| regulation.0);
    let filtered = query.start.is_some() || query.end.is_some() || wanted.is_some();
    let page = context.list(&["compliance.report"], None, filtered, |context, row| {
        let Some(found) = Found::of_row(context, row)? else { return Ok(None) };
        let Body::ComplianceReport(body) = &found.record.body else { return Ok(None) };
        let fits = query.start.is_none_or(|start| body.to >= start.0)
            && query.end.is_none_or(|end| body.from <= end.0)
            && wanted.is_none_or(|wanted: Framework| body.framework == wanted);
        if fits { report_view(context, &found, false) } else { Ok(None) }
    });
    Ok(Reply::new(page.await?))
}

fn own_report(context: &Context) -> Result<Found, ApiError> {
    let id: ReportId = context.id("report_id")?;
    let missing = || ApiError::missing("report", "report_id");
    let index = context.view(|view| ledger_state::compliance_report(view, id))?.ok_or_else(missing)?;
    Found::at_index(context, context.tenant()?, index)?.ok_or_else(missing)
}

pub(super) async fn get(context: Context, _: NoQuery) -> Result<Reply<ComplianceReportView>, ApiError> {
    shown(&context, &own_report(&context)?, None)
}

pub(super) async fn html(context: Context, _: NoQuery, _: NoBody) -> Result<Response, ApiError> {
    let found = own_report(&context)?;
    let document: Option<Document> = context.kept(found.record.id)?;
    // The tenant has logged it without this API: there is nothing to print.
    let document = document.ok_or_else(|| ApiError::missing("printable report", "report_id"))?;
    let Body::ComplianceReport(body) = &found.record.body else {
        return Err(ApiError::internal("a report of another type"));
    };
    let text = page(&document, &body.digest.to_string(), &LoggedAt::of(&found));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_SECURITY_POLICY, STYLE_POLICY.clone()),
        (HeaderName::from_static("x-log-index"), found.at.index.into()),
    ];
    Ok((headers, text).into_response())
}

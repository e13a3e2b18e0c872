//! The OpenAPI 3.1 document, from the endpoints' declarations.

use ledger_format::record;
use serde_json::Value;
use utoipa::openapi::{
    Components, Content, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApiBuilder,
    PathsBuilder, RefOr, Required, Response, ResponseBuilder, Schema, ServerBuilder, Tag,
    header::HeaderBuilder,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem},
    request_body::RequestBodyBuilder,
    response::ResponsesBuilder,
    schema::Type,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};

use super::{
    Operation, Routes, complete,
    operation::Access,
    page::{CURSOR_PATTERN, INDEX_MAX, PAGE_ITEMS_MAX},
    refusals::{self, ERROR, error_schema, refusals},
};
use crate::{
    plain::{self, Plain},
    wire::{IdKind, id_schema},
};

/// The groups of the protocol, in the order of the document; what is not named follows, and the log itself comes last.
const FIRST_GROUPS: &[&str] = &[
    "Machine Agents",
    "Agent Sessions & Tools",
    "Trust & Witness",
    "MAIP Policies",
    "Truth Claims & Documents",
    "Compliance & Anomalies",
    "Datasets & Models",
    "Orchestrations & Workflows",
    "Guardrails & Delegation",
    "Observability",
];

/// The document of these endpoints, as JSON.
pub(crate) fn document(routes: &Routes, plain: &[Plain]) -> Value {
    let mut components = Components::new();
    components.schemas.insert(ERROR.into(), error_schema());
    security_schemes(&mut components);
    let mut paths = PathsBuilder::new();
    for operation in operations(routes, plain) {
        for (name, schema) in operation.schemas() {
            components.schemas.entry(name).or_insert(schema);
        }
        paths = paths.path(operation.path, PathItem::new(method(operation), describe(operation)));
    }
    let info = InfoBuilder::new()
        .title("MAIP Ledger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The Machine Agent Identity Protocol on a witnessed transparency log: every write is a record in the log and \
             comes back with its place there; every read is a view of the state that the records produce.",
        ))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT")).build(),
        ));
    let document = OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url("/").description(Some("This node.")).build()]))
        .paths(paths.build())
        .components(Some(components))
        .tags(Some(tags(routes)))
        .build();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete::complete(&mut document);
    document
}

/// Every endpoint that the document tells of.
fn operations<'a>(routes: &'a Routes, plain: &'a [Plain]) -> impl Iterator<Item = &'a Operation> {
    let plain = plain.iter().filter(|endpoint| !endpoint.hidden).map(|endpoint| &endpoint.operation);
    routes.operations().chain(plain)
}

fn tags(routes: &Routes) -> Vec<Tag> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for group in routes.groups.iter().chain(plain::GROUPS) {
        if !groups.iter().any(|(name, _)| *name == group.0) {
            groups.push(*group);
        }
    }
    // A stable sort: whatever is not named keeps its place.
    groups.sort_by_key(|(name, _)| {
        FIRST_GROUPS.iter().position(|first| first == name).unwrap_or(FIRST_GROUPS.len())
    });
    groups
        .into_iter()
        .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())
        .collect()
}

fn method(operation: &Operation) -> utoipa::openapi::HttpMethod {
    use utoipa::openapi::HttpMethod;
    match operation.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn describe(operation: &Operation) -> utoipa::openapi::path::Operation {
    let mut built = OperationBuilder::new()
        .tag(operation.group)
        .operation_id(Some(operation.id))
        .summary(Some(operation.summary))
        .description(Some(description(operation)))
        .deprecated(operation.older.then_some(utoipa::openapi::Deprecated::True))
        .responses(responses(operation));
    for parameter in parameters(operation) {
        built = built.parameter(parameter);
    }
    if let Some((schema, required)) = &operation.body {
        let mut content = ContentBuilder::new().schema(Some(schema.clone()));
        content = content.example(operation.example.clone());
        let required = if *required { Required::True } else { Required::False };
        let body =
            RequestBodyBuilder::new().content("application/json", content.build()).required(Some(required));
        built = built.request_body(Some(body.build()));
    }
    let requirement = |name: &str| SecurityRequirement::new(name, [] as [&str; 0]);
    match operation.access {
        Access::Public => built.securities(Some([SecurityRequirement::default()])),
        Access::Scope(_) => built.securities(Some(["apiKey", "bearer"].map(requirement))),
        Access::Admin => built.securities(Some([requirement("adminKey")])),
    }
    .build()
}

fn description(operation: &Operation) -> String {
    if operation.plain {
        return operation.description.to_owned();
    }
    let access = match operation.access {
        Access::Public => "Anybody may call it.".to_owned(),
        Access::Scope(scope) if operation.lasting => {
            format!("Needs the scope `{scope}` of an API key; an agent's token does not do.")
        }
        Access::Scope(scope) => format!("Needs the scope `{scope}`."),
        Access::Admin => "Needs the operator's admin key.".to_owned(),
    };
    format!("{}\n\n{access}", operation.description).trim().to_owned()
}

/// What each parameter in a path is the id of; the others are words.
const PATH_IDS: &[(&str, &str, &str)] = &[
    ("tenant_id", record::TenantId::WHAT, record::TenantId::PREFIX),
    ("agent_id", record::AgentId::WHAT, record::AgentId::PREFIX),
    ("session_id", record::SessionId::WHAT, record::SessionId::PREFIX),
    ("receipt_id", record::ReceiptId::WHAT, record::ReceiptId::PREFIX),
    ("approval_id", record::ReceiptId::WHAT, record::ReceiptId::PREFIX),
    ("attestation_id", record::ReceiptId::WHAT, record::ReceiptId::PREFIX),
    ("issuer_id", record::AgentId::WHAT, record::AgentId::PREFIX),
    ("delegation_id", record::DelegationId::WHAT, record::DelegationId::PREFIX),
    ("witness_id", record::AttestationId::WHAT, record::AttestationId::PREFIX),
    ("claim_id", record::ClaimId::WHAT, record::ClaimId::PREFIX),
    ("document_id", record::DocumentId::WHAT, record::DocumentId::PREFIX),
    ("check_id", record::ComplianceCheckId::WHAT, record::ComplianceCheckId::PREFIX),
    ("report_id", record::ReportId::WHAT, record::ReportId::PREFIX),
    ("anomaly_id", record::AnomalyId::WHAT, record::AnomalyId::PREFIX),
    ("dataset_id", record::DatasetId::WHAT, record::DatasetId::PREFIX),
    ("model_id", record::ModelId::WHAT, record::ModelId::PREFIX),
    ("workflow_id", record::WorkflowId::WHAT, record::WorkflowId::PREFIX),
    ("orchestration_id", record::OrchestrationId::WHAT, record::OrchestrationId::PREFIX),
    ("policy_id", record::PolicyId::WHAT, record::PolicyId::PREFIX),
    ("tool_id", record::ToolId::WHAT, record::ToolId::PREFIX),
    ("webhook_id", "webhook", "maip-hook:"),
];

/// Quoted versions, or any.
const IF_MATCH_PATTERN: &str = r#"^[ \t]*(\*|(W/)?"[\t \x21\x23-\x2b\x2d-\x7e]*")[ \t]*(,[ \t]*(\*|(W/)?"[\t \x21\x23-\x2b\x2d-\x7e]*")[ \t]*)*$"#;

fn parameters(operation: &Operation) -> Vec<Parameter> {
    if operation.plain {
        return operation.query.clone();
    }
    let mut parameters: Vec<Parameter> = operation.path_parameters().map(path_parameter).collect();
    parameters.extend(operation.query.iter().cloned());
    let mut query = |name: &str, about: &str, schema: Schema| {
        parameters.push(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(about))
                .schema(Some(schema))
                .build(),
        );
    };
    let whole = |least: u64, most: u64| -> Schema {
        let whole = ObjectBuilder::new().schema_type(Type::Integer);
        whole.minimum(Some(least as f64)).maximum(Some(most as f64)).into()
    };
    if operation.paged {
        query("limit", "Most items of the page; 50 when nothing is said.", whole(1, PAGE_ITEMS_MAX));
        query("offset", "Items to pass over. Further in, take `cursor`.", whole(0, 10_000));
        query(
            "cursor",
            "`next_cursor` of the page before.",
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(CURSOR_PATTERN)).into(),
        );
    }
    query("min_index", "Waits until this node has applied the entry with this index.", whole(0, INDEX_MAX));
    query("timeout_ms", "How long to wait at most.", whole(1, 30_000));
    if operation.writes() {
        let levels = ObjectBuilder::new().schema_type(Type::String);
        let levels = levels.enum_values(Some(["sequenced", "published", "witnessed"]));
        query("ack", "How far the records must have come before the answer.", levels.into());
    }
    let header = |name: &str, about: &str, most: usize| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).max_length(Some(most))))
            .build()
    };
    if operation.takes_key() {
        let about = "The same key and request give the same answer for a day, on any node.";
        let mut key = header("Idempotency-Key", about, 0);
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[\x21-\x7e]+$"));
        key.schema = Some(text.max_length(Some(crate::account::KEY_CHARS_MAX)).into());
        parameters.push(key);
    }
    if operation.versioned {
        let about = "The `ETag` that was read: refused with 412 when it has changed.";
        let mut tags = header("If-Match", about, 0);
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(IF_MATCH_PATTERN));
        tags.schema = Some(text.into());
        parameters.push(tags);
    }
    if !matches!(operation.access, Access::Scope(_)) {
        let words = ObjectBuilder::new().schema_type(Type::String);
        let mut environment =
            header("X-Environment", "Which log is meant; a tenant's credential says it itself.", 0);
        environment.schema = Some(words.enum_values(Some(["production", "sandbox"])).into());
        parameters.push(environment);
    }
    parameters
}

fn path_parameter(name: &'static str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema = match PATH_IDS.iter().find(|(known, ..)| *known == name) {
        Some((_, what, prefix)) => id_schema(what, prefix).into(),
        // An agreement is named by the hash of its record.
        None if name == "agreement_id" => <crate::wire::RecordHashText as utoipa::PartialSchema>::schema(),
        None if name == "scope_name" => text.pattern(Some(crate::wire::SCOPE_PATTERN)).into(),
        None if name.ends_with("_index") => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0.0))
            .maximum(Some(9_007_199_254_740_991.0))
            .into(),
        None => text.min_length(Some(1)).max_length(Some(256)).into(),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn responses(operation: &Operation) -> utoipa::openapi::Responses {
    let mut good: Response = match (&operation.raw, &operation.answer) {
        (Some(raw), _) => raw.clone(),
        (None, answer) => {
            let content: Content = ContentBuilder::new().schema(answer.clone()).build();
            ResponseBuilder::new().description("Done.").content("application/json", content).build()
        }
    };
    for (name, about, kind) in answer_headers(operation) {
        let schema = ObjectBuilder::new().schema_type(kind);
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build();
        good.headers.insert(name.into(), header.into());
    }
    let mut responses = ResponsesBuilder::new().response(operation.status.to_string(), good);
    for status in refusals(operation) {
        responses = responses.response(status.to_string(), refusals::response(status));
    }
    for (status, response) in &operation.also {
        responses = responses.response(status.to_string(), response.clone());
    }
    responses.build()
}

/// Headers of a good answer.
fn answer_headers(operation: &Operation) -> Vec<(&'static str, &'static str, Type)> {
    let calls = !operation.plain && operation.access != Access::Public;
    let all = [
        (true, "X-Trace-Id", "Names the request in the logs of the nodes.", Type::String),
        (
            !operation.plain && operation.raw.is_none(),
            "X-Log-Index",
            "Index of the entry that the answer speaks of, if it speaks of one; `?min_index=` on any node reads it back.",
            Type::Integer,
        ),
        (calls, "X-RateLimit-Limit", "Calls a minute of this credential on this node.", Type::Integer),
        (calls, "X-RateLimit-Remaining", "Calls that are left of them.", Type::Integer),
        (calls, "X-RateLimit-Reset", "When all of them are back, seconds since 1970.", Type::Integer),
        (calls, "X-RateLimit-Policy", "The same as a policy: `\"60000;w=60\"`.", Type::String),
        (operation.versioned, "ETag", "The version, for `If-Match`.", Type::String),
        (
            operation.takes_key(),
            "Idempotency-Replayed",
            "`true`: the answer of an earlier call with the same `Idempotency-Key`.",
            Type::String,
        ),
        (operation.older, "Deprecation", "`true`: kept for older clients.", Type::String),
    ];
    all.into_iter()
        .filter(|(applies, ..)| *applies)
        .map(|(_, name, about, kind)| (name, about, kind))
        .collect()
}

fn security_schemes(components: &mut Components) {
    let key = |about: &str| -> RefOr<SecurityScheme> {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", about))).into()
    };
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, or the access token of a session."))
        .build();
    components.security_schemes.insert("apiKey".into(), key("An API key: `maip_live_…`, `maip_test_…`."));
    components.security_schemes.insert("bearer".into(), SecurityScheme::Http(bearer).into());
    components.security_schemes.insert(
        "adminKey".into(),
        key("The operator's admin key. With `X-Tenant-ID` it speaks for that tenant."),
    );
}

/// References to schemas that the document does not have.
#[cfg(test)]
fn loose_ends(document: &serde_json::Value, part: &serde_json::Value) -> Vec<String> {
    match part {
        serde_json::Value::Object(members) => {
            let own = members.get("$ref").and_then(|reference| reference.as_str());
            let loose = own.filter(|place| document.pointer(place.trim_start_matches('#')).is_none());
            let fault =
                loose.map(|place| format!("{place} is not there: #[param(inline)] a query parameter"));
            fault.into_iter().chain(members.values().flat_map(|part| loose_ends(document, part))).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(|part| loose_ends(document, part)).collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with the declarations as a whole.
#[cfg(test)]
pub(crate) fn faults(routes: &Routes, plain: &[Plain]) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut ids, mut places) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    let mut schemas: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for operation in operations(routes, plain) {
        let place = format!("{} {}", operation.method, operation.path);
        if !ids.insert(operation.id) {
            faults.push(format!("{place}: the id {} is taken", operation.id));
        }
        if !places.insert(place.clone()) {
            faults.push(format!("{place} is declared twice"));
        }
        if operation.summary.is_empty() || operation.group.is_empty() {
            faults.push(format!("{place} has no summary or no group"));
        }
        if operation.body.is_some() && operation.example.is_none() && !operation.older {
            faults.push(format!("{place} shows no example of its body"));
        }
        for (name, schema) in operation.schemas() {
            let schema = serde_json::to_string(&schema).unwrap();
            let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
            if *known != schema {
                faults.push(format!(
                    "{place}: two different types are called {name}: rename one, or #[schema(as = …)]"
                ));
            }
        }
    }
    let document = document(routes, plain);
    faults.extend(complete::faults(&document));
    faults.extend(loose_ends(&document, &document));
    faults
}

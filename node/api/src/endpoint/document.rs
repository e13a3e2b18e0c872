//! The OpenAPI 3.1 document, from the endpoints' declarations.

use ledger_format::record;
use utoipa::openapi::{
    Components, Content, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathsBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, ServerBuilder,
    header::HeaderBuilder,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem},
    request_body::RequestBodyBuilder,
    response::ResponsesBuilder,
    schema::Type,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};

use super::{Operation, Routes, operation::Access, page::PAGE_ITEMS_MAX};
use crate::wire::{IdKind, id_schema};

/// Name of the shape of every refusal.
const ERROR: &str = "Error";

/// The document of these endpoints.
pub(crate) fn document(routes: &Routes) -> OpenApi {
    let mut components = Components::new();
    components.schemas.insert(ERROR.into(), error_schema());
    security_schemes(&mut components);
    let mut paths = PathsBuilder::new();
    for operation in routes.operations() {
        for (name, schema) in &operation.schemas {
            components.schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        }
        paths = paths.path(operation.path, PathItem::new(method(operation), describe(operation)));
    }
    let tags = routes
        .groups
        .iter()
        .map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    let info = InfoBuilder::new()
        .title("MAIP Ledger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The Machine Agent Identity Protocol on a witnessed transparency log: every write is a record in the log and \
             comes back with its place there; every read is a view of the state that the records produce.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0 OR MIT").build()));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url("/").description(Some("This node.")).build()]))
        .paths(paths.build())
        .components(Some(components))
        .tags(Some(tags))
        .build()
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
    let access = match operation.access {
        Access::Public => "Anybody may call it.".to_owned(),
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
];

fn parameters(operation: &Operation) -> Vec<Parameter> {
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
            ObjectBuilder::new().schema_type(Type::String).into(),
        );
    }
    if operation.beside {
        return parameters;
    }
    query("min_index", "Waits until this node has applied the entry with this index.", whole(0, 1 << 53));
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
    if operation.method == axum::http::Method::POST {
        let about = "The same key and request give the same answer for a day, on any node.";
        parameters.push(header("Idempotency-Key", about, crate::account::KEY_CHARS_MAX));
    }
    if operation.versioned {
        parameters.push(header(
            "If-Match",
            "The `ETag` that was read: refused with 412 when it has changed.",
            80,
        ));
    }
    parameters
}

fn path_parameter(name: &'static str) -> Parameter {
    let schema = match PATH_IDS.iter().find(|(known, ..)| *known == name) {
        Some((_, what, prefix)) => id_schema(what, prefix),
        None => {
            ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(256)).into()
        }
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn responses(operation: &Operation) -> utoipa::openapi::Responses {
    let good: Response = match (&operation.raw, &operation.answer) {
        (Some(raw), _) => raw.clone(),
        (None, answer) => {
            let content: Content = ContentBuilder::new().schema(answer.clone()).build();
            ResponseBuilder::new().description("Done.").content("application/json", content).build()
        }
    };
    let mut responses = ResponsesBuilder::new().response(operation.status.to_string(), good);
    for (status, what) in refusals(operation) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ERROR))).build();
        let mut refusal = ResponseBuilder::new().description(what).content("application/json", content);
        if matches!(status, 429 | 503) {
            let seconds = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Integer)));
            refusal = refusal.header("Retry-After", seconds.description(Some("Seconds.")).build());
        }
        responses = responses.response(status.to_string(), refusal.build());
    }
    responses.build()
}

/// Every status that an endpoint may refuse with.
pub(super) fn refusals(operation: &Operation) -> Vec<(u16, &'static str)> {
    let takes_body = operation.body.is_some();
    let public = operation.access == Access::Public;
    let all = [
        (true, 400, "The request cannot be read."),
        (true, 401, "No credential, or one that is none."),
        (operation.metered, 402, "The plan's quota is used up."),
        (true, 403, "The credential does not cover it, or is another tenant's."),
        (
            operation.path.contains('{') || takes_body || operation.writes(),
            404,
            "There is no such thing for this caller.",
        ),
        (operation.writes(), 409, "It contradicts what is there."),
        (operation.versioned, 412, "It has changed since it was read."),
        (true, 413, "The body is too large."),
        (operation.writes(), 415, "The body is not JSON."),
        (operation.writes(), 422, "A field says something that it may not."),
        (!public || operation.writes(), 429, "Too often, or too much at once."),
        (true, 500, "The node failed."),
        (true, 503, "No leader, or the log takes no records for now."),
        (true, 504, "What was waited for did not come in time."),
    ];
    all.into_iter().filter(|(applies, ..)| *applies).map(|(_, status, what)| (status, what)).collect()
}

fn error_schema() -> RefOr<Schema> {
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    let whole = |about: &str| ObjectBuilder::new().schema_type(Type::Integer).description(Some(about));
    let details = ObjectBuilder::new()
        .property("field", text("The field or parameter at fault."))
        .property("fix", text("What to do next."))
        .property("metric", text("Of a 402: what is counted."))
        .property("limit", whole("Of a 402: how much the plan includes."))
        .property("used", whole("Of a 402: how much is used."))
        .property(
            "resets_at",
            ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null])),
        );
    let mut error = ObjectBuilder::new()
        .property("code", text("A stable word for programs."))
        .property("error", text("The message again, for older clients."))
        .property("message", text("What is wrong, for people."))
        .property("http_status", whole("The status of the answer."))
        .property("details", details)
        .property("trace_id", text("Names the request in the logs of the nodes."));
    for name in ["code", "error", "message", "http_status", "details", "trace_id"] {
        error = error.required(name);
    }
    error.into()
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
    components.security_schemes.insert("adminKey".into(), key("The operator's admin key."));
}

/// What is wrong with the declarations as a whole.
#[cfg(test)]
pub(crate) fn faults(routes: &Routes) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut ids, mut places) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for operation in routes.operations() {
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
    }
    faults
}

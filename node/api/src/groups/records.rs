//! Records as they are: an agent or a tenant that signs itself sends its own, and reads what the log holds.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use ledger_format::record::{Actor, ReceiptId, Record, TenantId};
use ledger_log::Credential;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::receipts::{Found, hex};
use crate::{
    ApiError,
    endpoint::{BodyInput, Context, NoQuery, Reply, Routes, either, one_of},
    wire::{WrittenAt, time_text},
};

/// Most records of one call.
const RECORDS_MAX: usize = 256;
/// Largest body of such a call.
const RECORDS_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Records",
        "Records as they are: signed by an agent or a tenant with its own key, or read back from the log.",
    );
    routes
        .post("/v1/records", "submit_records", submit)
        .summary("Submit signed records")
        .about(
            "One record, as the canonical JSON object itself or in `record`, or a batch in `records`; each as JSON or as base64 of its \
             canonical bytes. They are logged as they are: the signature is the actor's own. A refused record of a batch does not stop the others.",
        )
        .needs("records:write")
        .body_bytes_max(RECORDS_BYTES_MAX)
        .example(json!({"records": ["eyJhY3RvciI6InRlbmFudCJ9"]}));
    routes
        .get("/v1/records/{log_index}", "get_record", get)
        .summary("A record by its place in the log")
        .needs("records:read");
}

/// Signed records: several, or one.
enum SubmitRecords {
    Many(RecordBatch),
    One(OneRecord),
}

impl BodyInput for SubmitRecords {}

one_of!(SubmitRecords: RecordBatch, OneRecord, PlainRecord);

impl<'de> Deserialize<'de> for SubmitRecords {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if value.get("sig").is_some() && value.get("body").is_some() {
            value = json!({ "record": value });
        }
        let many = |body: &Value| body.get("records").is_some();
        let read = either(value, many, SubmitRecords::Many, SubmitRecords::One);
        read.map_err(serde::de::Error::custom)
    }
}

/// Several records.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordBatch {
    #[schema(min_items = 1, max_items = 256)]
    records: Vec<RecordText>,
}

/// One record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneRecord {
    #[serde(alias = "record_base64", alias = "record_b64")]
    record: RecordText,
}

/// A record as its canonical JSON object.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: it is read as bytes, because they are what was signed")]
struct PlainRecord {
    actor: String,
    at: u64,
    #[schema(value_type = Object)]
    body: Value,
    id: String,
    #[schema(value_type = Object)]
    sig: Value,
    tenant: String,
    r#type: String,
    v: u64,
}

/// The canonical bytes of a record, from its JSON or from base64.
struct RecordText(Vec<u8>);

impl<'de> Deserialize<'de> for RecordText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            // Keys of a map are in order and numbers are whole: these are the canonical bytes, if it was a record.
            value @ Value::Object(_) => {
                serde_json::to_vec(&value).map(Self).map_err(serde::de::Error::custom)
            }
            Value::String(text) => {
                let text = text.trim_end_matches('=');
                let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
                bytes.map(Self).map_err(|_| serde::de::Error::custom("is not base64"))
            }
            _ => Err(serde::de::Error::custom("is neither a record nor the base64 of one")),
        }
    }
}

impl utoipa::PartialSchema for RecordText {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

        use crate::wire::BASE64_PATTERN;

        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(BASE64_PATTERN));
        let object = ObjectBuilder::new().schema_type(Type::Object);
        OneOfBuilder::new()
            .item(text.description(Some("base64 of its canonical bytes.")))
            .item(object.description(Some("Its canonical JSON object.")))
            .into()
    }
}

impl ToSchema for RecordText {
    fn name() -> std::borrow::Cow<'static, str> {
        "SignedRecord".into()
    }
}

/// The status of a record that is in the log.
const LOGGED: &str = "logged";

/// What became of the records.
#[derive(Serialize, ToSchema)]
struct SubmittedRecords {
    /// Of one record: where it stands.
    #[serde(flatten)]
    written: WrittenAt,
    /// One for each record, in their order.
    records: Vec<SubmittedRecord>,
    /// How many are in the log.
    logged: usize,
    /// How many were refused.
    refused: usize,
}

/// What became of one record.
#[derive(Serialize, ToSchema)]
struct SubmittedRecord {
    /// `logged` or `refused`.
    status: &'static str,
    #[serde(flatten)]
    written: WrittenAt,
    /// The same record had been logged before.
    duplicate: bool,
    /// Why it was refused.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

async fn submit(
    context: Context,
    _: NoQuery,
    body: SubmitRecords,
) -> Result<Reply<SubmittedRecords>, ApiError> {
    let (texts, single) = match body {
        SubmitRecords::Many(batch) => (batch.records, false),
        SubmitRecords::One(one) => (vec![one.record], true),
    };
    if texts.is_empty() || texts.len() > RECORDS_MAX {
        return Err(ApiError::unprocessable(format!("1 to {RECORDS_MAX} records")).field("records"));
    }
    let field = |at: usize| if single { "record".to_owned() } else { format!("records[{at}]") };
    let mut records = Vec::with_capacity(texts.len());
    for (at, RecordText(bytes)) in texts.into_iter().enumerate() {
        records.push(own_record(&context, &bytes).map_err(|error| within(error, &field(at)))?);
    }
    let ids: Vec<ReceiptId> = records.iter().map(|(id, _)| *id).collect();
    let bytes = records.into_iter().map(|(_, bytes)| bytes).collect();
    let fates = context.log.submit(bytes, context.ack, context.timeout, Credential::Anonymous).await;
    let mut shown = Vec::with_capacity(ids.len());
    let mut last = None;
    for (at, (id, fate)) in ids.into_iter().zip(fates).enumerate() {
        shown.push(match fate {
            Ok(submitted) => {
                last = last.max(Some(submitted.index));
                let receipt = crate::endpoint::write_receipt(id.0, &submitted);
                let (written, duplicate) = (receipt.into(), submitted.duplicate);
                SubmittedRecord { status: LOGGED, written, duplicate, error: None }
            }
            Err(refused) if single => return Err(within(refused.into(), "record")),
            Err(refused) => {
                let error = within(refused.into(), &field(at));
                let details = json!({"field": error.field, "fix": error.fix});
                let error = json!({
                    "code": error.code, "message": error.message, "http_status": error.status.as_u16(), "details": details,
                });
                let written = WrittenAt::default();
                SubmittedRecord { status: "refused", written, duplicate: false, error: Some(error) }
            }
        });
    }
    let logged = shown.iter().filter(|record| record.status == LOGGED).count();
    let answer = SubmittedRecords {
        written: shown.first().filter(|_| single).map(|record| record.written.clone()).unwrap_or_default(),
        refused: shown.len() - logged,
        logged,
        records: shown,
    };
    let reply = Reply::new(answer);
    Ok(match last {
        Some(index) => reply.at(index),
        None => reply,
    })
}

/// A record that reads, is the caller's tenant's and not the operator's: whose the signature is, the log itself asks.
fn own_record(context: &Context, bytes: &[u8]) -> Result<(ReceiptId, Bytes), ApiError> {
    let record = Record::parse(bytes).map_err(|error| {
        ApiError::unprocessable(error.to_string())
            .fix("send the canonical bytes of docs/record-format.md, signed")
    })?;
    if record.tenant != context.tenant()? {
        return Err(
            ApiError::forbidden("the record belongs to another tenant than the credential").field("tenant")
        );
    }
    if record.actor == Actor::Operator {
        return Err(ApiError::forbidden("the operator's records are made by the nodes")
            .field("actor")
            .fix("sign with an agent's or the tenant's key, or call the endpoint that makes such a record"));
    }
    Ok((ReceiptId(record.id), Bytes::copy_from_slice(bytes)))
}

fn within(error: ApiError, field: &str) -> ApiError {
    let inner = match error.field.as_str() {
        "" => field.to_owned(),
        inner => format!("{field}.{inner}"),
    };
    error.field(inner)
}

/// A record in the log.
#[derive(Serialize, ToSchema)]
struct RecordView {
    /// The record's id, as every write answers it.
    receipt_id: String,
    tenant_id: String,
    log_index: u64,
    leaf_hash: String,
    record_hash: String,
    record_type: &'static str,
    /// The log's time of the entry.
    log_time: String,
    /// The record itself.
    #[schema(value_type = Object)]
    record: Map<String, Value>,
    /// The entry: the log's time and the record, base64. Its leaf hash is the one above.
    entry_base64: String,
    /// What the log noticed.
    flags: Vec<&'static str>,
    /// Whether a published checkpoint covers it.
    published: bool,
}

async fn get(context: Context, _: NoQuery) -> Result<Reply<RecordView>, ApiError> {
    let text = context.word("log_index");
    let index: u64 = text.parse().ok().filter(|index: &u64| index.to_string() == text).ok_or_else(|| {
        ApiError::malformed(format!("{text:?} is not a place in the log"))
            .field("log_index")
            .fix("write a whole number")
    })?;
    let tenant = context.tenant()?;
    let record = context.entry(index)?.filter(|(_, record)| record.tenant == tenant);
    let (log_ms, record) = record.ok_or_else(|| ApiError::missing("record", "log_index"))?;
    let found = Found::of(&context, tenant, record.id)?;
    let found = found.ok_or_else(|| ApiError::internal("a logged record has no index"))?;
    let object = serde_json::from_slice(&record.to_bytes()).map_err(ApiError::internal)?;
    let view = RecordView {
        receipt_id: found.id().to_string(),
        tenant_id: TenantId(tenant).to_string(),
        log_index: index,
        leaf_hash: hex(&found.at.leaf.0),
        record_hash: hex(&found.at.hash.0),
        record_type: record.type_name(),
        log_time: time_text(log_ms),
        record: object,
        entry_base64: STANDARD.encode(&found.entry),
        flags: found.flags.names().collect(),
        published: context.reader.checkpoint().is_some_and(|published| published.checkpoint.size > index),
    };
    Ok(Reply::new(view).at(index))
}

//! The endpoints below the MAIP API: the log itself, its proofs, health. Each is mounted and described by the same lines.

use axum::{
    http::Method,
    routing::{MethodRouter, get},
};
use serde_json::{Value, json};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ContentBuilder, ObjectBuilder, Required, ResponseBuilder, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use crate::{
    endpoint::{Access, Operation, reference},
    health, keys, proofs,
    router::Api,
    status, tail, transparency,
};

/// What these endpoints are about.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    (
        TRANSPARENCY,
        "The log itself: checkpoints, tiles, proofs. Public, cacheable, and enough to verify everything offline.",
    ),
    (HEALTH, "Whether the node serves and takes writes, and what it counts."),
];
const TRANSPARENCY: &str = "Transparency";
const HEALTH: &str = "Health";

const TEXT: &str = "text/plain";
const JWKS: &str = "application/jwk-set+json";
const OCTETS: &str = "application/octet-stream";
const EVENTS: &str = "text/event-stream";

/// An endpoint without credential.
pub(crate) struct Plain {
    /// As the document shows it.
    pub(crate) operation: Operation,
    /// As it is mounted. Several places of the document may be one here: a tile's path has as many segments as its index needs.
    pub(crate) mounted: &'static str,
    pub(crate) handler: MethodRouter<Api>,
    /// Mounted only where strangers cannot reach it, and not in the document.
    pub(crate) hidden: bool,
}

impl Plain {
    fn new(path: &'static str, id: &'static str, handler: MethodRouter<Api>) -> Self {
        let mut operation = Operation::new(Method::GET, path, id, TRANSPARENCY, 200);
        (operation.plain, operation.access) = (true, Access::Public);
        operation.refuses = Some(&[400, 404, 408, 429, 500]);
        Self { operation, mounted: path, handler, hidden: false }.raw(TEXT, None)
    }

    fn mounted(mut self, path: &'static str) -> Self {
        self.mounted = path;
        self
    }

    fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    fn says(mut self, summary: &'static str, about: &'static str) -> Self {
        (self.operation.summary, self.operation.description) = (summary, about);
        self
    }

    fn health(mut self) -> Self {
        self.operation.group = HEALTH;
        self.operation.refuses = Some(&[408, 429]);
        self
    }

    fn query<Q: IntoParams>(mut self) -> Self {
        self.operation.query = Q::into_params(|| Some(ParameterIn::Query));
        self
    }

    /// Answers with bytes.
    fn raw(mut self, kind: &'static str, example: Option<&str>) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let mut content = ContentBuilder::new();
        if kind == TEXT {
            content = content.schema(Some(Schema::from(text)));
        }
        let content = content.example(example.map(Value::from)).build();
        self.operation.raw = Some(ResponseBuilder::new().description("Done.").content(kind, content).build());
        self
    }

    /// Answers with JSON.
    fn json<R: ToSchema>(mut self) -> Self {
        self.operation.raw = None;
        self.operation.answer = Some(reference::<R>(&mut self.operation.schemas));
        self
    }
}

const TILE: &str =
    "Of c2sp.org/tlog-tiles. From index 1,000 on, an index has more segments: `x001/234`. Immutable.";
const PARTIAL: &str = "The first `width` of its 256, while the log has no more. Immutable, and gone when the full one is long there.";

/// Every endpoint, in the order of the document.
pub(crate) fn endpoints() -> Vec<Plain> {
    let mut all = log_endpoints();
    all.extend(tiles());
    all.extend(health_endpoints());
    all.extend([
        Plain::new("/unpublished/tile/{*rest}", "unpublished", get(transparency::main_unpublished)).hidden(),
        Plain::new("/{log}/unpublished/tile/{*rest}", "log_unpublished", get(transparency::log_unpublished))
            .hidden(),
    ]);
    for endpoint in &mut all {
        let parameters: Vec<Parameter> = endpoint.operation.path_parameters().map(parameter).collect();
        endpoint.operation.query.extend(parameters);
    }
    all
}

fn log_endpoints() -> Vec<Plain> {
    let note = "maip.devnet/main\n4712\nWvzqrKPX2HBpFgXPkbdHbs0pW8aiXm4qVBCWpuQ1pTs=\n\n— maip.devnet/main Az3grlgt…\n";
    let policy = "log maip.devnet/main+033de0ae+AQ9q… http://127.0.0.1:8080/main\nquorum none\n";
    let staple =
        "A staple: the subject's state, its place in the status map, the entry that seals it, a checkpoint.";
    vec![
        Plain::new("/v1/logs", "list_logs", get(proofs::logs))
            .says("The logs of this node", "Main first.")
            .json::<proofs::LogList>(),
        Plain::new("/v1/log/vkey", "get_log_key", get(proofs::vkey))
            .says("The log's verifier key", "One line.")
            .query::<proofs::LogQuery>()
            .raw(TEXT, Some("maip.devnet/main+033de0ae+AQ9q…\n")),
        Plain::new("/v1/log/policy", "get_log_policy", get(proofs::policy))
            .says(
                "A witness policy to start from",
                "Of c2sp.org/tlog-policy. Trusting it is the verifier's decision.",
            )
            .query::<proofs::LogQuery>()
            .raw(TEXT, Some(policy)),
        Plain::new("/v1/log/proof/inclusion", "get_inclusion_proof", get(proofs::inclusion))
            .says("Proof that an entry is in the tree", "RFC 9162. Without `size`, in the published tree.")
            .query::<proofs::InclusionQuery>()
            .json::<proofs::Inclusion>(),
        Plain::new("/v1/log/proof/consistency", "get_consistency_proof", get(proofs::consistency))
            .says("Proof that the log only grew", "RFC 9162. Without `to`, up to the published tree.")
            .query::<proofs::ConsistencyQuery>()
            .json::<proofs::Consistency>()
            .contradicts(),
        Plain::new("/v1/log/tail", "tail_log", get(tail::tail))
            .says(
                "Published entries as they come",
                "Server-sent events: `entry` with the index as `id` and the bytes of the leaf in base64, `checkpoint` after the entries that it \
                 covers. Reconnect with `Last-Event-ID`, at any node. At most 128 at once on a node.",
            )
            .query::<tail::TailQuery>()
            .raw(EVENTS, Some("id: 4711\nevent: entry\ndata: {\"index\": 4711, \"entry\": \"eyJhdCI6…\"}\n\n")),
        Plain::new("/v1/log/status/{subject}", "get_staple", get(status::named))
            .says("Provable state of a subject", staple)
            .query::<proofs::LogQuery>()
            .unready(),
        Plain::new("/status/{subject}", "get_main_staple", get(status::main))
            .says("Provable state of a subject of the main log", staple)
            .unready(),
        Plain::new("/{log}/status/{subject}", "get_log_staple", get(status::log))
            .says("Provable state of a subject of a log", staple)
            .unready(),
        Plain::new("/.well-known/jwks.json", "get_keys", get(keys::main))
            .says(
                "The main log's token keys",
                "A JSON Web Key Set, RFC 7517: what tokens that the operator issues are checked with.",
            )
            .raw(JWKS, None)
            .unready(),
        Plain::new("/{log}/.well-known/jwks.json", "get_log_keys", get(keys::log))
            .says(
                "A log's token keys",
                "A JSON Web Key Set, RFC 7517: what tokens that the operator issues are checked with.",
            )
            .raw(JWKS, None)
            .unready(),
        Plain::new("/checkpoint", "get_checkpoint", get(transparency::main_checkpoint))
            .says(
                "The latest checkpoint of the main log",
                "Of c2sp.org/tlog-checkpoint, with the witnesses' cosignatures.",
            )
            .raw(TEXT, Some(note)),
        Plain::new("/{log}/checkpoint", "get_log_checkpoint", get(transparency::log_checkpoint))
            .says(
                "The latest checkpoint of a log",
                "Of c2sp.org/tlog-checkpoint, with the witnesses' cosignatures.",
            )
            .raw(TEXT, Some(note)),
    ]
}

impl Plain {
    /// Takes two parameters that may contradict each other.
    fn contradicts(mut self) -> Self {
        self.operation.refuses = Some(&[400, 404, 408, 422, 429, 500]);
        self
    }

    /// Answers 503 until what it speaks of is there.
    fn unready(mut self) -> Self {
        self.operation.refuses = Some(&[400, 404, 408, 429, 500, 503]);
        self
    }
}

fn tiles() -> Vec<Plain> {
    let main = || get(transparency::main_tile);
    let log = || get(transparency::log_tile);
    let tile = |path, id, handler, summary, about| {
        let mounted = if path_of_a_log(path) { "/{log}/tile/{*rest}" } else { "/tile/{*rest}" };
        Plain::new(path, id, handler).mounted(mounted).says(summary, about).raw(OCTETS, None)
    };
    vec![
        tile("/tile/{level}/{index}", "get_tile", main(), "256 hashes of the main log", TILE),
        tile(
            "/tile/{level}/{index}.p/{width}",
            "get_partial_tile",
            main(),
            "The newest hashes of the main log",
            PARTIAL,
        ),
        tile("/tile/entries/{index}", "get_bundle", main(), "256 entries of the main log", TILE),
        tile(
            "/tile/entries/{index}.p/{width}",
            "get_partial_bundle",
            main(),
            "The newest entries of the main log",
            PARTIAL,
        ),
        tile("/{log}/tile/{level}/{index}", "get_log_tile", log(), "256 hashes of a log", TILE),
        tile(
            "/{log}/tile/{level}/{index}.p/{width}",
            "get_log_partial_tile",
            log(),
            "The newest hashes of a log",
            PARTIAL,
        ),
        tile("/{log}/tile/entries/{index}", "get_log_bundle", log(), "256 entries of a log", TILE),
        tile(
            "/{log}/tile/entries/{index}.p/{width}",
            "get_log_partial_bundle",
            log(),
            "The newest entries of a log",
            PARTIAL,
        ),
    ]
}

fn path_of_a_log(path: &str) -> bool {
    path.starts_with("/{log}/")
}

fn health_endpoints() -> Vec<Plain> {
    let not_ready = ContentBuilder::new()
        .schema(Some(utoipa::openapi::Ref::from_schema_name("Health")))
        .example(Some(json!({"ready": false, "logs": [{"log": "main", "ready": false, "reason": "no leader is known"}]})));
    let not_ready = ResponseBuilder::new()
        .description("Some log takes no writes; reads work.")
        .content("application/json", not_ready.build())
        .build();
    let mut ready = Plain::new("/health/ready", "get_ready", get(health::ready))
        .says("Whether every log takes writes", "Reads work either way.")
        .json::<health::Health>()
        .health();
    ready.operation.also.push((503, not_ready));
    vec![
        Plain::new("/health/live", "get_live", get(health::live))
            .says("Whether the process serves requests", "")
            .health()
            .raw(TEXT, Some("live\n")),
        ready,
        Plain::new("/metrics", "get_metrics", get(health::metrics))
            .says("Metrics in Prometheus text", "Of every hosted log and of the node.")
            .health()
            .raw(TEXT, Some("maip_log_size{log=\"main\"} 4712\n")),
    ]
}

/// Describes a parameter in a path.
fn parameter(name: &'static str) -> Parameter {
    let (about, pattern, example) = match name {
        "log" => ("Name of the log.", "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$", "main"),
        "level" => ("Level of the tile, from the leaves up.", "^[0-9]{1,2}$", "0"),
        "index" => ("Index of the tile, three digits a segment.", "^[0-9]{3}$", "000"),
        "width" => ("How many of the 256 are there.", "^[1-9][0-9]{0,2}$", "4"),
        _ => (
            "Name of the subject: an agent, tenant, session or grant, or an agreement.",
            "^(maip-(agent|tenant|sess|deleg):[0-7][0-9A-HJKMNP-TV-Z]{25}|agreement:[0-9a-f]{64})$",
            "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N",
        ),
    };
    let schema =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([json!(example)]);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

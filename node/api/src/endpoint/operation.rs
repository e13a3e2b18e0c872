//! One endpoint, described: what the router mounts and the OpenAPI document tells.

use axum::http::Method;
use utoipa::openapi::{RefOr, Response, Schema, path::Parameter};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, without a credential.
    Public,
    /// Whoever has a credential of a tenant that covers this scope.
    Scope(&'static str),
    /// The operator, with the admin key.
    Admin,
}

/// Schemas by name.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// Adds the schema of a type, and of what it refers to.
pub(crate) type AddSchemas = fn(&mut Schemas);

/// Largest body of an endpoint that says nothing else.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;

/// An endpoint.
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Path with parameters in braces.
    pub(crate) path: &'static str,
    /// Unique in the document.
    pub(crate) id: &'static str,
    /// Name of its group.
    pub(crate) group: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) access: Access,
    /// Status of a good answer.
    pub(crate) status: u16,
    pub(crate) body_bytes_max: usize,
    /// Query parameters of its own.
    pub(crate) query: Vec<Parameter>,
    /// The body: its schema, and whether there must be one.
    pub(crate) body: Option<(RefOr<Schema>, bool)>,
    /// The answer's schema; `None`: described by `raw`.
    pub(crate) answer: Option<RefOr<Schema>>,
    /// An answer that is no JSON object.
    pub(crate) raw: Option<Response>,
    /// What adds the schemas that those refer to, for the document alone.
    pub(crate) schemas: Vec<AddSchemas>,
    /// An example of a body.
    pub(crate) example: Option<serde_json::Value>,
    /// What it may refuse with, when that is not what every endpoint of the MAIP API may.
    pub(crate) refuses: Option<&'static [u16]>,
    /// Further answers that are no refusals in the common shape.
    pub(crate) also: Vec<(u16, Response)>,
    /// May answer 402: it is metered.
    pub(crate) metered: bool,
    /// A list in pages.
    pub(crate) paged: bool,
    /// Takes `If-Match`.
    pub(crate) versioned: bool,
    /// Reads what a thing may not have by its nature, and answers 409 then.
    pub(crate) selective: bool,
    /// What it makes outlives a session, so an agent's token does not open it.
    pub(crate) lasting: bool,
    /// A POST that only asks: it changes nothing.
    pub(crate) asks: bool,
    /// Only mounted for older clients; left out of the document's main part and said to be deprecated.
    pub(crate) older: bool,
    /// Below the MAIP API: no credential, no parameters but its own.
    pub(crate) plain: bool,
}

impl Operation {
    /// An endpoint of which nothing more is known.
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        group: &'static str,
        status: u16,
    ) -> Self {
        Self {
            method,
            path,
            id,
            group,
            summary: "",
            description: "",
            access: Access::Scope("*:*"),
            status,
            body_bytes_max: BODY_BYTES_MAX,
            query: Vec::new(),
            body: None,
            answer: None,
            raw: None,
            schemas: Vec::new(),
            example: None,
            refuses: None,
            also: Vec::new(),
            metered: false,
            versioned: false,
            selective: false,
            paged: false,
            lasting: false,
            asks: false,
            older: false,
            plain: false,
        }
    }

    pub(crate) fn summary(&mut self, summary: &'static str) -> &mut Self {
        self.summary = summary;
        self
    }

    pub(crate) fn about(&mut self, description: &'static str) -> &mut Self {
        self.description = description;
        self
    }

    /// A tenant's credential that covers this scope.
    pub(crate) fn needs(&mut self, scope: &'static str) -> &mut Self {
        self.access = Access::Scope(scope);
        self
    }

    pub(crate) fn public(&mut self) -> &mut Self {
        self.access = Access::Public;
        self
    }

    pub(crate) fn admin(&mut self) -> &mut Self {
        self.access = Access::Admin;
        self
    }

    pub(crate) fn answers(&mut self, status: u16) -> &mut Self {
        self.status = status;
        self
    }

    pub(crate) fn example(&mut self, body: serde_json::Value) -> &mut Self {
        self.example = Some(body);
        self
    }

    /// It may also answer with this content type.
    pub(crate) fn or_content(&mut self, content_type: &str) -> &mut Self {
        if let Some(raw) = &mut self.raw {
            raw.content.insert(content_type.to_owned(), utoipa::openapi::Content::default().into());
        }
        self
    }

    pub(crate) fn metered(&mut self) -> &mut Self {
        self.metered = true;
        self
    }

    pub(crate) fn paged(&mut self) -> &mut Self {
        self.paged = true;
        self
    }

    pub(crate) fn versioned(&mut self) -> &mut Self {
        self.versioned = true;
        self
    }

    pub(crate) fn selective(&mut self) -> &mut Self {
        self.selective = true;
        self
    }

    pub(crate) fn lasting(&mut self) -> &mut Self {
        self.lasting = true;
        self
    }

    pub(crate) fn asks(&mut self) -> &mut Self {
        self.asks = true;
        self
    }

    pub(crate) fn older(&mut self) -> &mut Self {
        self.older = true;
        self
    }

    pub(crate) fn body_bytes_max(&mut self, bytes: usize) -> &mut Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Whether it may change the log.
    pub(crate) fn writes(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether an idempotency key makes it the same call. What only asks answers by what is true now, and remembering it would cost the
    /// nodes a change of state for whoever calls.
    pub(crate) fn takes_key(&self) -> bool {
        self.method == Method::POST && !self.asks
    }

    /// Schemas that the body and the answer refer to; one may come more than once.
    pub(crate) fn schemas(&self) -> Schemas {
        let mut schemas = Schemas::new();
        self.schemas.iter().for_each(|add| add(&mut schemas));
        schemas
    }

    /// Names of the parameters in the path.
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
    }
}

//! The operations of the document, to be asked one by one, and one object of each kind for those that need one.
//!
//! A new operation is asked without a line here. A new kind of id is made through the collection that its path begins with; one that
//! cannot be made so is named in [`MADE_OTHERWISE`] or [`NOBODYS`], or the tests say that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::client::{Api, Tenant};

/// Ids that another operation makes than a POST to the collection: the parameter, that operation, the field of its answer.
const MADE_OTHERWISE: &[(&str, &str, &str)] = &[("export_id", "/v1/receipts/export", "export_id")];

/// Ids that no call makes when it is made with the document's example: another tenant's is as good as one that nobody has.
const NOBODYS: &[&str] = &["agreement_id", "approval_id", "attestation_id", "delegation_id", "delivery_id"];

/// Names within a tenant or a run: another tenant's is the caller's own, if the caller has one. The tests of their groups look at them.
const NAMES: &[&str] = &["rule_id", "step_id"];

/// Operations that anybody may call with anybody's id: what they show is public.
pub(crate) const PUBLIC: &str = "anybody";

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) method: String,
    path: String,
    about: Value,
}

impl Operation {
    fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, about)| Self {
                method: method.to_uppercase(),
                path: path.clone(),
                about: about.clone(),
            })
        });
        operations.collect()
    }

    /// Which credential opens it: `apiKey`, `adminKey`, or [`PUBLIC`].
    pub(crate) fn access(&self) -> &str {
        let schemes = self.about["security"].as_array().into_iter().flatten();
        let first = schemes.filter_map(|scheme| scheme.as_object()?.keys().next()).next();
        first.map_or(PUBLIC, String::as_str)
    }

    /// The parameters of the path, in their order.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('{').skip(1);
        parts.map(|part| part.split_once('}').unwrap().0.trim_start_matches('*')).collect()
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.parameters().into_iter().filter(|name| name.ends_with("_id") && !NAMES.contains(name)).collect()
    }

    /// The path with these ids; what is no id gets the document's example, or a 0.
    pub(crate) fn path(&self, ids: &BTreeMap<String, String>) -> String {
        let mut path = self.path.clone();
        for name in self.parameters() {
            let value = ids.get(name).cloned().unwrap_or_else(|| self.example_of(name));
            path = path.replace(&format!("{{{name}}}"), &value).replace(&format!("{{*{name}}}"), &value);
        }
        path + &self.query()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&Value> {
        self.about["parameters"].as_array()?.iter().find(|parameter| parameter["name"] == name)
    }

    fn example_of(&self, name: &str) -> String {
        let schema = self.parameter(name).map_or(&Value::Null, |parameter| &parameter["schema"]);
        let example = schema["examples"][0].as_str().or(schema["enum"][0].as_str());
        example.map_or_else(|| "0".to_owned(), str::to_owned)
    }

    /// The query parameters without which it is refused.
    fn query(&self) -> String {
        let parameters = self.about["parameters"].as_array().into_iter().flatten();
        let required = parameters.filter(|parameter| {
            parameter["in"] == "query" && parameter["required"] == true && parameter["name"].is_string()
        });
        let pairs = required.map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            format!("{name}={}", self.example_of(name))
        });
        let pairs: Vec<String> = pairs.collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    /// The example of its body, with the agents and sessions of its caller in the place of the document's.
    pub(crate) fn body(&self, own: &BTreeMap<String, String>) -> Option<String> {
        let example = self.about.pointer("/requestBody/content/application~1json/example")?;
        Some(with_own(example, own).to_string())
    }

    pub(crate) fn takes_a_body(&self) -> bool {
        self.about["requestBody"].is_object()
    }

    /// Whether it is below the MAIP API: the log itself and the node's health.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.about["tags"][0].as_str(), Some("Transparency" | "Health"))
    }

    /// Whether the document says that it may answer so.
    pub(crate) fn may_answer(&self, status: u16) -> bool {
        self.about["responses"].get(status.to_string()).is_some()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// An example in which each id of the document is one of the caller's own, where there is one.
fn with_own(example: &Value, own: &BTreeMap<String, String>) -> Value {
    let own_id = |text: &str| {
        let prefix = text.split_once(':').filter(|(kind, _)| kind.starts_with("maip-"))?.0;
        own.values().find(|id| id.split_once(':').is_some_and(|(kind, _)| kind == prefix)).cloned()
    };
    match example {
        Value::String(text) => own_id(text).unwrap_or_else(|| text.clone()).into(),
        Value::Array(items) => items.iter().map(|item| with_own(item, own)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), with_own(value, own))).collect()
        }
        other => other.clone(),
    }
}

pub(crate) fn document(api: &Api) -> Vec<Operation> {
    Operation::all(&api.nobody().get("/v1/openapi.json").ok(200))
}

/// Makes one object of each kind for a tenant: the id for each parameter of a path.
pub(crate) fn made(operations: &[Operation], tenant: &Tenant<'_>) -> BTreeMap<String, String> {
    let mut own = BTreeMap::from([("tenant_id".to_owned(), tenant.id.clone())]);
    let mut wanted: BTreeSet<&str> = operations.iter().flat_map(Operation::ids).collect();
    wanted.remove("tenant_id");
    // What needs another object first finds it in a later round.
    for _ in 0..4 {
        for name in wanted.clone() {
            if let Some(id) = make(operations, tenant, &own, name) {
                own.insert(name.to_owned(), id);
                wanted.remove(name);
            }
        }
    }
    let missing: Vec<&&str> = wanted.iter().filter(|name| !NOBODYS.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "no call has made {missing:?}: give the POST of the collection an example that works, or name the kind of id in this file"
    );
    own
}

/// One object, by a POST to where the path of its id begins, or right below, with the document's example.
fn make(
    operations: &[Operation],
    tenant: &Tenant<'_>,
    own: &BTreeMap<String, String>,
    name: &str,
) -> Option<String> {
    let otherwise = MADE_OTHERWISE.iter().find(|(known, ..)| *known == name);
    let mut posts: Vec<(&Operation, &str)> = match otherwise {
        Some((_, path, field)) => {
            posts(operations).filter(|post| post.path == *path).map(|post| (post, *field)).collect()
        }
        None => {
            let places =
                operations.iter().filter_map(|operation| operation.path.split_once(&format!("/{{{name}}}")));
            let places: BTreeSet<&str> = places.map(|(before, _)| before).collect();
            let fits = |post: &&Operation| {
                places.iter().any(|place| {
                    post.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            };
            posts(operations).filter(fits).map(|post| (post, name)).collect()
        }
    };
    posts.sort_by_key(|(post, _)| post.path.len());
    posts.into_iter().find_map(|(post, field)| {
        let answer = tenant.live.call("POST", &post.path(own), post.body(own));
        let id = answer.body.get(field).or_else(|| answer.body.get("id")).and_then(Value::as_str)?;
        matches!(answer.status, 200..=202).then(|| id.to_owned())
    })
}

/// Where something can be made that needs no other thing in the path.
fn posts(operations: &[Operation]) -> impl Iterator<Item = &Operation> {
    operations.iter().filter(|operation| operation.method == "POST" && !operation.path.contains('{'))
}

//! What is another tenant's does not exist, and nothing opens without a credential of its own: asked of every operation of the document.
//!
//! A new operation is asked without a line here. A new kind of id is made through the collection that its path begins with; one that
//! cannot be made so is named in [`MADE_OTHERWISE`] or [`NOBODYS`], or the test says that it is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::{Api, Caller, Tenant};

/// Ids that another operation makes than a POST to the collection: the parameter, that operation, the field of its answer.
const MADE_OTHERWISE: &[(&str, &str, &str)] = &[("export_id", "/v1/receipts/export", "export_id")];

/// Ids that no call makes when it is made with the document's example: another tenant's is as good as one that nobody has.
const NOBODYS: &[&str] = &["agreement_id", "approval_id", "attestation_id", "delegation_id", "delivery_id"];

/// Names within a tenant: another tenant's is the caller's own, if the caller has one. The tests of their groups look at them.
const NAMES: &[&str] = &["rule_id"];

/// Operations that anybody may call with anybody's id: what they show is public.
const PUBLIC: &str = "anybody";

/// One operation of the document.
struct Operation {
    method: String,
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
    fn access(&self) -> &str {
        let schemes = self.about["security"].as_array().into_iter().flatten();
        let first = schemes.filter_map(|scheme| scheme.as_object()?.keys().next()).next();
        first.map_or(PUBLIC, String::as_str)
    }

    /// The parameters of the path, in their order.
    fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('{').skip(1);
        parts.map(|part| part.split_once('}').unwrap().0.trim_start_matches('*')).collect()
    }

    fn ids(&self) -> Vec<&str> {
        self.parameters().into_iter().filter(|name| name.ends_with("_id") && !NAMES.contains(name)).collect()
    }

    /// The path with these ids; what is no id gets the document's example, or a 0.
    fn path(&self, ids: &BTreeMap<String, String>) -> String {
        let mut path = self.path.clone();
        for name in self.parameters() {
            let value = ids.get(name).cloned().unwrap_or_else(|| self.example_of(name));
            path = path.replace(&format!("{{{name}}}"), &value).replace(&format!("{{*{name}}}"), &value);
        }
        path + &self.query()
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
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
    fn body(&self, own: &BTreeMap<String, String>) -> Option<String> {
        let example = self.about.pointer("/requestBody/content/application~1json/example")?;
        Some(with_own(example, own).to_string())
    }

    fn name(&self) -> String {
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

fn document(api: &Api) -> Vec<Operation> {
    Operation::all(&api.nobody().get("/v1/openapi.json").ok(200))
}

/// Makes one object of each kind for a tenant: the id for each parameter of a path.
fn made(operations: &[Operation], tenant: &Tenant<'_>) -> BTreeMap<String, String> {
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

#[test]
fn another_tenants_things_do_not_exist() {
    let api = Api::start();
    let operations = document(&api);
    let (acme, other) = (api.tenant("Acme", "enterprise"), api.tenant("Other", "enterprise"));
    let (own, theirs) = (made(&operations, &acme), made(&operations, &other));
    let mut faults = Vec::new();
    let with_ids = operations.iter().filter(|operation| !operation.ids().is_empty());
    let mut asked = 0;
    for operation in with_ids {
        let path = operation.path(&theirs);
        let admin = api.admin().with("x-tenant-id", &acme.id);
        let caller = if operation.access() == "adminKey" { &admin } else { &acme.live };
        let answer = caller.call(&operation.method, &path, operation.body(&own));
        asked += 1;
        let absent = answer.status == 404 && answer.body["code"] == "NOT_FOUND";
        let shown = operation.access() == PUBLIC && answer.status < 500;
        if !absent && !shown {
            faults.push(format!("{}: {} {}", operation.name(), answer.status, answer.text));
        }
        // Its owner sees it: so it is the tenant that was refused, not the call.
        let whole = operation.parameters().iter().all(|name| own.contains_key(*name));
        if operation.method == "GET" && whole {
            let mine = acme.live.get(&operation.path(&own));
            if matches!(mine.status, 400 | 403 | 404) || mine.status >= 500 {
                faults.push(format!("{}, by its owner: {} {}", operation.name(), mine.status, mine.text));
            }
        }
    }
    assert!(asked > 20, "only {asked} operations have an id");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn nothing_opens_without_a_credential_of_its_own() {
    let api = Api::start();
    let operations = document(&api);
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let powerless = acme.live.post("/v1/api-keys", &json!({"name": "x", "scopes": ["nothing:read"]})).ok(201);
    let powerless = api.caller(powerless["secret"].as_str().unwrap());
    let foreign = acme.live.with("x-tenant-id", &other.id);
    let mut faults = Vec::new();
    for operation in operations.iter().filter(|operation| operation.access() != PUBLIC) {
        let nobodys = BTreeMap::new();
        let mut ask = |who: &str, caller: &Caller<'_>, status: u16, field: &str| {
            let answer = caller.call(&operation.method, &operation.path(&nobodys), operation.body(&nobodys));
            let named = answer.body["details"]["field"].as_str().unwrap_or("") == field;
            if answer.status != status || !named {
                faults.push(format!("{}, {who}: {} {}", operation.name(), answer.status, answer.text));
            }
        };
        ask("without a credential", &api.nobody(), 401, "authorization");
        ask("with another's header", &foreign, 403, "X-Tenant-ID");
        match operation.access() {
            "adminKey" => ask("with a tenant's key", &acme.live, 403, ""),
            _ => ask("with a key without the scope", &powerless, 403, "authorization"),
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

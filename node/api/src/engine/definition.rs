//! A workflow as its author writes it, and what is wrong with one.

use std::collections::BTreeMap;

use ledger_format::record::{Scope, StepKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    expression::{EXPRESSION_BYTES_MAX, Expression},
    graph,
};

/// Most steps of a workflow.
pub(crate) const STEPS_MAX: usize = 100;
/// Largest definition as JSON.
pub(crate) const DEFINITION_BYTES_MAX: usize = 128 * 1024;
/// How long a step may take when its author says nothing.
pub(crate) const STEP_TIMEOUT_S: u64 = 300;
/// Most steps that one step waits for: as many as its record may name.
const DEPENDENCIES_MAX: usize = 16;
/// Most branches of a decision.
const CHOICES_MAX: usize = 16;
/// Most inputs that a step names.
const INPUTS_MAX: usize = 32;
/// Most header fields that a webhook sends.
const HEADERS_MAX: usize = 16;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkflowStepType)]
pub(crate) enum StepType {
    LlmInference,
    ToolCall,
    GuardrailCheck,
    Decision,
    Transform,
    Webhook,
}

impl StepType {
    /// What the log calls it.
    pub(crate) fn kind(self) -> StepKind {
        match self {
            StepType::LlmInference => StepKind::LlmInference,
            StepType::ToolCall => StepKind::ToolCall,
            StepType::GuardrailCheck | StepType::Decision => StepKind::Decision,
            StepType::Transform => StepKind::Transform,
            StepType::Webhook => StepKind::Webhook,
        }
    }

    /// Whether an agent does it.
    pub(crate) fn is_for_agents(self) -> bool {
        matches!(self, StepType::LlmInference | StepType::ToolCall)
    }

    /// Whether somebody must be allowed to do it: whatever touches more than the values of the run.
    pub(crate) fn needs_leave(self) -> bool {
        !matches!(self, StepType::Decision | StepType::Transform)
    }
}

/// How often a step is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retry {
    pub(crate) max_attempts: u32,
    /// Before the second attempt; twice as long before each further one.
    pub(crate) backoff_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 1, backoff_ms: 1_000 }
    }
}

/// A step as its author writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepDefinition {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: StepType,
    pub(crate) config: Map<String, Value>,
    pub(crate) depends_on: Vec<String>,
    /// What whoever does it must be allowed.
    pub(crate) action: Option<String>,
    /// Who does it; without one, whoever runs the workflow.
    pub(crate) agent: Option<String>,
    pub(crate) retry: Retry,
    pub(crate) timeout_seconds: u64,
    /// Whether a person must say yes first.
    #[serde(default)]
    pub(crate) requires_approval: bool,
}

/// A version of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) description: String,
    /// What the author calls the version.
    pub(crate) label: String,
    pub(crate) steps: Vec<StepDefinition>,
}

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Wrong {
    pub(crate) fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A definition that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<PlannedStep>,
    /// Places in an order in which the steps can be done.
    pub(crate) order: Vec<usize>,
}

/// A step that was checked.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    /// Its name in the log and in expressions: lower case, unique.
    pub(crate) id: String,
    /// Places of the steps before it.
    pub(crate) after: Vec<usize>,
    pub(crate) action: Option<Scope>,
    pub(crate) task: Task,
}

/// What a step needs from its configuration.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// An agent does it. The values that it is given; without any, all that went before.
    Agent { inputs: Vec<(String, Expression)> },
    /// Guardrails and policies are asked; whether a no fails the run.
    Guardrail { fails: bool },
    /// The first choice that holds goes on, the steps of the others are skipped.
    Decision { choices: Vec<(Expression, Vec<usize>)>, otherwise: Vec<usize> },
    /// Values become another.
    Transform(Expression),
    /// Something outside is called.
    Webhook(Box<Webhook>),
}

/// What is called.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    /// What is sent; without one, all that went before.
    pub(crate) body: Option<Expression>,
}

impl Definition {
    /// Checks it.
    ///
    /// # Errors
    /// The first thing that is wrong, with the field at fault.
    pub(crate) fn plan(&self) -> Result<Plan, Wrong> {
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return Err(Wrong::at("steps", format!("1 to {STEPS_MAX} steps")));
        }
        let mut places = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            let id = crate::wire::token(&step.name);
            if places.insert(id, place).is_some() {
                let message = "another step has this name; upper case and punctuation make no difference";
                return Err(Wrong::at(format!("steps[{place}].name"), message));
            }
        }
        let after = self.dependencies(&places)?;
        let order = graph::order(&after).map_err(|edge| {
            let field = format!("steps[{}].depends_on[{}]", edge.step, edge.dependency);
            Wrong::at(field, "a cycle: the step would wait for itself")
        })?;
        let mut steps = Vec::with_capacity(self.steps.len());
        for (place, (step, after)) in self.steps.iter().zip(after).enumerate() {
            let within = |wrong: Wrong| Wrong { field: format!("steps[{place}].{}", wrong.field), ..wrong };
            steps.push(step.planned(after, &places).map_err(within)?);
        }
        for (place, step) in steps.iter().enumerate() {
            check_branches(place, step, &steps)?;
        }
        if serde_json::to_vec(self).map_or(usize::MAX, |bytes| bytes.len()) > DEFINITION_BYTES_MAX {
            return Err(Wrong::at("steps", format!("more than {DEFINITION_BYTES_MAX} bytes of JSON")));
        }
        Ok(Plan { steps, order })
    }

    fn dependencies(&self, places: &BTreeMap<String, usize>) -> Result<Vec<Vec<usize>>, Wrong> {
        let of_step = |(place, step): (usize, &StepDefinition)| {
            if step.depends_on.len() > DEPENDENCIES_MAX {
                let message = format!("a step waits for at most {DEPENDENCIES_MAX} others");
                return Err(Wrong::at(format!("steps[{place}].depends_on"), message));
            }
            let named = step.depends_on.iter().enumerate().map(|(at, name)| {
                let found = places.get(&crate::wire::token(name)).copied();
                found.ok_or_else(|| {
                    Wrong::at(
                        format!("steps[{place}].depends_on[{at}]"),
                        format!("there is no step {name:?}"),
                    )
                })
            });
            named.collect()
        };
        self.steps.iter().enumerate().map(of_step).collect()
    }
}

/// Whatever a decision chooses must wait for it.
fn check_branches(place: usize, step: &PlannedStep, steps: &[PlannedStep]) -> Result<(), Wrong> {
    let Task::Decision { choices, otherwise } = &step.task else { return Ok(()) };
    let chosen = choices.iter().map(|(_, next)| next).chain([otherwise]).flatten();
    for next in chosen {
        if !steps[*next].after.contains(&place) {
            let message =
                format!("step {:?} is chosen here, so it must depend on this step", steps[*next].id);
            return Err(Wrong::at(format!("steps[{place}].config"), message));
        }
    }
    Ok(())
}

impl StepDefinition {
    fn planned(&self, after: Vec<usize>, places: &BTreeMap<String, usize>) -> Result<PlannedStep, Wrong> {
        let action = match &self.action {
            None => None,
            Some(text) => {
                let exact = Scope::parse(text).filter(Scope::is_exact);
                Some(exact.ok_or_else(|| Wrong::at("action", "is not resource:action in lower case"))?)
            }
        };
        let mut config = Config { members: self.config.clone() };
        let task = match self.kind {
            StepType::LlmInference | StepType::ToolCall => Task::Agent { inputs: config.inputs()? },
            StepType::GuardrailCheck => {
                if action.is_none() {
                    return Err(Wrong::at(
                        "action",
                        "a guardrail check needs the action that is asked about",
                    ));
                }
                Task::Guardrail { fails: config.on_violation()? }
            }
            StepType::Decision => config.decision(places)?,
            StepType::Transform => Task::Transform(
                config
                    .expression("expression")?
                    .ok_or_else(|| Wrong::at("config.expression", "a transform needs an expression"))?,
            ),
            StepType::Webhook => Task::Webhook(Box::new(config.webhook()?)),
        };
        // What an agent is told is between it and the author; what the node reads is read strictly.
        if !self.kind.is_for_agents() {
            config.is_empty()?;
        }
        Ok(PlannedStep { id: crate::wire::token(&self.name), after, action, task })
    }
}

/// The configuration of a step, of which what was read is taken out.
struct Config {
    members: Map<String, Value>,
}

impl Config {
    fn is_empty(&self) -> Result<(), Wrong> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => Err(Wrong::at(format!("config.{name}"), "this type of step has no such setting")),
        }
    }

    fn text(&mut self, name: &str, most: usize) -> Result<Option<String>, Wrong> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= most => Ok(Some(text)),
            Some(_) => {
                Err(Wrong::at(format!("config.{name}"), format!("is not a text of at most {most} bytes")))
            }
        }
    }

    fn expression(&mut self, name: &str) -> Result<Option<Expression>, Wrong> {
        let text = self.text(name, EXPRESSION_BYTES_MAX)?;
        text.map(|text| parsed(&text, &format!("config.{name}"))).transpose()
    }

    fn inputs(&mut self) -> Result<Vec<(String, Expression)>, Wrong> {
        let members = match self.members.remove("inputs") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(members)) if members.len() <= INPUTS_MAX => members,
            Some(_) => {
                return Err(Wrong::at(
                    "config.inputs",
                    format!("is not an object of at most {INPUTS_MAX} expressions"),
                ));
            }
        };
        let read = |(name, value): (String, Value)| {
            let field = format!("config.inputs.{name}");
            let text = value.as_str().ok_or_else(|| Wrong::at(field.clone(), "is not an expression"))?;
            Ok((name, parsed(text, &field)?))
        };
        members.into_iter().map(read).collect()
    }

    fn on_violation(&mut self) -> Result<bool, Wrong> {
        match self.text("on_violation", 16)?.as_deref() {
            None | Some("fail") => Ok(true),
            Some("continue") => Ok(false),
            Some(_) => Err(Wrong::at("config.on_violation", "is neither fail nor continue")),
        }
    }

    fn decision(&mut self, places: &BTreeMap<String, usize>) -> Result<Task, Wrong> {
        let list = match self.members.remove("choices") {
            Some(Value::Array(list)) if (1..=CHOICES_MAX).contains(&list.len()) => list,
            _ => {
                let message =
                    format!("a decision needs a list of 1 to {CHOICES_MAX} choices, {{when, next}}");
                return Err(Wrong::at("config.choices", message));
            }
        };
        let mut choices = Vec::with_capacity(list.len());
        for (at, choice) in list.into_iter().enumerate() {
            let field = format!("config.choices[{at}]");
            let Value::Object(members) = choice else { return Err(Wrong::at(field, "is not {when, next}")) };
            let mut choice = Config { members };
            let when = choice
                .expression("when")
                .map_err(|wrong| Wrong { field: format!("{field}.when"), ..wrong })?;
            let when = when.ok_or_else(|| Wrong::at(format!("{field}.when"), "is missing"))?;
            let next = names(choice.members.remove("next"), places, &format!("{field}.next"))?;
            if let Some(name) = choice.members.keys().next() {
                return Err(Wrong::at(format!("{field}.{name}"), "a choice has when and next"));
            }
            choices.push((when, next));
        }
        let otherwise = names(self.members.remove("otherwise"), places, "config.otherwise")?;
        Ok(Task::Decision { choices, otherwise })
    }

    fn webhook(&mut self) -> Result<Webhook, Wrong> {
        let url = self.text("url", 2048)?.ok_or_else(|| Wrong::at("config.url", "a webhook needs a url"))?;
        let plain = |c: char| c.is_ascii_graphic();
        if !(url.starts_with("https://") || url.starts_with("http://")) || !url.chars().all(plain) {
            return Err(Wrong::at("config.url", "is not an http or https address"));
        }
        let method = match self.text("method", 8)?.as_deref() {
            None | Some("POST") => "POST",
            Some("PUT") => "PUT",
            Some("GET") => "GET",
            Some(_) => return Err(Wrong::at("config.method", "is not POST, PUT or GET")),
        };
        let headers = match self.members.remove("headers") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(headers)) if headers.len() <= HEADERS_MAX => headers,
            Some(_) => {
                return Err(Wrong::at(
                    "config.headers",
                    format!("is not an object of at most {HEADERS_MAX} texts"),
                ));
            }
        };
        let headers =
            headers.into_iter().map(|(name, value)| header(name, &value)).collect::<Result<_, _>>()?;
        Ok(Webhook { url, method, headers, body: self.expression("body")? })
    }
}

/// A header field that an author may send: nothing that frames the message or speaks for the node.
fn header(name: String, value: &Value) -> Result<(String, String), Wrong> {
    const OURS: &[&str] =
        &["host", "content-length", "transfer-encoding", "connection", "content-type", "idempotency-key"];
    let field = format!("config.headers.{name}");
    let is_name =
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_name || OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Wrong::at(field, "is not a header field that may be set"));
    }
    let text =
        value.as_str().filter(|text| text.len() <= 1024 && text.bytes().all(|b| (b' '..=b'~').contains(&b)));
    let text =
        text.ok_or_else(|| Wrong::at(field, "is not a text of at most 1024 visible characters"))?.to_owned();
    Ok((name, text))
}

fn parsed(text: &str, field: &str) -> Result<Expression, Wrong> {
    Expression::parse(text).map_err(|fault| Wrong::at(field, fault.to_string()))
}

/// Names of steps.
fn names(value: Option<Value>, places: &BTreeMap<String, usize>, field: &str) -> Result<Vec<usize>, Wrong> {
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= STEPS_MAX => list,
        Some(_) => return Err(Wrong::at(field, "is not a list of steps")),
    };
    let find = |(at, name): (usize, Value)| {
        let found = name.as_str().and_then(|name| places.get(&crate::wire::token(name)).copied());
        found.ok_or_else(|| Wrong::at(format!("{field}[{at}]"), "there is no such step"))
    };
    list.into_iter().enumerate().map(find).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::engine) fn step(
        name: &str,
        kind: StepType,
        config: Value,
        after: &[&str],
    ) -> StepDefinition {
        let Value::Object(config) = config else { panic!("a config is an object") };
        StepDefinition {
            name: name.into(),
            kind,
            config,
            depends_on: after.iter().map(|name| (*name).to_owned()).collect(),
            action: None,
            agent: None,
            retry: Retry::default(),
            timeout_seconds: STEP_TIMEOUT_S,
            requires_approval: false,
        }
    }

    fn plan(steps: Vec<StepDefinition>) -> Result<Plan, String> {
        let definition =
            Definition { name: "w".into(), description: String::new(), label: "1.0.0".into(), steps };
        definition.plan().map_err(|wrong| wrong.field)
    }

    #[test]
    fn a_plan_has_the_steps_in_an_order_that_works() {
        let read = plan(vec![
            step("Publish", StepType::ToolCall, json!({}), &["check it", "write"]),
            step("Check it", StepType::Transform, json!({"expression": "1"}), &["write"]),
            step("write", StepType::LlmInference, json!({"inputs": {"topic": "input.topic"}}), &[]),
        ]);
        let read = read.unwrap();
        assert_eq!(read.order, [2, 1, 0]);
        assert_eq!(read.steps[0].after, [1, 2]);
        assert_eq!(read.steps[1].id, "check_it");
    }

    #[test]
    fn a_refusal_names_the_field() {
        let transform =
            |name: &str, after: &[&str]| step(name, StepType::Transform, json!({"expression": "1"}), after);
        let one = |kind, config| vec![step("a", kind, config, &[])];
        let decision = json!({"choices": [{"when": "true", "next": ["b"]}]});
        let mut bad_action = transform("a", &[]);
        bad_action.action = Some("*:*".into());
        for (steps, field) in [
            (vec![], "steps"),
            (vec![transform("a", &[]), transform("A", &[])], "steps[1].name"),
            (vec![transform("a", &["x"])], "steps[0].depends_on[0]"),
            (vec![transform("a", &["a"])], "steps[0].depends_on[0]"),
            (
                vec![transform("a", &[]), transform("b", &["a", "c"]), transform("c", &["b"])],
                "steps[1].depends_on[1]",
            ),
            (vec![bad_action], "steps[0].action"),
            (one(StepType::Transform, json!({})), "steps[0].config.expression"),
            (one(StepType::Transform, json!({"expression": "1 +"})), "steps[0].config.expression"),
            (one(StepType::Transform, json!({"expression": "1", "more": 1})), "steps[0].config.more"),
            (one(StepType::ToolCall, json!({"inputs": {"x": "("}})), "steps[0].config.inputs.x"),
            (one(StepType::GuardrailCheck, json!({})), "steps[0].action"),
            (one(StepType::Decision, json!({})), "steps[0].config.choices"),
            (one(StepType::Decision, json!({"choices": [{"next": []}]})), "steps[0].config.choices[0].when"),
            (
                one(StepType::Decision, json!({"choices": [{"when": "1", "next": ["z"]}]})),
                "steps[0].config.choices[0].next[0]",
            ),
            (vec![step("a", StepType::Decision, decision, &[]), transform("b", &[])], "steps[0].config"),
            (one(StepType::Webhook, json!({})), "steps[0].config.url"),
            (one(StepType::Webhook, json!({"url": "ftp://x"})), "steps[0].config.url"),
            (
                one(StepType::Webhook, json!({"url": "http://x", "headers": {"Host": "y"}})),
                "steps[0].config.headers.Host",
            ),
            ((0..=STEPS_MAX).map(|n| transform(&n.to_string(), &[])).collect(), "steps"),
        ] {
            assert_eq!(plan(steps).err().as_deref(), Some(field));
        }
    }
}

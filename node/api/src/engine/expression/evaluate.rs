//! The value of a tree, within a budget.

use std::{borrow::Cow, cell::Cell, cmp::Ordering};

use serde_json::{Map, Value};

use super::{
    Fault,
    functions::{Macro, wrong},
    parse::{Node, NodeKind, Operator},
};

/// Most nodes that one evaluation visits.
const STEPS_MAX: u64 = 200_000;
/// Most bytes that one evaluation makes or copies.
const BYTES_MAX: u64 = 1 << 20;

pub(super) fn evaluate(root: &Node, variables: &[(&str, &Value)]) -> Result<Value, Fault> {
    let run = Run { variables, steps: Cell::new(STEPS_MAX), bytes: Cell::new(BYTES_MAX) };
    let value = run.value(root, None)?;
    run.own(value)
}

/// A name that a macro gives, and those around it.
struct Frame<'f> {
    name: &'f str,
    value: &'f Value,
    around: Option<&'f Frame<'f>>,
}

type Around<'f> = Option<&'f Frame<'f>>;

struct Run<'v> {
    variables: &'v [(&'v str, &'v Value)],
    steps: Cell<u64>,
    bytes: Cell<u64>,
}

/// A number as CEL has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Result<Self, Fault> {
        let Value::Number(number) = value else { return Err(wrong(format!("{} is no number", kind(value)))) };
        match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Number::Integer(integer)),
            (None, Some(double)) => Ok(Number::Double(double)),
            (None, None) => Err(wrong("a number that is too large")),
        }
    }

    pub(super) fn as_double(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Double(number) => number,
        }
    }
}

impl<'v> Run<'v> {
    /// Pays for bytes before they are made.
    fn pay(&self, bytes: usize) -> Result<(), Fault> {
        let left = self.bytes.get().checked_sub(bytes as u64).ok_or(Fault::Budget)?;
        self.bytes.set(left);
        Ok(())
    }

    fn own(&self, value: Cow<'_, Value>) -> Result<Value, Fault> {
        match value {
            Cow::Owned(value) => Ok(value),
            Cow::Borrowed(value) => {
                self.pay(weight(value))?;
                Ok(value.clone())
            }
        }
    }

    fn value(&self, node: &'v Node, around: Around<'_>) -> Result<Cow<'v, Value>, Fault> {
        self.steps.set(self.steps.get().checked_sub(1).ok_or(Fault::Budget)?);
        Ok(match &*node.kind {
            NodeKind::Literal(value) => Cow::Borrowed(value),
            NodeKind::Name(name) => self.named(name, around)?,
            NodeKind::Member(of, name) => {
                let missing = || wrong(format!("there is no member {name:?}"));
                self.member(self.value(of, around)?, name)?.ok_or_else(missing)?
            }
            NodeKind::Has(of, name) => {
                Cow::Owned(self.member(self.value(of, around)?, name)?.is_some().into())
            }
            NodeKind::Index(of, index) => {
                let (of, index) = (self.value(of, around)?, self.value(index, around)?);
                self.index(of, &index)?
            }
            NodeKind::Not(of) => Cow::Owned((!self.holds(of, around)?).into()),
            NodeKind::Negative(of) => Cow::Owned(match Number::of(self.value(of, around)?.as_ref())? {
                Number::Integer(number) => number.checked_neg().ok_or_else(overflow)?.into(),
                Number::Double(number) => double(-number)?,
            }),
            NodeKind::Two(Operator::And, a, b) => Cow::Owned(self.either(a, b, false, around)?.into()),
            NodeKind::Two(Operator::Or, a, b) => Cow::Owned(self.either(a, b, true, around)?.into()),
            NodeKind::Two(operator, a, b) => {
                let (a, b) = (self.value(a, around)?, self.value(b, around)?);
                Cow::Owned(self.two(*operator, &a, &b)?)
            }
            NodeKind::Choice(condition, yes, no) => {
                let chosen = if self.holds(condition, around)? { yes } else { no };
                self.value(chosen, around)?
            }
            NodeKind::List(items) => {
                let items = items.iter().map(|item| self.own(self.value(item, around)?));
                Cow::Owned(items.collect::<Result<Vec<_>, Fault>>()?.into())
            }
            NodeKind::Map(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    let Value::String(key) = self.own(self.value(key, around)?)? else {
                        return Err(wrong("a key that is no text"));
                    };
                    map.insert(key, self.own(self.value(value, around)?)?);
                }
                Cow::Owned(map.into())
            }
            NodeKind::Call(function, arguments) => {
                let values: Vec<Cow<'v, Value>> = arguments
                    .iter()
                    .map(|argument| self.value(argument, around))
                    .collect::<Result<_, Fault>>()?;
                // What a function makes is about as large as what goes in; the separators of `join` count for each item.
                let made = values.iter().map(|value| weight(value)).sum::<usize>();
                let items = values[0].as_array().map_or(1, Vec::len);
                self.pay(made.saturating_add(
                    items.saturating_mul(values.last().map_or(0, |last| weight(last)).min(made)),
                ))?;
                Cow::Owned(function.call(&values.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
            }
            NodeKind::Each { of, name, over, body, only } => {
                let of = self.value(of, around)?;
                Cow::Owned(self.each(&of, name, *over, body, only.as_ref(), around)?)
            }
        })
    }

    fn holds(&self, node: &'v Node, around: Around<'_>) -> Result<bool, Fault> {
        truth(self.value(node, around)?.as_ref())
    }

    fn named(&self, name: &str, around: Around<'_>) -> Result<Cow<'v, Value>, Fault> {
        let mut frame = around;
        while let Some(found) = frame {
            if found.name == name {
                self.pay(weight(found.value))?;
                return Ok(Cow::Owned(found.value.clone()));
            }
            frame = found.around;
        }
        let found = self.variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| Cow::Borrowed(*value)).ok_or_else(|| wrong(format!("there is no {name}")))
    }

    fn member(&self, of: Cow<'v, Value>, name: &str) -> Result<Option<Cow<'v, Value>>, Fault> {
        match of {
            Cow::Borrowed(Value::Object(members)) => Ok(members.get(name).map(Cow::Borrowed)),
            Cow::Owned(Value::Object(mut members)) => Ok(members.remove(name).map(Cow::Owned)),
            other => Err(wrong(format!("{} has no members", kind(&other)))),
        }
    }

    fn index(&self, of: Cow<'v, Value>, index: &Value) -> Result<Cow<'v, Value>, Fault> {
        match index {
            Value::String(name) => {
                self.member(of, name)?.ok_or_else(|| wrong(format!("there is no member {name:?}")))
            }
            index => {
                let Number::Integer(place) = Number::of(index)? else {
                    return Err(wrong("a place that is not whole"));
                };
                let place = usize::try_from(place).map_err(|_| wrong("a place below 0"))?;
                let missing = || wrong(format!("there is no item {place}"));
                match of {
                    Cow::Borrowed(Value::Array(items)) => {
                        items.get(place).map(Cow::Borrowed).ok_or_else(missing)
                    }
                    Cow::Owned(Value::Array(mut items)) if place < items.len() => {
                        Ok(Cow::Owned(items.swap_remove(place)))
                    }
                    Cow::Owned(Value::Array(_)) => Err(missing()),
                    other => Err(wrong(format!("{} has no items", kind(&other)))),
                }
            }
        }
    }

    /// `&&` and `||`: one side alone may decide, whatever is wrong with the other.
    fn either(&self, a: &'v Node, b: &'v Node, decides: bool, around: Around<'_>) -> Result<bool, Fault> {
        let left = self.holds(a, around);
        if matches!(left, Err(Fault::Budget)) || left == Ok(decides) {
            return left;
        }
        let right = self.holds(b, around)?;
        if right == decides { Ok(decides) } else { left }
    }

    fn two(&self, operator: Operator, a: &Value, b: &Value) -> Result<Value, Fault> {
        match operator {
            Operator::Equal => return Ok(equal(a, b).into()),
            Operator::Different => return Ok((!equal(a, b)).into()),
            Operator::In => {
                return match b {
                    Value::Array(items) => {
                        self.pay(items.len())?;
                        Ok(items.iter().any(|item| equal(item, a)).into())
                    }
                    Value::Object(members) => Ok(a.as_str().is_some_and(|a| members.contains_key(a)).into()),
                    other => Err(wrong(format!("nothing is in {}", kind(other)))),
                };
            }
            _ => {}
        }
        let order = |fits: fn(Ordering) -> bool| Ok(fits(compare(a, b)?).into());
        match operator {
            Operator::Less => order(Ordering::is_lt),
            Operator::LessOrEqual => order(Ordering::is_le),
            Operator::More => order(Ordering::is_gt),
            Operator::MoreOrEqual => order(Ordering::is_ge),
            operator => self.calculate(operator, a, b),
        }
    }

    fn calculate(&self, operator: Operator, a: &Value, b: &Value) -> Result<Value, Fault> {
        if operator == Operator::Add {
            match (a, b) {
                (Value::String(a), Value::String(b)) => {
                    self.pay(a.len() + b.len())?;
                    return Ok([a.as_str(), b.as_str()].concat().into());
                }
                (Value::Array(x), Value::Array(y)) => {
                    self.pay(weight(a) + weight(b))?;
                    return Ok(x.iter().chain(y).cloned().collect::<Vec<_>>().into());
                }
                _ => {}
            }
        }
        match (Number::of(a)?, Number::of(b)?) {
            (Number::Integer(a), Number::Integer(b)) => {
                let made = match operator {
                    Operator::Add => a.checked_add(b),
                    Operator::Subtract => a.checked_sub(b),
                    Operator::Multiply => a.checked_mul(b),
                    Operator::Divide => a.checked_div(b),
                    _ => a.checked_rem(b),
                };
                Ok(made.ok_or_else(overflow)?.into())
            }
            (Number::Double(a), Number::Double(b)) => double(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                _ => return Err(wrong("a remainder of doubles")),
            }),
            _ => Err(wrong("a whole number and a double: convert one with int() or double()")),
        }
    }

    fn each(
        &self,
        of: &Value,
        name: &str,
        over: Macro,
        body: &'v Node,
        only: Option<&'v Node>,
        around: Around<'_>,
    ) -> Result<Value, Fault> {
        let keys;
        let items: &[Value] = match of {
            Value::Array(items) => items,
            Value::Object(members) => {
                self.pay(members.keys().map(String::len).sum())?;
                keys = members.keys().cloned().map(Value::from).collect::<Vec<_>>();
                &keys
            }
            other => return Err(wrong(format!("{} has no items", kind(other)))),
        };
        let mut made = Vec::new();
        let mut holding = 0_usize;
        // As in `&&`: an item that decides makes up for one that is wrong.
        let mut fault = None;
        for item in items {
            let frame = Frame { name, value: item, around };
            if let Some(only) = only
                && !self.holds(only, Some(&frame))?
            {
                continue;
            }
            let value = self.value(body, Some(&frame));
            if over == Macro::Map {
                made.push(self.own(value?)?);
                continue;
            }
            match (over, value.and_then(|value| truth(&value))) {
                (_, Err(Fault::Budget)) => return Err(Fault::Budget),
                (Macro::All, Ok(false)) => return Ok(false.into()),
                (Macro::Exists, Ok(true)) => return Ok(true.into()),
                (Macro::All | Macro::Exists, Err(found)) => fault = Some(found),
                (_, Err(found)) => return Err(found),
                (Macro::Filter, Ok(true)) => {
                    self.pay(weight(item))?;
                    made.push(item.clone());
                }
                (_, Ok(holds)) => holding += usize::from(holds),
            }
        }
        match (over, fault) {
            (_, Some(fault)) => Err(fault),
            (Macro::Map | Macro::Filter, None) => Ok(made.into()),
            (Macro::All, None) => Ok(true.into()),
            (Macro::Exists, None) => Ok(false.into()),
            (Macro::ExistsOne, None) => Ok((holding == 1).into()),
        }
    }
}

fn truth(value: &Value) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| wrong(format!("{} is neither true nor false", kind(value))))
}

pub(super) fn double(number: f64) -> Result<Value, Fault> {
    serde_json::Number::from_f64(number).map(Value::Number).ok_or_else(|| wrong("no finite number"))
}

fn overflow() -> Fault {
    wrong("a division by zero, or a whole number that is too large")
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b).is_ok_and(Ordering::is_eq),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Result<Ordering, Fault> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::Number(_), Value::Number(_)) => match (Number::of(a)?, Number::of(b)?) {
            (Number::Integer(a), Number::Integer(b)) => Ok(a.cmp(&b)),
            (a, b) => a.as_double().partial_cmp(&b.as_double()).ok_or_else(|| wrong("no order")),
        },
        (a, b) => Err(wrong(format!("{} and {} have no order", kind(a), kind(b)))),
    }
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    const EACH: usize = 32;
    EACH + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        _ => 0,
    }
}

/// What kind of value it is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

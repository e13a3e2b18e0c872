//! Expressions over JSON: the part of CEL, the Common Expression Language, that needs nothing but JSON.
//!
//! ```text
//! text ─> words (lex) ─> tree (parse) ─> value (evaluate), within a budget
//! ```
//!
//! An expression cannot loop, call out or see more than the variables that it is given. How much it may compute is bounded in
//! steps and in bytes, so the text of a stranger costs a node no more than its budget. What CEL has beyond JSON is left out: unsigned
//! numbers, bytes, times, regular expressions.

mod evaluate;
mod functions;
mod lex;
mod parse;

use serde_json::Value;

/// Longest text of an expression.
pub(crate) const EXPRESSION_BYTES_MAX: usize = 4096;

/// An expression that was read.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    root: parse::Node,
}

/// Why a text is no expression, or has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The text is no expression; where, in bytes.
    #[error("{what}, at byte {at}")]
    Text { at: usize, what: String },
    /// It has no value for these variables.
    #[error("{0}")]
    Value(String),
    /// It needs more steps or bytes than an expression may.
    #[error("the expression computes more than it may")]
    Budget,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is too long, nested too deeply, or no expression.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > EXPRESSION_BYTES_MAX {
            let what = format!("longer than {EXPRESSION_BYTES_MAX} bytes");
            return Err(Fault::Text { at: EXPRESSION_BYTES_MAX, what });
        }
        Ok(Self { root: parse::parse(&lex::words(text)?, text.len())? })
    }

    /// Its value for these variables.
    ///
    /// # Errors
    /// There is none: a name or a member is missing, kinds do not fit, or the budget is used up.
    pub(crate) fn evaluate(&self, variables: &[(&str, &Value)]) -> Result<Value, Fault> {
        evaluate::evaluate(&self.root, variables)
    }

    /// As [`Expression::evaluate`], where only yes and no are answers.
    ///
    /// # Errors
    /// As there, or the value is neither.
    pub(crate) fn holds(&self, variables: &[(&str, &Value)]) -> Result<bool, Fault> {
        match self.evaluate(variables)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Fault::Value(format!("is {}, not true or false", evaluate::kind(&other)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Value, Fault> {
        let input = json!({
            "text": "Invoice 17", "total": 120, "rate": 0.5, "tags": ["a", "b"], "none": null, "ok": true,
            "lines": [{"n": 1, "net": 40}, {"n": 2, "net": 80}],
        });
        let steps = json!({"sum-up": {"output": {"score": 7}}});
        Expression::parse(text)?.evaluate(&[("input", &input), ("steps", &steps)])
    }

    #[test]
    fn expressions_have_the_values_that_cel_says() {
        for (text, expected) in [
            ("1 + 2 * 3", json!(7)),
            ("(1 + 2) * 3 - -1", json!(10)),
            ("7 / 2", json!(3)),
            ("-7 % 3", json!(-1)),
            ("7.0 / 2.0", json!(3.5)),
            ("1 == 1.0 && 2 > 1.5", json!(true)),
            ("'a' + \"b\\n\"", json!("ab\n")),
            ("[1, 2] + [3]", json!([1, 2, 3])),
            ("{'a': 1, 'b': [true, null]}", json!({"a": 1, "b": [true, null]})),
            ("input.total > 100 ? 'large' : 'small'", json!("large")),
            ("steps['sum-up'].output.score", json!(7)),
            ("input.tags[1]", json!("b")),
            ("'a' in input.tags && !('c' in input.tags)", json!(true)),
            ("'text' in input", json!(true)),
            ("has(input.text) && !has(input.missing)", json!(true)),
            ("size(input.tags) + input.text.size()", json!(12)),
            ("input.lines.map(l, l.net)", json!([40, 80])),
            ("input.lines.map(l, l.net > 50, l.n)", json!([2])),
            ("input.lines.filter(l, l.net > 50)[0].n", json!(2)),
            ("input.lines.all(l, l.net > 0) && input.lines.exists(l, l.n == 2)", json!(true)),
            ("input.lines.exists_one(l, l.net == 40)", json!(true)),
            (
                "input.text.startsWith('Inv') && input.text.endsWith('17') && input.text.contains('ice')",
                json!(true),
            ),
            ("input.text.lowerAscii().split(' ').join('-')", json!("invoice-17")),
            ("int('42') + int(2.9)", json!(44)),
            ("double(input.total) * input.rate", json!(60.0)),
            ("string(input.total) + '!'", json!("120!")),
            ("input.none == null", json!(true)),
            ("true || input.missing", json!(true)),
            ("input.missing || true", json!(true)),
            ("input.missing && false", json!(false)),
            ("'b' > 'a' && 'a' != 1", json!(true)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("1 +", 3),
            ("1 2", 2),
            ("(1", 2),
            ("'open", 0),
            ("a.", 2),
            ("a..b", 2),
            ("@", 0),
            ("[1,,2]", 3),
            ("{'a' 1}", 5),
            ("input.lines.map(1, 2)", 12),
            ("unknown(1)", 0),
            ("9999999999999999999", 0),
            ("'\\q'", 1),
        ] {
            let fault = Expression::parse(text).unwrap_err();
            assert!(matches!(&fault, Fault::Text { at: found, .. } if *found == at), "{text}: {fault:?}");
        }
        assert!(
            Expression::parse(&"(".repeat(2000)).is_err() && Expression::parse(&"!".repeat(2000)).is_err()
        );
        assert!(
            Expression::parse(&format!("1{}", "+1".repeat(1000))).is_err(),
            "a tree that deep would cost stack"
        );
    }

    #[test]
    fn what_has_no_value_says_why() {
        for text in [
            "input.missing",
            "unknown",
            "1 + 'a'",
            "1 + 1.0",
            "1 / 0",
            "1.0 / 0.0",
            "9223372036854775807 + 1",
            "input.tags[2]",
            "input.tags['x']",
            "'a' < 1",
            "!1",
            "-'a'",
            "1 ? 2 : 3",
            "int('x')",
            "size(1)",
            "input.text.all(c, true)",
            "1 in 1",
            "[1].map(x, y)",
            "[1].join(',')",
        ] {
            assert!(matches!(value(text), Err(Fault::Value(_))), "{text}: {:?}", value(text));
        }
    }

    #[test]
    fn an_expression_costs_no_more_than_its_budget() {
        let long = Value::Array(vec![json!(1); 1000]);
        let nested = Expression::parse("l.map(a, l.map(b, l.map(c, a + b + c)))").unwrap();
        assert_eq!(nested.evaluate(&[("l", &long)]), Err(Fault::Budget));
        // A budget that is used up is no error that `||` may pass over.
        let hidden = Expression::parse("l.all(a, l.all(b, l.all(c, a + b + c > 0))) || true").unwrap();
        assert_eq!(hidden.evaluate(&[("l", &long)]), Err(Fault::Budget));
        let text = json!("x".repeat(60_000));
        let doubled = Expression::parse(&format!("t{}", " + t".repeat(60)))
            .and_then(|whole| whole.evaluate(&[("t", &text)]));
        assert!(matches!(doubled, Err(Fault::Budget | Fault::Text { .. })), "{doubled:?}");
        let copies = Expression::parse("l.map(x, t)").unwrap();
        assert_eq!(copies.evaluate(&[("l", &long), ("t", &text)]), Err(Fault::Budget));
    }
}

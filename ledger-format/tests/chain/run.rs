//! Runs one case of `vectors/chain.json`. Shared by the test that reads the file and the example that writes it.

use ledger_format::record::{Kid, TenantId};
use ledger_format::{Chain, ChainMoment, ChainQuestion, ChainVerdict, Policy, TenantRoot, verify_chain};
use serde_json::Value;

/// The file of a case: its text, or its parts taken from the pool of all parts.
pub(crate) fn text_of(case: &Value, pool: &Value) -> String {
    if let Some(text) = case["file"].as_str() {
        return text.to_owned();
    }
    let mut text = "maip.dev/chain/v1\n".to_owned();
    for part in case["parts"].as_array().expect("a case has a file or parts") {
        let (kind, name) = part.as_str().expect("text").split_once(' ').expect("kind and name");
        let body = pool[name].as_str().unwrap_or_else(|| panic!("the pool has no {name}"));
        text += &format!("{kind} {}\n{body}\n", body.len());
    }
    text
}

/// What a case leads to: `holds`, `held`, `stale`, `age_unknown`, the code of a fault, or `parse.<error>`.
pub(crate) fn outcome(case: &Value, pool: &Value, policy: &str) -> (String, Option<ChainVerdict>) {
    let policy = Policy::parse(policy).expect("the policy is well-formed");
    let text = text_of(case, pool);
    let chain = match Chain::parse(text.as_bytes()) {
        Ok(chain) => chain,
        Err(error) => {
            let name = format!("{error:?}");
            let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            return (format!("parse.{}", &name[..end]), None);
        }
    };
    assert_eq!(chain.to_string(), text, "prints as read");
    let roots: Vec<TenantRoot> =
        case["roots"].as_array().map_or(Vec::new(), |roots| roots.iter().map(root).collect());
    let question = ChainQuestion {
        now_s: number(&case["now_s"]).expect("a time"),
        max_age_s: number(&case["max_age_s"]),
        tenant_roots: &roots,
        moment: match case["at"].as_str() {
            Some("receipt") => ChainMoment::Receipt,
            _ => ChainMoment::Now,
        },
    };
    match verify_chain(&chain, &policy, &question) {
        Ok(verdict) => (verdict.reason().to_owned(), Some(verdict)),
        Err(fault) => (fault.reason.code().to_owned(), None),
    }
}

/// Numbers are decimal strings: not every language has 64-bit integers in JSON.
fn number(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.parse().expect("a number"))
}

fn root(value: &Value) -> TenantRoot {
    TenantRoot {
        origin: value["origin"].as_str().expect("an origin").into(),
        tenant: TenantId::parse(value["tenant"].as_str().expect("a tenant")).expect("a tenant"),
        kid: Kid::parse(value["kid"].as_str().expect("a kid")).expect("a kid"),
    }
}

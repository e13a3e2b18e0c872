//! Claims: served scores that anybody can compute again.

use ledger_format::record::AgentId;
use serde_json::{Map, Value};

use super::Replayed;

/// Most bytes of a claim's file.
pub const CLAIM_BYTES_MAX: usize = 65_536;

/// What a claim must say. The rest is compared too when it is there.
const NEEDED: [&str; 6] = ["agent", "alg", "as_of_size", "factors", "origin", "score_bp"];

/// A served score.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    members: Map<String, Value>,
    /// Whose score.
    pub agent: AgentId,
    /// After how many entries.
    pub as_of_size: u64,
    /// At which log time, ms since 1970; `None`: that of the last of these entries.
    pub as_of_ms: Option<u64>,
}

/// Why a claim cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not a JSON object, or too long.
    #[error("not a claim: {0}")]
    Form(String),
    /// A member is missing or of another kind.
    #[error("the claim's {0} is missing or malformed")]
    Member(&'static str),
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Members that are equal.
    pub equal: Vec<String>,
    /// Members that differ: name, claimed, computed.
    pub different: Vec<(String, Value, Value)>,
    /// Members about which a replay says nothing.
    pub not_compared: Vec<String>,
}

impl Claim {
    /// Reads a claim, bare or as the member `claim` of an object (as `maip trust show --json` prints it).
    pub fn parse(bytes: &[u8]) -> Result<Claim, ClaimError> {
        if bytes.len() > CLAIM_BYTES_MAX {
            return Err(ClaimError::Form(format!("more than {CLAIM_BYTES_MAX} bytes")));
        }
        let value = serde_json::from_slice(bytes).map_err(|e| ClaimError::Form(e.to_string()))?;
        let Value::Object(mut members) = value else {
            return Err(ClaimError::Form("not a JSON object".into()));
        };
        if let Some(Value::Object(inner)) = members.remove("claim") {
            members = inner;
        }
        if let Some(missing) = NEEDED.into_iter().find(|&name| !members.contains_key(name)) {
            return Err(ClaimError::Member(missing));
        }
        let agent = members["agent"].as_str().and_then(AgentId::parse_any);
        let as_of_ms = members.get("as_of").map(|ms| ms.as_u64().ok_or(ClaimError::Member("as_of")));
        Ok(Claim {
            agent: agent.ok_or(ClaimError::Member("agent"))?,
            as_of_size: members["as_of_size"].as_u64().ok_or(ClaimError::Member("as_of_size"))?,
            as_of_ms: as_of_ms.transpose()?,
            members,
        })
    }

    /// Compares it with what the entries say. `None` when they know no such agent, or have no reading for that time: a claim about a
    /// time before the last entry cannot be checked with that entry.
    pub fn compare(&self, replayed: &Replayed) -> Option<Compared> {
        let as_of_ms = self.as_of_ms.unwrap_or_else(|| replayed.last_entry_ms());
        let standing = replayed.standing(self.agent, as_of_ms)?;
        let computed = replayed.claim(self.agent, &standing);
        let mut compared = Compared::default();
        for (name, claimed) in &self.members {
            match computed.get(name) {
                None => compared.not_compared.push(name.clone()),
                Some(value) if is_same(name, value, claimed) => compared.equal.push(name.clone()),
                Some(value) => compared.different.push((name.clone(), claimed.clone(), value.clone())),
            }
        }
        Some(compared)
    }
}

/// An agent's id has several spellings, and a factor without data may be there as null.
fn is_same(name: &str, computed: &Value, claimed: &Value) -> bool {
    match (name, computed, claimed) {
        ("agent", Value::String(computed), Value::String(claimed)) => {
            AgentId::parse_any(computed) == AgentId::parse_any(claimed)
        }
        ("factors", Value::Object(computed), Value::Object(claimed)) => {
            let claimed = claimed.iter().filter(|(_, factor)| !factor.is_null());
            claimed.eq(computed.iter())
        }
        _ => computed == claimed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let good = r#"{"agent":"maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N","alg":"maip-trust/1","as_of_size":7,"factors":{},"origin":"o","score_bp":null}"#;
        let claim = Claim::parse(good.as_bytes()).unwrap();
        assert_eq!((claim.as_of_size, claim.as_of_ms), (7, None));
        assert_eq!(Claim::parse(format!(r#"{{"ok":true,"claim":{good}}}"#).as_bytes()), Ok(claim));
        for name in NEEDED {
            let without = good.replace(&format!("\"{name}\""), "\"other\"");
            assert_eq!(Claim::parse(without.as_bytes()), Err(ClaimError::Member(name)));
        }
        for (from, to, name) in [
            (":7", ":-7", "as_of_size"),
            (":7", ":7.5", "as_of_size"),
            ("maip-agent", "maip-tenant", "agent"),
            (":7", ":7,\"as_of\":\"now\"", "as_of"),
        ] {
            assert_eq!(
                Claim::parse(good.replace(from, to).as_bytes()),
                Err(ClaimError::Member(name)),
                "{to}"
            );
        }
        for bad in ["", "[]", "{", "7"] {
            assert!(matches!(Claim::parse(bad.as_bytes()), Err(ClaimError::Form(_))), "{bad}");
        }
        assert!(matches!(Claim::parse(&[b' '; CLAIM_BYTES_MAX + 1]), Err(ClaimError::Form(_))));
    }
}

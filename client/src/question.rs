//! Questions of decisions in their canonical form, whose digest a decision carries as its `inputs`.

use ledger_format::record::{Digest, TenantId, json::Writer};
use ledger_state::Question;

/// The canonical JSON of a question: `action`, `agent`, `amount`, `approval`, `grant`, `kind`, `session`, `tenant`, `tool`; what is not
/// asked about is absent.
pub fn canonical(question: &Question) -> Vec<u8> {
    let mut w = Writer::default();
    let optional = |w: &mut Writer, name: &str, value: Option<String>| {
        if let Some(value) = value {
            w.text_field(name, &value);
        }
    };
    w.open_object();
    w.text_field("action", question.action.as_str());
    w.text_field("agent", &question.agent.to_string());
    if let Some(amount) = &question.amount {
        w.key("amount");
        w.open_object();
        w.text_field("currency", &amount.currency);
        w.unsigned_field("minor", amount.minor);
        w.close_object();
    }
    optional(&mut w, "approval", question.approval.map(|id| id.to_string()));
    optional(&mut w, "grant", question.grant.map(|id| id.to_string()));
    w.text_field("kind", question.kind.as_str());
    optional(&mut w, "session", question.session.map(|id| id.to_string()));
    w.text_field("tenant", &TenantId(question.tenant).to_string());
    optional(&mut w, "tool", question.tool.map(|id| id.to_string()));
    w.close_object();
    w.finish()
}

/// SHA-256 of [`canonical`].
pub fn digest(question: &Question) -> Digest {
    Digest::sha256(&canonical(question))
}

#[cfg(test)]
mod tests {
    use ledger_format::record::{AgentId, Amount, DecisionKind, ReceiptId, Scope, Ulid, json};

    use super::*;

    #[test]
    fn the_form_is_canonical_and_leaves_out_what_is_not_asked() {
        let plain = Question {
            tenant: Ulid(1),
            agent: AgentId(Ulid(2)),
            action: Scope::parse("invoice:pay").unwrap(),
            kind: DecisionKind::Policy,
            amount: None,
            approval: None,
            grant: None,
            session: None,
            tool: None,
        };
        let want = r#"{"action":"invoice:pay","agent":"maip-agent:00000000000000000000000002","kind":"policy","tenant":"maip-tenant:00000000000000000000000001"}"#;
        assert_eq!(String::from_utf8(canonical(&plain)).unwrap(), want);
        let full = Question {
            amount: Some(Amount { currency: "EUR".into(), minor: 5 }),
            approval: Some(ReceiptId(Ulid(3))),
            ..plain.clone()
        };
        let bytes = canonical(&full);
        assert_eq!(json::parse(&bytes).unwrap().to_bytes(), bytes);
        assert_ne!(digest(&full), digest(&plain));
    }
}

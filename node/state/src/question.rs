//! Questions in their canonical form, whose digest a decision carries as its `inputs`.

use ledger_format::record::{Digest, TenantId, json::Writer};

use crate::decide::Question;

impl Question {
    /// Its canonical JSON: `action`, `agent`, `amount`, `approval`, `grant`, `kind`, `session`, `tenant`, `tool`; what is not asked about
    /// is absent.
    pub fn canonical(&self) -> Vec<u8> {
        self.canonical_with(None)
    }

    /// SHA-256 of [`Question::canonical`].
    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.canonical())
    }

    /// As [`Question::digest`], of a call with arguments: the canonical JSON also has `arguments`, their digest.
    pub fn digest_with(&self, arguments: &Digest) -> Digest {
        Digest::sha256(&self.canonical_with(Some(arguments)))
    }

    fn canonical_with(&self, arguments: Option<&Digest>) -> Vec<u8> {
        let mut w = Writer::default();
        let optional = |w: &mut Writer, name: &str, value: Option<String>| {
            if let Some(value) = value {
                w.text_field(name, &value);
            }
        };
        w.open_object();
        w.text_field("action", self.action.as_str());
        w.text_field("agent", &self.agent.to_string());
        if let Some(amount) = &self.amount {
            w.key("amount");
            w.open_object();
            w.text_field("currency", &amount.currency);
            w.unsigned_field("minor", amount.minor);
            w.close_object();
        }
        optional(&mut w, "approval", self.approval.map(|id| id.to_string()));
        optional(&mut w, "arguments", arguments.map(ToString::to_string));
        optional(&mut w, "grant", self.grant.map(|id| id.to_string()));
        w.text_field("kind", self.kind.as_str());
        optional(&mut w, "session", self.session.map(|id| id.to_string()));
        w.text_field("tenant", &TenantId(self.tenant).to_string());
        optional(&mut w, "tool", self.tool.map(|id| id.to_string()));
        w.close_object();
        w.finish()
    }
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
        assert_eq!(String::from_utf8(plain.canonical()).unwrap(), want);
        let full = Question {
            amount: Some(Amount { currency: "EUR".into(), minor: 5 }),
            approval: Some(ReceiptId(Ulid(3))),
            ..plain.clone()
        };
        let bytes = full.canonical_with(Some(&Digest::sha256(b"{}")));
        assert_eq!(json::parse(&bytes).unwrap().to_bytes(), bytes);
        assert_ne!(full.digest(), plain.digest());
        assert_ne!(full.digest(), full.digest_with(&Digest::sha256(b"{}")));
    }
}

//! Identifiers: one ULID, three spellings.
//!
//! ```text
//! maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N          canonical; the only spelling inside a record
//! 019b0502-6c7a-1f64-6e05-606a6f147cf5            the same 128 bits as a UUID
//! maip:0190c3a4:01KC2G2V3T3XJ6W1B0D9QH8Y7N       with the first 8 hex digits of the tenant's UUID
//! ```
//!
//! Records hold the canonical spelling and nothing else, so that one statement has one hash. The other two are for
//! people and for older clients: [`Ulid::parse_any`] and the `parse_any` of each id type read all three.
//! Making a new id needs a clock and randomness, which this crate does not have: the caller hands both in.

use std::fmt;

/// Characters in a ULID's text.
pub const ULID_CHARS: usize = 26;

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Value of each byte as a digit, 255 for none. Upper case only: one spelling.
const DIGITS: [u8; 256] = {
    let mut table = [255u8; 256];
    let mut i = 0;
    while i < 32 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// A 128-bit identifier: 48 bits of milliseconds, 80 bits of randomness (<https://github.com/ulid/spec>).
///
/// The time in it is whatever the maker's clock said. Nothing in the ledger orders or expires anything by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(pub u128);

impl Ulid {
    /// All zero: the "tenant" of the log's own records (`log.genesis`), and of nobody else.
    pub const NIL: Ulid = Ulid(0);

    /// An id from a clock (ms since 1970, 48 bits are kept) and randomness (80 bits are kept).
    pub fn from_parts(ms: u64, random: u128) -> Ulid {
        let ms = u128::from(ms & ((1 << 48) - 1));
        Ulid(ms << 80 | random & ((1 << 80) - 1))
    }

    /// Milliseconds since 1970 according to whoever made the id.
    pub fn timestamp_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }

    /// 16 bytes, most significant first: byte order is id order.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Inverse of [`Ulid::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Ulid {
        Ulid(u128::from_be_bytes(bytes))
    }

    /// Reads the canonical text: 26 upper-case Crockford digits, the first at most `7`.
    pub fn parse(text: &str) -> Option<Ulid> {
        let bytes: &[u8; ULID_CHARS] = text.as_bytes().try_into().ok()?;
        // 26 digits of 5 bits are 130 bits: the first digit may only use its low three.
        if bytes[0] > b'7' {
            return None;
        }
        let (mut value, mut seen) = (0u128, 0u8);
        for &byte in bytes {
            let digit = DIGITS[byte as usize];
            seen |= digit;
            value = value << 5 | u128::from(digit & 31);
        }
        (seen < 32).then_some(Ulid(value))
    }

    /// Reads the canonical text, the UUID form (either case) or the `maip:<8 hex>:<ulid>` form; a percent-encoded colon
    /// (`%3A`) counts as a colon. The tenant digits of the third form are not checked here: see [`tenant_tag`].
    pub fn parse_any(text: &str) -> Option<Ulid> {
        parse_prefixed_or_any(text, None)
    }

    /// The UUID form, lower case.
    pub fn uuid(self) -> String {
        let hex = format!("{:032x}", self.0);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The text as bytes on the stack, for writers that should not allocate.
    pub fn to_text(self) -> [u8; ULID_CHARS] {
        let mut out = [0u8; ULID_CHARS];
        for (i, slot) in out.iter_mut().enumerate() {
            *slot = ALPHABET[(self.0 >> (5 * (ULID_CHARS - 1 - i)) & 31) as usize];
        }
        out
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

/// The eight hex digits in `maip:<8 hex>:<ulid>`: the first 32 bits of the tenant's id. `None` for the other spellings.
///
/// A server that accepts this form must compare them with the tenant it acts for.
pub fn tenant_tag(text: &str) -> Option<u32> {
    let text = decode_colons(text)?;
    let (tag, _) = text.strip_prefix("maip:")?.split_once(':')?;
    (tag.len() == 8 && tag.bytes().all(|b| b.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(tag, 16).ok())?
}

/// Turns `%3A` and `%3a` into colons. Any other percent sign is not part of an id.
fn decode_colons(text: &str) -> Option<String> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    (!text.contains('%')).then_some(text)
}

fn parse_uuid(text: &str) -> Option<Ulid> {
    let dashes = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    if bytes.len() != 36 || !dashes.iter().all(|&i| bytes[i] == b'-') {
        return None;
    }
    let hex: String = text.chars().filter(|&c| c != '-').collect();
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&hex, 16).ok().map(Ulid)
}

fn parse_prefixed_or_any(text: &str, prefix: Option<&str>) -> Option<Ulid> {
    let text = decode_colons(text)?;
    if let Some(rest) = prefix.and_then(|prefix| text.strip_prefix(prefix)) {
        return Ulid::parse(rest);
    }
    if let Some(rest) = text.strip_prefix("maip:") {
        tenant_tag(&text)?;
        return Ulid::parse(rest.split_once(':')?.1);
    }
    parse_uuid(&text).or_else(|| Ulid::parse(&text))
}

/// One id type per kind of object, so that an agent's id cannot stand where a tenant's is meant.
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Ulid);

        impl $name {
            /// What the canonical text begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Reads the canonical text: the prefix and 26 digits.
            pub fn parse(text: &str) -> Option<Self> {
                Ulid::parse(text.strip_prefix($prefix)?).map(Self)
            }

            /// Reads all three spellings, and a ULID without its prefix. Not for use inside records.
            pub fn parse_any(text: &str) -> Option<Self> {
                parse_prefixed_or_any(text, Some($prefix)).map(Self)
            }

            /// The bare identifier.
            pub fn ulid(self) -> Ulid {
                self.0
            }

            /// The UUID form, lower case.
            pub fn uuid(self) -> String {
                self.0.uuid()
            }

            /// `maip:<first 8 hex of the tenant's UUID>:<ulid>`.
            pub fn short_form(self, tenant: Ulid) -> String {
                format!("maip:{:08x}:{}", (tenant.0 >> 96) as u32, self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }
    )+};
}

id_types! {
    /// An organisation that registers agents.
    TenantId = "maip-tenant:",
    /// An agent.
    AgentId = "maip-agent:",
    /// A session of an agent.
    SessionId = "maip-sess:",
    /// A record of any type, named as the receipt of what it states.
    ReceiptId = "maip-rcpt:",
    /// A delegation: a grant from one agent or tenant to another.
    DelegationId = "maip-deleg:",
    /// An attestation, which the published API calls a witness.
    AttestationId = "maip-wit:",
    /// A claim.
    ClaimId = "maip-tc:",
    /// An attested document.
    DocumentId = "maip-doc:",
    /// A compliance check.
    ComplianceCheckId = "maip-cc:",
    /// A report over a period.
    ReportId = "maip-report:",
    /// An anomaly.
    AnomalyId = "maip-anom:",
    /// A data set.
    DatasetId = "maip-ds:",
    /// A model.
    ModelId = "maip-model:",
    /// A workflow.
    WorkflowId = "maip-wf:",
    /// One run of a workflow.
    OrchestrationId = "maip-orch:",
    /// A policy.
    PolicyId = "maip-pol:",
    /// A tool.
    ToolId = "maip-tool:",
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01KC2G2V3T3XJ6W1B0D9QH8Y7N";

    #[test]
    fn a_ulid_has_one_canonical_spelling() {
        let id = Ulid::parse(TEXT).unwrap();
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(Ulid::parse("00000000000000000000000000"), Some(Ulid::NIL));
        assert_eq!(Ulid::parse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), Some(Ulid(u128::MAX)));
        for bad in [
            "",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "01kc2g2v3t3xj6w1b0d9qh8y7n",
            "01KC2G2V3T3XJ6W1B0D9QH8Y7",
            "01KC2G2V3T3XJ6W1B0D9QH8Y7NN",
            "01KC2G2V3T3XJ6W1B0D9QH8Y7I",
            "01KC2G2V3T3XJ6W1B0D9QH8Y7U",
            "01KC2G2V3T3XJ6W1B0D9QH8Y7 ",
        ] {
            assert_eq!(Ulid::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn three_spellings_are_one_agent() {
        let agent = AgentId(Ulid::parse(TEXT).unwrap());
        let tenant = Ulid::from_parts(1_769_000_000_000, 7);
        let spellings = [agent.to_string(), agent.uuid(), agent.short_form(tenant), TEXT.to_string()];
        for text in &spellings {
            assert_eq!(AgentId::parse_any(text), Some(agent), "{text}");
            assert_eq!(AgentId::parse_any(&text.replace(':', "%3A")), Some(agent), "{text}");
        }
        assert_eq!(AgentId::parse(&agent.to_string()), Some(agent));
        assert_eq!(AgentId::parse(&agent.uuid()), None, "a record holds the canonical spelling only");
        assert_eq!(tenant_tag(&spellings[2]), Some((tenant.0 >> 96) as u32));
        assert_eq!(tenant_tag(&spellings[0]), None);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let text = format!("maip-tenant:{TEXT}");
        assert_eq!(AgentId::parse(&text), None);
        assert_eq!(AgentId::parse_any(&text), None);
        for bad in
            ["maip:0190c3a:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "maip::01KC2G2V3T3XJ6W1B0D9QH8Y7N", "maip-agent%253A"]
        {
            assert_eq!(AgentId::parse_any(bad), None, "{bad}");
        }
    }

    #[test]
    fn parts_come_back() {
        let id = Ulid::from_parts(1_769_000_000_000, u128::MAX);
        assert_eq!(id.timestamp_ms(), 1_769_000_000_000);
        assert_eq!(Ulid::from_bytes(id.to_bytes()), id);
    }
}

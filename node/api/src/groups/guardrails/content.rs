//! What a rule says about content, and whether a text keeps to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{Text, Whole};

/// Most blocked terms of a rule.
pub(super) const TERMS_MAX: usize = 64;
/// Digits of a card number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Letters and digits behind the prefix of a credential.
const CREDENTIAL_CHARS: usize = 16;
/// How credentials begin: API keys of this and of other services, private keys.
const CREDENTIALS: [&str; 8] =
    ["maip_live_", "maip_test_", "tl_live_", "tl_test_", "sk_live_", "ghp_", "AKIA", "xoxb-"];
const PRIVATE_KEY: &str = "-----BEGIN";

/// What content may not hold.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentRule {
    /// Words and phrases, whatever their case.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub(super) blocked_terms: Vec<Text<1, 256>>,
    /// Most characters.
    #[serde(default)]
    pub(super) max_characters: Option<Whole<1, 1_000_000>>,
    /// Kinds of data that are looked for.
    #[serde(default)]
    #[schema(max_items = 2)]
    pub(super) detect: Vec<Detector>,
}

/// A kind of data. `card_number`: 13 to 19 digits with the check digit of payment cards. `credential`: API keys and private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Detector {
    CardNumber,
    Credential,
}

impl ContentRule {
    /// What is wrong with a text, if anything is. The text itself is not repeated: the answer may be kept.
    pub(super) fn fault(&self, text: &str) -> Option<String> {
        let characters = text.chars().count() as u64;
        if let Some(most) = self.max_characters.filter(|most| characters > most.get()) {
            return Some(format!("has {characters} characters; {} are allowed", most.get()));
        }
        let lower = text.to_lowercase();
        if let Some(at) =
            self.blocked_terms.iter().position(|term| lower.contains(&term.as_str().to_lowercase()))
        {
            return Some(format!("holds the blocked term number {}", at + 1));
        }
        let found = |detector: &&Detector| match detector {
            Detector::CardNumber => has_card_number(text),
            Detector::Credential => has_credential(text),
        };
        self.detect.iter().find(found).map(|detector| match detector {
            Detector::CardNumber => "holds a card number".into(),
            Detector::Credential => "holds a credential".into(),
        })
    }
}

/// A number of its own, or groups of digits with spaces and hyphens between them, as people write card numbers.
fn has_card_number(text: &str) -> bool {
    let is_card = |digits: &[u32]| CARD_DIGITS.contains(&digits.len()) && digits[0] != 0 && checks(digits);
    let (mut group, mut joined) = (Vec::new(), Vec::new());
    for c in text.chars().chain(['.']) {
        if let Some(digit) = c.to_digit(10) {
            group.push(digit);
            joined.push(digit);
            continue;
        }
        if is_card(&group) {
            return true;
        }
        group.clear();
        if !matches!(c, ' ' | '-') {
            if is_card(&joined) {
                return true;
            }
            joined.clear();
        }
    }
    false
}

/// The check digit of ISO/IEC 7812.
fn checks(digits: &[u32]) -> bool {
    let value = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        _ if *digit > 4 => 2 * digit - 9,
        _ => 2 * digit,
    };
    digits.iter().rev().enumerate().map(value).sum::<u32>() % 10 == 0
}

fn has_credential(text: &str) -> bool {
    let follows = |rest: &str| {
        let word = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        word.count() >= CREDENTIAL_CHARS
    };
    let begins =
        |prefix: &&str| text.match_indices(*prefix).any(|(at, _)| follows(&text[at + prefix.len()..]));
    CREDENTIALS.iter().any(begins)
        || text
            .match_indices(PRIVATE_KEY)
            .any(|(at, _)| text[at..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY-----")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> ContentRule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn terms_and_lengths() {
        let terms = rule(r#"{"blocked_terms":["Internal only"],"max_characters":30}"#);
        assert_eq!(terms.fault("fine"), None);
        assert_eq!(terms.fault("this is INTERNAL ONLY"), Some("holds the blocked term number 1".into()));
        assert_eq!(terms.fault(&"é".repeat(31)), Some("has 31 characters; 30 are allowed".into()));
    }

    #[test]
    fn card_numbers() {
        let cards = rule(r#"{"detect":["card_number"]}"#);
        for bad in [
            "4111111111111111",
            "card: 4111 1111 1111 1111, thanks",
            "5555-5555-5555-4444",
            "no 12 4111111111111111",
        ] {
            assert!(cards.fault(bad).is_some(), "{bad}");
        }
        for good in ["4111111111111112", "invoice 123456", "0000000000000000", "4111. 1111. 1111. 1111"] {
            assert_eq!(cards.fault(good), None, "{good}");
        }
    }

    #[test]
    fn credentials() {
        let credentials = rule(r#"{"detect":["credential"]}"#);
        for bad in ["key maip_live_abcdefghijklmnop1234", "-----BEGIN EC PRIVATE KEY-----\nMHc"] {
            assert!(credentials.fault(bad).is_some(), "{bad}");
        }
        for good in ["maip_live_ is how keys begin", "-----BEGIN PUBLIC KEY-----\nMHc"] {
            assert_eq!(credentials.fault(good), None, "{good}");
        }
    }
}

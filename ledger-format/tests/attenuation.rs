//! Properties of handing on: whatever a link allows, every link above allows, and no order of steps gains anything.

use ledger_format::record::{GrantLimits, Scope};
use proptest::prelude::*;

/// Few words, so that scopes meet.
const WORDS: [&str; 3] = ["a", "ab", "b"];

fn scope() -> impl Strategy<Value = Scope> {
    let word = || prop::sample::select(&WORDS[..]);
    prop_oneof![
        6 => (word(), word()).prop_map(|(resource, action)| format!("{resource}:{action}")),
        3 => word().prop_map(|resource| format!("{resource}:*")),
        1 => Just("*:*".to_owned()),
    ]
    .prop_map(|text| Scope::parse(&text).expect("drawn from the grammar"))
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    prop::collection::btree_set(scope(), 0..4).prop_map(|set| set.into_iter().collect())
}

/// Every action that the words make.
fn actions() -> impl Iterator<Item = Scope> {
    let pair = |resource| WORDS.into_iter().map(move |action| format!("{resource}:{action}"));
    WORDS.into_iter().flat_map(pair).map(|text| Scope::parse(&text).expect("an action"))
}

/// Said again, by the text alone.
fn allows(list: &[Scope], action: &Scope) -> bool {
    let resource = action.as_str().split(':').next().expect("a resource");
    let wanted = ["*:*".to_owned(), format!("{resource}:*"), action.as_str().to_owned()];
    list.iter().any(|scope| wanted.iter().any(|text| text == scope.as_str()))
}

fn within(child: &[Scope], parent: &[Scope]) -> bool {
    child.iter().all(|scope| parent.iter().any(|wide| wide.covers(scope)))
}

/// Small numbers and few words, so that bounds meet.
fn limits() -> impl Strategy<Value = GrantLimits> {
    let number = || prop::option::of(1..4u64);
    let word = |words: &'static [&'static str]| {
        prop::option::of(prop::sample::select(words)).prop_map(|word| word.map(str::to_owned))
    };
    let env =
        prop::option::of(prop::collection::btree_set(prop::sample::select(&["prod", "test"][..]), 1..3));
    let env = env.prop_map(|set| set.map(|set| set.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    let numbers = (number(), number(), number(), number(), number(), number(), 4..7u64);
    (numbers, word(&["EUR", "USD"]), word(&["audit", "fun"]), env).prop_map(
        |(
            (approval_over, calls, min_trust_bp, not_before, spend_minor, window_s, expires_at),
            currency,
            purpose,
            env,
        )| {
            GrantLimits {
                approval_over,
                calls,
                currency,
                env,
                expires_at,
                min_trust_bp,
                not_before,
                purpose,
                spend_minor,
                window_s,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, failure_persistence: None, ..ProptestConfig::default() })]

    /// A list allows what its text says, and a child that is within its parent allows nothing that the parent does not.
    #[test]
    fn a_child_allows_no_more(parent in scopes(), child in scopes()) {
        for action in actions() {
            let by_rule = parent.iter().any(|scope| scope.covers(&action));
            prop_assert_eq!(by_rule, allows(&parent, &action), "{}", action);
            if within(&child, &parent) && allows(&child, &action) {
                prop_assert!(allows(&parent, &action), "{}", action);
            }
        }
        prop_assert!(within(&[], &parent), "an empty list grants nothing");
        prop_assert!(within(&parent, &parent));
    }

    /// Two steps allow no more than one: within is transitive.
    #[test]
    fn a_grandchild_is_within_its_grandparent(a in scopes(), b in scopes(), c in scopes()) {
        if within(&c, &b) && within(&b, &a) {
            prop_assert!(within(&c, &a));
        }
    }

    /// Bounds: as tight as themselves, never looser by a second step, and two that are within each other are the same.
    #[test]
    fn bounds_only_tighten(a in limits(), b in limits(), c in limits()) {
        prop_assert!(a.are_within(&a));
        if c.are_within(&b) && b.are_within(&a) {
            prop_assert!(c.are_within(&a));
        }
        if a.are_within(&b) && b.are_within(&a) {
            let sorted = |limits: &GrantLimits| {
                let mut limits = limits.clone();
                limits.env.iter_mut().for_each(|env| env.sort());
                limits
            };
            prop_assert_eq!(sorted(&a), sorted(&b));
        }
        if b.are_within(&a) {
            prop_assert!(b.expires_at <= a.expires_at);
            prop_assert!(a.calls.is_none_or(|max| b.calls.is_some_and(|own| own <= max)));
            prop_assert!(a.env.is_none() || b.env.is_some(), "what is bounded above is bounded below");
        }
    }
}

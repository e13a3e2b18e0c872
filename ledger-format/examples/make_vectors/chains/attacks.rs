//! Chains that hold, and attacks on them.

use serde_json::json;

use super::cast::{A, key, tenant};
use super::{Case, ChainFile};
use crate::world::TIME_S;

/// The story, with all that it needs.
pub(super) fn base() -> Case {
    let parts = [
        "receipt r",
        "offer g1",
        "offer g2",
        "offer g3",
        "accept accept2",
        "agreement a.agreement",
        "agreement b.agreement",
        "identity a.tenant1",
        "identity a.agent11",
        "identity b.tenant2",
        "identity b.agent21",
        "identity b.agent22",
        "staple s.a.tenant1",
        "staple s.a.agent11",
        "staple s.a.g1",
        "staple s.a.g2",
        "staple s.a.agreement",
        "staple s.b.tenant2",
        "staple s.b.agent21",
        "staple s.b.agent22",
        "staple s.b.g2",
        "staple s.b.g3",
        "staple s.b.agreement",
    ];
    case(&parts)
}

/// One grant from a tenant to an agent of another, both in one log.
fn one_log() -> Case {
    case(&[
        "receipt r5",
        "offer g5",
        "accept accept5",
        "agreement b.agreement23",
        "identity b.tenant2",
        "identity b.tenant3",
        "identity b.agent31",
        "staple s.b.tenant2",
        "staple s.b.tenant3",
        "staple s.b.agent31",
        "staple s.b.g5",
        "staple s.b.agreement23",
    ])
}

fn case(parts: &[&str]) -> Case {
    Case {
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        fields: json!({ "now_s": (TIME_S + 3_720).to_string(), "max_age_s": "120" }),
    }
}

pub(super) fn write(file: &mut ChainFile) {
    good(file);
    scopes(file);
    links(file);
    identities(file);
    crossings(file);
    receipts(file);
    statuses(file);
    moments(file);
}

fn pin(number: u8) -> serde_json::Value {
    json!([{ "origin": A, "tenant": tenant(1).to_string(), "kid": key(number).kid().to_string() }])
}

fn good(file: &mut ChainFile) {
    let none: [&str; 0] = [];
    file.case(
        "holds",
        "reading",
        "three grants across two logs",
        base().field("operator_vouches", json!(none)),
    );
    file.case("holds", "reading", "one grant across tenants of one log", one_log());
    file.case("holds", "reading", "the root key is the one that is trusted", base().field("roots", pin(1)));
    let operator = base().swap("receipt r", "receipt r.operator").with("identity b.genesis");
    let vouched = json!(["the receipt"]);
    file.case(
        "holds",
        "reading",
        "the operator signed for the agent",
        operator.field("operator_vouches", vouched),
    );
    let mut any_age = base().swap("staple s.a.g2", "staple s.a.g2.old");
    any_age.fields.as_object_mut().expect("an object").remove("max_age_s");
    file.case("holds", "no limit", "any age is taken", any_age);
}

fn scopes(file: &mut ChainFile) {
    for (verdict, part, class, comment) in [
        ("scope_exceeded", "g3.superset", "superset child", "a scope that the parent has not"),
        ("scope_exceeded", "g3.wider", "superset child", "a wildcard where the parent lists actions"),
        ("wildcard_below_root", "g3.wildcard", "wildcard smuggled", "*:* below the root"),
        ("bad_record", "g3.case", "case look-alike", "a scope with a capital letter"),
        ("bad_record", "g3.unicode", "Unicode look-alike", "a scope with a Cyrillic letter"),
        ("deny_dropped", "g3.nodeny", "deny dropped", "the parent's deny is not repeated"),
        ("bad_record", "g3.limit", "unknown limit", "a limit that nobody knows"),
        ("out_of_scope", "g3.empty", "empty means all", "a grant without scopes is used"),
        (
            "limits_loosened",
            "g3.limits",
            "limits reset by re-delegating",
            "the parent counts calls, the child does not",
        ),
        ("limits_loosened", "g3.longer", "limits reset by re-delegating", "the child lives longer"),
    ] {
        file.case(verdict, class, comment, base().swap("offer g3", &format!("offer {part}")));
    }
}

fn links(file: &mut ChainFile) {
    let offer = |part: &str| base().swap("offer g3", &format!("offer {part}"));
    file.case("gap", "gap", "the middle grant is missing", base().without("offer g2"));
    file.case("gap", "gap", "the root is missing", base().without("offer g1"));
    let turned = base().swap("offer g1", "offer x").swap("offer g2", "offer g1").swap("offer x", "offer g2");
    file.case("gap", "reordered", "the first two grants change places", turned);
    let spliced = base().swap("offer g1", "offer g1.twin");
    file.case(
        "gap",
        "spliced from two valid chains",
        "below a root of the same tenant to the same agent",
        spliced,
    );
    let swapped = offer("g3.swapped").with("identity b.rotate21");
    file.case("key_swapped", "key swap at a link", "signed with the agent's next key", swapped);
    let mut deep = base();
    (0..7).for_each(|_| deep.parts.insert(1, "offer g1".into()));
    file.case("too_deep", "depth lie", "ten grants", deep);
    file.case("hops_not_falling", "hops not decreasing", "as many hops as the parent", offer("g3.hops"));
    file.case("cycle", "cycle", "back to an agent above", offer("g3.back"));
    file.case("cycle", "self-delegation to refresh expiry", "to the agent itself", offer("g3.self"));
    let pinned = |number| base().field("roots", pin(number));
    file.case("root_not_pinned", "root not pinned", "another root key is trusted", pinned(66));
    let other = json!([{ "origin": A, "tenant": tenant(2).to_string(), "kid": key(1).kid().to_string() }]);
    file.case(
        "root_not_pinned",
        "root not pinned",
        "only another tenant is trusted",
        base().field("roots", other),
    );
    let mut empty = base();
    empty.parts.retain(|part| !part.starts_with("offer"));
    file.case("no_links", "empty chain", "no grant at all", empty);
    file.case("not_its_grantor", "confused deputy", "the tenant signs for the agent", offer("g3.tenant"));
    file.case("bad_record", "confused deputy", "an agent signs for another", offer("g3.from"));
    let root = base().swap("offer g1", "offer g1.agent");
    file.case("bad_record", "confused deputy", "an agent grants from the tenant's root", root);
    let elsewhere = offer("a.g3").with("identity a.agent21");
    file.case("wrong_place", "other log", "handed on in the log where the receiver does not live", elsewhere);
    file.case(
        "agreement_mismatch",
        "form",
        "a grant inside a tenant names an agreement",
        offer("g3.agreement"),
    );
    file.case("lives_too_long", "limit", "a root for 400 days", base().swap("offer g1", "offer g1.long"));
}

fn identities(file: &mut ChainFile) {
    let offer = |part: &str| base().swap("offer g3", &format!("offer {part}"));
    file.case(
        "not_proven",
        "own key in the bundle",
        "a root in a log that is not trusted",
        base().swap("offer g1", "offer e.g1"),
    );
    let own = base().swap("identity b.agent22", "identity e.agent22");
    file.case("not_proven", "own key in the bundle", "a registration in a log that is not trusted", own);
    let forged = base().swap("receipt r", "receipt r.stolen");
    file.case("key_unknown", "own key in the bundle", "a key that nobody registered", forged);
    file.case(
        "key_unknown",
        "identity",
        "the agent's registration is missing",
        base().without("identity b.agent22"),
    );
    let moved = base().swap("offer g1", "offer b.g1");
    file.case("key_unknown", "same grant bytes in another log", "the root stands in the other log", moved);
    file.case(
        "bad_signature",
        "signature over another record type",
        "a receipt's signature on a grant",
        offer("g3.borrowed"),
    );
    file.case(
        "wrong_type",
        "receipt shown as something else",
        "a receipt in the place of a grant",
        offer("r"),
    );
    file.case(
        "wrong_type",
        "receipt shown as something else",
        "a grant in the place of the receipt",
        base().swap("receipt r", "receipt g3"),
    );
    file.case(
        "wrong_type",
        "receipt shown as something else",
        "a receipt in the place of a registration",
        base().with("identity r"),
    );
    file.case("bad_record", "non-canonical encoding", "a space", offer("g3.space"));
    file.case("bad_record", "duplicate JSON keys", "hops twice", offer("g3.twice"));
    let small = base().swap("identity b.agent22", "identity b.agent22.small");
    file.case("bad_record", "small-order Ed25519", "a registration of a key of small order", small);
    let malleable = base().swap("receipt r", "receipt r.malleable");
    file.case("bad_signature", "malleable Ed25519", "s plus the group order", malleable);
    let old = base().swap("receipt r", "receipt r.oldkey");
    file.case(
        "key_not_valid",
        "revoke then rotate",
        "a key after its rotation",
        old.clone().with("identity b.rotate22"),
    );
    let hidden = old.swap("staple s.b.agent22", "staple s.b.agent22.rotated");
    file.case(
        "key_not_valid",
        "revoke then rotate",
        "the rotation is left out, and the status tells",
        hidden,
    );
}

fn crossings(file: &mut ChainFile) {
    let agreed = |name: &str| {
        base()
            .swap("offer g2", &format!("offer g2.{name}"))
            .swap("agreement a.agreement", &format!("agreement a.agreement.{name}"))
    };
    for (verdict, name, class, comment) in [
        ("agreement_mismatch", "forged", "forged agreement", "a key that is not the peer's root key"),
        ("agreement_mismatch", "unsigned", "forged agreement", "the peer has not signed"),
        ("agreement_mismatch", "between", "third-tenant hop", "an agreement with another tenant"),
        (
            "agreement_ended",
            "ended",
            "agreement ended while the grant lives",
            "its time was over before the offer",
        ),
        ("agreement_exceeded", "narrow", "superset child", "the agreement is about something else"),
        ("agreement_exceeded", "short", "limit", "a grant that lives longer than the agreement allows"),
    ] {
        file.case(verdict, class, comment, agreed(name));
    }
    file.case(
        "no_agreement",
        "agreement missing",
        "its record is not in the file",
        base().without("agreement a.agreement"),
    );
    file.case(
        "no_agreement",
        "agreement missing",
        "the other log's is not in the file",
        base().without("agreement b.agreement"),
    );
    file.case(
        "no_agreement",
        "agreement missing",
        "the grant names none",
        base().swap("offer g2", "offer g2.none"),
    );
    file.case("not_accepted", "acceptance missing", "nobody has accepted", base().without("accept accept2"));
    let accept = |name: &str| base().swap("accept accept2", &format!("accept {name}"));
    file.case(
        "accept_mismatch",
        "acceptance swapped",
        "of another offer of that name",
        accept("accept2.other"),
    );
    file.case("accept_mismatch", "acceptance swapped", "by another agent", accept("accept2.stranger"));
    file.case("offer_lapsed", "acceptance late", "25 hours after the offer", accept("accept2.late"));
    let third = base()
        .swap("offer g3", "offer g4")
        .with("accept accept4")
        .with("agreement b.agreement23")
        .with("identity b.tenant3")
        .with("identity b.agent31");
    file.case(
        "too_many_crossings",
        "third-tenant hop",
        "on to a tenant that the first agreement does not let in",
        third,
    );
}

fn receipts(file: &mut ChainFile) {
    let receipt = |name: &str| base().swap("receipt r", &format!("receipt {name}"));
    for (verdict, name, class, comment) in [
        ("other_receipt", "r.other", "token for A shown to B", "another agent used the grant"),
        ("other_receipt", "r.nogrant", "invocation is not the grant", "a receipt that names no grant"),
        ("receipt_key", "r.tenant", "confused deputy", "signed by the tenant"),
        ("out_of_time", "r.late", "back-dated at with a stolen key", "logged after the end, dated before it"),
        ("out_of_scope", "r.scope", "approval for X used for Y", "an action that only the parent may do"),
        ("denied", "r.denied", "deny dropped", "an action that every link denies"),
        (
            "wrong_place",
            "r.early",
            "use before the grant is in the log",
            "the receipt is older than the grant",
        ),
    ] {
        file.case(verdict, class, comment, receipt(name));
    }
    let new_key = receipt("r.newkey").with("identity b.rotate22");
    file.case("receipt_key", "key swap at a link", "the agent's next key uses the grant", new_key);
}

/// As of the receipt's own index: what ended later did not count then, what ended before did.
fn moments(file: &mut ChainFile) {
    let staple =
        |name: &str, suffix: &str| base().swap(&format!("staple {name}"), &format!("staple {name}{suffix}"));
    let then = |case: Case| case.field("at", "receipt");
    let class = "as of the receipt";
    file.case("holds", class, "nothing has ended since", then(base()));
    for (name, suffix, comment) in [
        ("s.b.agent22", ".revoked_later", "the agent was revoked with the entry after the receipt"),
        ("s.b.g3", ".grant_later", "the grant was revoked with the entry after the receipt"),
    ] {
        file.case("held", class, comment, then(staple(name, suffix)));
        file.case("not_live", class, &format!("now, {comment}"), staple(name, suffix));
    }
    for (name, suffix, comment) in [
        ("s.b.agent22", ".revoked_there", "revoked at the receipt's own index"),
        ("s.b.agent22", ".killed", "killed before the receipt"),
        ("s.b.g3", ".void", "void from the beginning"),
        ("s.a.g2", ".revoked", "ended in another log, whose indices say nothing of this one"),
    ] {
        file.case("not_live", class, comment, then(staple(name, suffix)));
    }
    let comment = "the receipt's `at` is before the theft, its entry is not";
    file.case(
        "key_not_valid",
        "back-dated at with a stolen key",
        comment,
        then(staple("s.b.agent22", ".stolen")),
    );
    let comment = "a status from before the receipt says nothing of it";
    file.case("staple_behind", class, comment, then(staple("s.b.g3", ".early")));
}

fn statuses(file: &mut ChainFile) {
    let staple =
        |name: &str, suffix: &str| base().swap(&format!("staple {name}"), &format!("staple {name}{suffix}"));
    for (name, suffix, class, comment) in [
        ("s.a.g2", ".revoked", "revocation", "a grant is revoked in the log that gave it"),
        ("s.a.tenant1", ".tenant", "revocation", "the tenant that grants is suspended"),
        ("s.a.agent11", ".agent", "revocation", "the agent that grants is suspended"),
        ("s.a.agreement", ".ended", "agreement ended while the grant lives", "the agreement is ended"),
        ("s.b.agent22", ".killed", "killed agent re-registers", "the agent is killed"),
        ("s.b.g3", ".void", "superset child", "the log found the offer for more than its grantor had"),
        ("s.b.g3", ".other", "spliced from two valid chains", "the status is of another offer of that name"),
    ] {
        file.case("not_live", class, comment, staple(name, suffix));
    }
    let offered = one_log().swap("staple s.b.g5", "staple s.b.g5.offered");
    file.case("not_live", "acceptance missing", "the log knows no acceptance", offered);
    for (name, comment) in [
        ("s.b.g3", "the leaf's status is missing"),
        ("s.a.g2", "what the giving log says of its grant is missing"),
        ("s.b.agent21", "the status of an agent between is missing"),
        ("s.a.agreement", "the agreement's status is missing"),
        ("s.b.tenant2", "the receiving tenant's status is missing"),
    ] {
        file.case(
            "no_staple",
            "staple of the parent only",
            comment,
            base().without(&format!("staple {name}")),
        );
    }
    let twice = base().with("staple s.b.agent22.killed");
    file.case("second_staple", "two answers", "the agent is active and killed", twice);
    file.case(
        "bad_staple",
        "rollback to an older map root",
        "another map's proof",
        staple("s.b.g3", ".turned"),
    );
    file.case(
        "staple_behind",
        "use between commit and checkpoint",
        "a status from before the action",
        staple("s.b.agent22", ".early"),
    );
    let cut_off = "partitioned follower answering reads";
    let comment = "a node that was cut off before the action vouches for the grant";
    file.case("staple_behind", cut_off, comment, staple("s.b.g3", ".early"));
    let comment = "a node that was cut off 12 minutes ago, beside others that are up to date";
    file.case("stale", cut_off, comment, staple("s.a.g2", ".old"));
    file.case("stale", "stale status proof", "a status that is 12 minutes old", staple("s.a.g2", ".old"));
    file.case(
        "stale",
        "stale status proof",
        "an hour later",
        base().field("now_s", (TIME_S + 7_300).to_string()),
    );
    file.case("age_unknown", "incomplete map", "changes waited to be sealed", staple("s.b.g2", ".waiting"));
    let ahead = base().field("now_s", (TIME_S + 3_000).to_string());
    file.case("age_unknown", "a witness's clock", "the witnesses are 700 seconds ahead", ahead);
}

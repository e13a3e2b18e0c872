//! The bounds of an offer: what callers write, as the record has it.

use ledger_format::record::GrantLimits;

use super::bodies::NativeOffer;
use crate::{ApiError, endpoint::Context, wire::token};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Life of a grant inside a tenant when nothing is said.
const LIFE_DAYS: u64 = 90;
/// Longest life of a grant inside a tenant.
const LIFE_DAYS_MAX: u64 = 365;
/// Longest life of a grant to another tenant.
const LIFE_DAYS_MAX_ACROSS: u64 = 1;
/// Links that a grant to another tenant may have from there on.
const DEPTH_MAX_ACROSS: u64 = 3;
/// The clocks of two nodes may differ: a grant that asks for the longest life gets so much less.
const CLOCKS_MS: u64 = 30_000;
const HOUR_S: u64 = 3_600;
/// Longest window of a budget.
const WINDOW_S_MAX: u64 = 31_536_000;

/// What the kind of a grant allows.
pub(super) enum Kind {
    /// Inside a tenant.
    Within,
    /// To another tenant, under an agreement that lets grants live so long and ends then, ms.
    Across { longest_ms: u64, ends_ms: u64 },
}

/// When the grant ends, log time in ms.
pub(super) fn end(context: &Context, offer: &NativeOffer, kind: &Kind) -> Result<u64, ApiError> {
    let now = context.now_ms;
    let (asked, field) = asked_end(now, offer)?;
    let (days, agreed_ms, ends_ms) = match kind {
        Kind::Within => (LIFE_DAYS_MAX, u64::MAX, u64::MAX),
        Kind::Across { longest_ms, ends_ms } => (LIFE_DAYS_MAX_ACROSS, *longest_ms, *ends_ms),
    };
    let most = now + (days * DAY_MS).min(agreed_ms) - CLOCKS_MS.min(agreed_ms / 2);
    let Some(asked) = asked else {
        let usual = if matches!(kind, Kind::Within) { now + LIFE_DAYS * DAY_MS } else { most };
        return Ok(usual.min(ends_ms));
    };
    if asked <= now {
        return Err(ApiError::unprocessable("it would have ended already")
            .field(field)
            .fix("name a later time"));
    }
    if asked > now + days * DAY_MS {
        let message = format!("a grant of this kind lives at most {days} days");
        return Err(ApiError::unprocessable(message).field(field).fix("name an earlier time"));
    }
    if asked > now.saturating_add(agreed_ms) || asked > ends_ms {
        let message = "it would live longer than the agreement allows";
        return Err(super::offer::escalation(message, field));
    }
    Ok(asked.min(most))
}

/// The one of the fields that says it, and which one.
fn asked_end(now: u64, offer: &NativeOffer) -> Result<(Option<u64>, &'static str), ApiError> {
    let after = |seconds: u64| now.saturating_add(seconds * 1_000);
    let inner = offer.constraints.as_ref().and_then(|constraints| constraints.expires_at);
    let said = [
        ("ttl_seconds", offer.ttl_seconds.map(|ttl| after(ttl.get()))),
        ("ttl_hours", offer.ttl_hours.map(|ttl| after(ttl.get() * HOUR_S))),
        ("expires_at", offer.expires_at.map(|time| time.0)),
        ("constraints.expires_at", inner.map(|time| time.0)),
    ];
    let mut said = said.into_iter().filter_map(|(field, end)| end.map(|end| (end, field)));
    let first = said.next();
    if let Some((_, second)) = said.next() {
        return Err(ApiError::unprocessable("its end is said twice").field(second).fix("say it once"));
    }
    Ok(first.map_or((None, "expires_at"), |(end, field)| (Some(end), field)))
}

/// Re-delegations that are left.
pub(super) fn hops(offer: &NativeOffer, kind: &Kind) -> Result<u64, ApiError> {
    let inner = offer.constraints.as_ref().and_then(|constraints| constraints.max_sub_delegations);
    let (hops, field) = match (offer.max_depth, inner) {
        (Some(_), Some(_)) => {
            return Err(ApiError::unprocessable("how often it may be handed on is said twice")
                .field("constraints.max_sub_delegations")
                .fix("say it once"));
        }
        (Some(depth), None) => (depth.get() - 1, "max_depth"),
        (None, Some(hops)) => (hops.get(), "constraints.max_sub_delegations"),
        (None, None) => return Ok(0),
    };
    if matches!(kind, Kind::Across { .. }) && hops >= DEPTH_MAX_ACROSS {
        let message = format!("to another tenant, a chain has at most {DEPTH_MAX_ACROSS} links");
        return Err(ApiError::unprocessable(message).field(field).fix("allow fewer links"));
    }
    Ok(hops)
}

/// All bounds of a grant that ends at `end`.
pub(super) fn limits(context: &Context, offer: &NativeOffer, end: u64) -> Result<GrantLimits, ApiError> {
    let mut limits = GrantLimits::until(end);
    limits.not_before = offer.not_before.map(|time| time.0);
    if limits.not_before.is_some_and(|from| from >= end) {
        return Err(ApiError::unprocessable("it would begin after its end")
            .field("not_before")
            .fix("name an earlier time"));
    }
    limits.purpose = offer.purpose.as_ref().map(|purpose| token(purpose.as_str()));
    // Nobody has less than nothing, and whoever is unscored has no trust to compare.
    let trust = offer.require_trust_score_above.map(|score| score.get() * 100);
    limits.min_trust_bp = trust.filter(|bp| *bp > 0);
    let life_s = (end - context.now_ms).div_ceil(1_000).min(WINDOW_S_MAX);
    if let Some(calls) = offer.conditions.as_ref().and_then(|conditions| conditions.max_invocations) {
        (limits.calls, limits.window_s) = (Some(calls.get()), Some(life_s));
    }
    let Some(constraints) = &offer.constraints else { return Ok(limits) };
    if let Some(spend) = constraints.max_spend {
        (limits.spend_minor, limits.window_s) = (Some(spend.get()), Some(life_s));
    }
    if let Some(calls) = constraints.max_actions_per_hour {
        if limits.window_s.is_some() {
            return Err(ApiError::unprocessable("a grant counts in windows of one length")
                .field("constraints.max_actions_per_hour")
                .fix("bound the uses in an hour, or those of the whole life"));
        }
        (limits.calls, limits.window_s) = (Some(calls.get()), Some(HOUR_S));
    }
    limits.approval_over = constraints.require_approval_above.map(|amount| amount.get());
    limits.currency = constraints.currency.as_ref().map(|currency| currency.as_str().to_owned());
    if limits.currency.is_none() && (limits.spend_minor.is_some() || limits.approval_over.is_some()) {
        return Err(ApiError::unprocessable("an amount needs its currency")
            .field("constraints.currency")
            .fix("name the currency"));
    }
    limits.env = environments(offer)?;
    Ok(limits)
}

fn environments(offer: &NativeOffer) -> Result<Option<Vec<String>>, ApiError> {
    let named = offer.constraints.as_ref().and_then(|constraints| constraints.allowed_environments.as_ref());
    let Some(named) = named else { return Ok(None) };
    let mut env: Vec<String> = named.iter().map(|name| token(name.as_str())).collect();
    env.sort_unstable();
    env.dedup();
    if !(1..=16).contains(&env.len()) {
        return Err(ApiError::unprocessable("name 1 to 16 environments")
            .field("constraints.allowed_environments")
            .fix("leave it out for all of them"));
    }
    Ok(Some(env))
}

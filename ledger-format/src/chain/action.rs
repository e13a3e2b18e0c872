//! The receipt: done by the leaf's receiver, under its grant, with its key, within every link.

use super::fault::{ChainFault, ChainReason as Reason, must};
use super::keys::Keys;
use super::links::Link;
use super::load::Stated;
use crate::record::{Actor, Body, ReceiptAction};

/// Checks the receipt against the links; gives its body and whether only the operator vouches for it.
pub(super) fn check<'a>(
    receipt: &'a Stated,
    links: &[Link<'_>],
    keys: &Keys<'_>,
) -> Result<(&'a ReceiptAction, bool), ChainFault> {
    let Body::ReceiptAction(body) = &receipt.record.body else {
        let detail = format!("{}: a {}, not a receipt.action", receipt.what, receipt.record.type_name());
        return Err(ChainFault::new(Reason::WrongType, detail));
    };
    let Some(leaf) = links.last() else {
        return Err(ChainFault::new(Reason::NoLinks, "the file has no grant"));
    };
    let signer = keys.judge(receipt)?;
    let to = &leaf.offer.to;
    let is_own = body.grant == Some(leaf.offer.grant)
        && body.agent == to.agent
        && receipt.record.tenant == to.tenant.0;
    must(is_own, Reason::OtherReceipt, || {
        format!("{} is not of {} under {}", receipt.what, to.agent, leaf.offer.grant)
    })?;
    must(receipt.origin == leaf.to_origin && receipt.index >= leaf.usable_from, Reason::WrongPlace, || {
        format!("{} is not in {} behind the grant that it used", receipt.what, leaf.to_origin)
    })?;
    let with_key = match receipt.record.actor {
        Actor::Agent(_) => receipt.record.sig.kid == to.kid,
        Actor::Tenant => false,
        Actor::Operator => true,
    };
    must(with_key, Reason::ReceiptKey, || format!("{} is not signed with key {}", receipt.what, to.kid))?;
    for link in links {
        check_link(receipt, body, link)?;
    }
    Ok((body, signer.is_operator))
}

/// Time is the log's, never the one that the record states.
fn check_link(receipt: &Stated, body: &ReceiptAction, link: &Link<'_>) -> Result<(), ChainFault> {
    let (what, offer, at) = (&link.stated.what, link.offer, receipt.at_ms);
    let in_time = at < offer.limits.expires_at && offer.limits.not_before.is_none_or(|from| at >= from);
    must(in_time, Reason::OutOfTime, || {
        format!("{} was logged at {at}, when {what} did not hold", receipt.what)
    })?;
    let covers = |list: &[crate::record::Scope]| list.iter().any(|scope| scope.covers(&body.action));
    must(!covers(&offer.deny), Reason::Denied, || format!("{what} denies {}", body.action))?;
    must(covers(&offer.scopes), Reason::OutOfScope, || format!("{what} does not cover {}", body.action))
}

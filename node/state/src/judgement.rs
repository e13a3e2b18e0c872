//! What a grant is worth now, worked out from its whole chain: for whoever asks before something is done.

use ledger_format::ChainReason;
use ledger_format::record::{DelegationId, Scope};

use crate::applied::Alarm;
use crate::authority::{Chain, Grant, GrantFault};
use crate::batch::Batch;
use crate::view::View;

/// What a grant is worth at the log's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantJudgement {
    /// The grants, the root first.
    pub chain: Vec<(DelegationId, Grant)>,
    /// Why it does not hold, or does not allow what was asked for; `None`: it does.
    pub fault: Option<GrantFault>,
    /// What every link allows, without what is denied as a whole. None while the chain does not hold.
    pub scopes: Vec<Scope>,
    /// What any link, or an agent that grants, denies.
    pub denied: Vec<Scope>,
}

/// Judges a grant at `now_ms` or the log's time, whichever is later, and an action under it if one is named; `None` for an unknown grant. Budgets, policies and approvals are asked with
/// [`crate::evaluate`].
///
/// # Errors
/// The state is damaged.
pub fn judge_grant<V: View + ?Sized>(
    view: &V,
    id: DelegationId,
    action: Option<&Scope>,
    now_ms: u64,
) -> Result<Option<GrantJudgement>, Alarm> {
    let mut batch = Batch::new(view)?;
    // A log that nobody writes to has no newer time, and grants end all the same.
    batch.service.log_ms = batch.service.log_ms.max(now_ms);
    let Some(chain) = batch.grant_chain(id)? else { return Ok(None) };
    let mut fault = batch.first_fault(&chain, true)?;
    let (scopes, denied) = batch.effective(&chain)?;
    let scopes = if fault.is_none() { scopes } else { Vec::new() };
    if let (None, Some(action)) = (&fault, action) {
        fault = batch.action_fault(&chain, action)?;
    }
    let chain = chain.into_iter().rev().map(|(id, grant)| (id, Grant::clone(&grant))).collect();
    Ok(Some(GrantJudgement { chain, fault, scopes, denied }))
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// What all links allow, and what any denies.
    fn effective(&mut self, chain: &Chain) -> Result<(Vec<Scope>, Vec<Scope>), Alarm> {
        let mut scopes = chain[0].1.scopes.clone();
        let mut denied = Vec::new();
        for (_, grant) in chain {
            scopes = both(&scopes, &grant.scopes);
            denied.extend(grant.deny.iter().cloned());
            let Some(from) = grant.from.filter(|_| grant.foreign.is_none()) else { continue };
            let Some(agent) = self.find_agent(from)? else { continue };
            denied.extend(agent.denies.iter().cloned());
            if grant.parent.is_none() {
                scopes = both(&scopes, &agent.scopes);
            }
        }
        denied.sort_unstable();
        denied.dedup();
        scopes.retain(|scope| !denied.iter().any(|deny| deny.covers(scope)));
        Ok((scopes, denied))
    }

    /// The link that does not allow an action: who denies it, before who does not cover it.
    fn action_fault(&mut self, chain: &Chain, action: &Scope) -> Result<Option<GrantFault>, Alarm> {
        let (within, denied) = self.chain_allows(chain, action)?;
        let covers = |list: &[Scope]| list.iter().any(|scope| scope.covers(action));
        let root_first = || chain.iter().rev();
        if denied {
            let link = root_first().find(|(_, grant)| covers(&grant.deny)).unwrap_or(&chain[0]);
            let detail = format!("denies {action}, or an agent above is denied it");
            return Ok(Some(GrantFault { grant: link.0, reason: ChainReason::Denied, detail }));
        }
        if !within {
            let link = root_first().find(|(_, grant)| !covers(&grant.scopes));
            let (grant, detail) = match link {
                Some((id, _)) => (*id, format!("does not cover {action}")),
                None => (
                    chain[chain.len() - 1].0,
                    format!("was given by an agent that may not do {action} itself any more"),
                ),
            };
            return Ok(Some(GrantFault { grant, reason: ChainReason::OutOfScope, detail }));
        }
        Ok(None)
    }
}

/// What is within both lists, sorted. Of two scopes either one holds the other, or they have nothing in common.
fn both(a: &[Scope], b: &[Scope]) -> Vec<Scope> {
    let within = |narrow: &[Scope], wide: &[Scope]| -> Vec<Scope> {
        narrow.iter().filter(|scope| wide.iter().any(|wide| wide.covers(scope))).cloned().collect()
    };
    let mut common = within(a, b);
    common.append(&mut within(b, a));
    common.sort_unstable();
    common.dedup();
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_of_two_scopes_is_in_both() {
        let scopes =
            |texts: &[&str]| -> Vec<Scope> { texts.iter().map(|text| Scope::parse(text).unwrap()).collect() };
        for (a, b, common) in [
            (&["a:*"][..], &["a:read", "b:read"][..], &["a:read"][..]),
            (&["*:*"], &["a:*", "b:read"], &["a:*", "b:read"]),
            (&["a:read"], &["a:write"], &[]),
            (&["a:*", "b:read"], &["a:*", "b:*"], &["a:*", "b:read"]),
            (&[], &["*:*"], &[]),
        ] {
            assert_eq!(both(&scopes(a), &scopes(b)), scopes(common), "{a:?} {b:?}");
            assert_eq!(both(&scopes(b), &scopes(a)), scopes(common), "{b:?} {a:?}");
        }
    }
}

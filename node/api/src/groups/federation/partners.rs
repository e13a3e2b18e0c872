//! The tenants with which an agreement is in force.

use std::collections::{BTreeMap, btree_map::Entry};

use ledger_format::record::{TenantId, Ulid};
use ledger_log::TimelineQuery;

use super::{
    agreements::{TYPES, at},
    view::PartnerView,
};
use crate::{
    ApiError,
    endpoint::{Context, NoQuery, Paged, Reply},
    wire::time_text,
};

/// Agreements that the list is made from.
const AGREEMENTS_MAX: usize = 1_000;

pub(super) async fn partners(context: Context, _: NoQuery) -> Result<Reply<Paged<PartnerView>>, ApiError> {
    if !context.reader.wait_timeline(context.reader.applied_size(), context.timeout).await {
        return Err(ApiError::too_late("the lists of this node are not up to date yet"));
    }
    let own = context.tenant()?;
    let query = TimelineQuery {
        tenant: own,
        types: TYPES,
        agent: None,
        before: None,
        from: 0,
        limit: AGREEMENTS_MAX,
        ascending: false,
    };
    let rows = context.reader.timeline_of_party(&query).map_err(ApiError::internal)?.rows;
    let mut partners: BTreeMap<(Option<String>, Ulid), (PartnerView, u64)> = BTreeMap::new();
    for row in &rows {
        let Some((hash, agreement)) = at(&context, row)? else { continue };
        if !agreement.is_live(context.now_ms) {
            continue;
        }
        let other = if agreement.tenant == own { agreement.peer.0 } else { agreement.tenant };
        let known = partners.entry((agreement.origin.clone(), other));
        let (partner, ends_ms) = match known {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let name = match agreement.origin {
                    None => context.view(|view| ledger_state::tenant(view, other))?.map(|tenant| tenant.name),
                    Some(_) => None,
                };
                new.insert((partner(other, name, agreement.origin.clone()), 0))
            }
        };
        partner.agreements.push(hash.to_string());
        partner.scopes.extend(agreement.scopes.iter().map(ToString::to_string));
        partner.scopes.sort_unstable();
        partner.scopes.dedup();
        *ends_ms = (*ends_ms).max(agreement.expires_at);
        partner.expires_at = time_text(*ends_ms);
    }
    let partners = partners.into_values().map(|(partner, _)| partner).collect();
    Ok(Reply::new(Paged::of_all(partners, context.page)))
}

fn partner(tenant: Ulid, name: Option<String>, origin: Option<String>) -> PartnerView {
    PartnerView {
        tenant_id: TenantId(tenant).to_string(),
        name,
        origin,
        agreements: Vec::new(),
        scopes: Vec::new(),
        expires_at: String::new(),
    }
}

//! Rules of the log over time: `log.policy`, `trust.algorithm`.

use ledger_format::record::{LogPolicy, Quotas, TenantId, TrustAlgorithm};

use crate::applied::Alarm;
use crate::batch::{Batch, Stop};
use crate::fields::{value, word_parts};
use crate::keys;
use crate::rejection::{Code, Rejection};
use crate::trust;
use crate::values::Genesis;
use crate::view::View;

value! {
    /// The federation seeds.
    pub(crate) Seeds {
        /// Tenants. Sorted.
        tenants: Vec<TenantId>,
    }
}

word_parts!(Quotas);

value! {
    /// Whether quotas bind.
    pub(crate) QuotaRule {
        /// What becomes of a record above a quota.
        quotas: Quotas,
    }
}

pub(crate) fn policy<V: View + ?Sized>(batch: &mut Batch<'_, V>, body: &LogPolicy) -> Result<(), Stop> {
    let genesis = batch.genesis()?;
    if let Some(policy) = &body.policy {
        batch.put_genesis(Genesis { policy: policy.clone(), ..(*genesis).clone() });
    }
    if let Some(quotas) = body.quotas {
        batch.put(keys::QUOTAS.to_vec(), QuotaRule { quotas });
    }
    if let Some(seeds) = &body.seeds {
        let mut concerned = batch.seeds()?;
        batch.put(keys::SEEDS.to_vec(), Seeds { tenants: seeds.clone() });
        concerned.extend(seeds);
        concerned.sort_unstable();
        concerned.dedup();
        for tenant in concerned {
            batch.refresh_weight(tenant.0)?;
        }
    }
    Ok(())
}

pub(crate) fn algorithm<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    body: &TrustAlgorithm,
) -> Result<(), Stop> {
    let genesis = batch.genesis()?;
    let (name, id) = (&genesis.trust_algorithm, trust::constants::ALGORITHM_ID);
    if body.algorithm != *name || body.id.to_string() != format!("sha256:{id}") {
        let message = format!("this log computes {name} with the constants sha256:{id}");
        let fix = "wait until the log's software has the algorithm";
        return Err(Rejection::new(Code::TrustAlgorithmUnknown, "body.algorithm", message, fix).into());
    }
    Ok(())
}

impl<V: View + ?Sized> Batch<'_, V> {
    /// The federation seeds, sorted.
    pub(crate) fn seeds(&mut self) -> Result<Vec<TenantId>, Alarm> {
        Ok(self.get::<Seeds>(keys::SEEDS.to_vec())?.map(|seeds| seeds.tenants.clone()).unwrap_or_default())
    }
}

//! `maip tenant usage`: what a tenant used of its plan, computed from the log's entries.

use std::fmt::Write as _;

use clap::Args;
use ledger_client::replay::{Question, Replayed};
use ledger_format::record::{TenantId, Ulid};
use ledger_state::{Metric, Month};

use super::{Done, Exit, Failure, Global, Out, copy::LogCopy, tenant::tenant_id, time::utc};

/// Whose, and when.
#[derive(Debug, Args)]
pub(crate) struct UsageOf {
    /// The tenant.
    #[arg(long, env = "MAIP_TENANT", value_parser = tenant_id)]
    tenant: Ulid,
    /// The calendar month, in UTC of the log's time. Default: that of the last entry.
    #[arg(long, value_name = "YYYY-MM", value_parser = month)]
    month: Option<Month>,
    #[command(flatten)]
    copy: LogCopy,
    /// Replay the first N entries only, and answer as of then.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

impl UsageOf {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let replayed = self.copy.replay(global, out, self.to, &mut ())?;
        let id = TenantId(self.tenant);
        let month = self.month.unwrap_or_else(|| Month::of(replayed.last_entry_ms()));
        let mut json = replayed.ask(Question::Usage(id, Some(month))).ok_or_else(|| {
            Failure::no(format!("{id} is not in the log"))
                .why(format!("none of its first {} entries registers it", replayed.size()))
                .next("check the id, and which log you ask")
        })?;
        json["ok"] = true.into();
        json["as_of_size"] = replayed.size().into();
        out.answer(&table(&replayed, id, month), &json);
        Ok(Exit::Ok)
    }
}

fn table(replayed: &Replayed, id: TenantId, month: Month) -> String {
    let Some(usage) = ledger_state::usage(replayed.state(), id.0, month) else { return String::new() };
    let rule = if ledger_state::quotas_bind(replayed.state()) {
        "what is above it is refused"
    } else {
        "what is above it is counted, not refused"
    };
    let mut text = format!("{id}: plan {} ({rule})\n", usage.plan.as_str());
    let resets = utc(month.next().start_ms() / 1_000);
    let _ = writeln!(text, "  as of {} entries; month {month}, until {resets}", replayed.size());
    let _ = writeln!(text, "  {:<18}  {:>8}  {:>9}", "", "used", "included");
    for metric in Metric::ALL {
        let name = metric.as_str().replace('_', " ");
        let name = if metric == Metric::Agents { "agents now".into() } else { name };
        let included = usage.limit(metric).map_or_else(|| "no limit".into(), |limit| limit.to_string());
        let _ = writeln!(text, "  {name:<18}  {:>8}  {included:>9}", usage.used(metric));
    }
    text
}

fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "a month is written YYYY-MM, e.g. 2026-07".into())
}

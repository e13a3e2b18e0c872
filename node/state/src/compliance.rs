//! Compliance checks, reports, and anomalies with what follows from them.

use std::rc::Rc;

use ledger_format::record::{
    Actor, AgentId, AnomalyReport, AnomalyResolve, ComplianceCheck, ComplianceReport, Record, Severity, Ulid,
};

use crate::agent_status;
use crate::applied::Alarm;
use crate::batch::{Batch, Stop, refuse};
use crate::fields::{value, word_parts};
use crate::keys::{self, Kept};
use crate::metering::Metric;
use crate::rejection::Code;
use crate::scores::Number;
use crate::subject::Subject;
use crate::view::View;

word_parts!(Severity);

value! {
    /// An anomaly.
    pub Anomaly {
        /// The tenant that it belongs to.
        tenant: Ulid,
        /// The agent.
        agent: AgentId,
        /// How bad.
        severity: Severity,
        /// Whether it throttles the agent until it is resolved.
        throttles: bool,
        /// Index of the report.
        index: u64,
        /// Index of its resolution.
        resolved: Option<u64>,
    }
}

pub(crate) fn check<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ComplianceCheck,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    if let Some(agent) = body.agent {
        batch.agent_of(record.tenant, agent, "body.agent")?;
    }
    let key = keys::kept(Kept::Check, &body.check.0.to_bytes(), &[]);
    if batch.get::<Number>(key.clone())?.is_some() {
        let message = format!("check {} is on record already", body.check);
        return Err(refuse(Code::CheckExists, "body.check", message, "make a new check id"));
    }
    let value = batch.next_index();
    for (i, finding) in body.findings.iter().enumerate() {
        if let Some(index) = finding.evidence.iter().find(|index| **index >= value) {
            let field = format!("body.findings[{i}].evidence");
            let message = format!("the log has {value} entries, none with index {index}");
            return Err(refuse(Code::EvidenceUnknown, &field, message, "cite entries of this log"));
        }
    }
    batch.put(key, Number { value });
    batch.count_usage(record.tenant, Metric::ComplianceChecks)
}

pub(crate) fn report<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &ComplianceReport,
) -> Result<(), Stop> {
    batch.tenant(record.tenant)?;
    let key = keys::kept(Kept::Report, &body.report.0.to_bytes(), &[]);
    if batch.get::<Number>(key.clone())?.is_some() {
        let message = format!("report {} is on record already", body.report);
        return Err(refuse(Code::ReportExists, "body.report", message, "make a new report id"));
    }
    let value = batch.next_index();
    batch.put(key, Number { value });
    Ok(())
}

pub(crate) fn anomaly<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AnomalyReport,
) -> Result<(), Stop> {
    let agent = batch.active_agent_of(record.tenant, body.agent, "body.agent")?;
    let key = keys::kept(Kept::Anomaly, &body.anomaly.0.to_bytes(), &[]);
    if batch.get::<Anomaly>(key.clone())?.is_some() {
        let message = format!("anomaly {} is on record already", body.anomaly);
        return Err(refuse(Code::AnomalyExists, "body.anomaly", message, "make a new anomaly id"));
    }
    // Somebody who holds an agent's key could otherwise stop the agent.
    let acts = !matches!(record.actor, Actor::Agent(_));
    let throttles = acts && body.severity == Severity::Medium;
    let index = batch.next_index();
    let value = Anomaly {
        tenant: record.tenant,
        agent: body.agent,
        severity: body.severity,
        throttles,
        index,
        resolved: None,
    };
    batch.put(key, value);
    match body.severity {
        Severity::High if acts => {
            let mut agent = Rc::unwrap_or_clone(agent);
            agent.sessions_end = index;
            batch.set_open_sessions(body.agent, 0);
            batch.put_agent(body.agent, agent);
            batch.mark_dirty(Subject::Agent(body.agent))?;
            batch.seal_now = true;
        }
        Severity::Critical if acts && agent.is_active() => {
            agent_status::suspend_for(batch, body.agent, Rc::unwrap_or_clone(agent), "anomaly")?;
        }
        _ if throttles => batch.add_throttle(body.agent, 1)?,
        _ => {}
    }
    Ok(())
}

pub(crate) fn resolve<V: View + ?Sized>(
    batch: &mut Batch<'_, V>,
    record: &Record,
    body: &AnomalyResolve,
) -> Result<(), Stop> {
    let key = keys::kept(Kept::Anomaly, &body.anomaly.0.to_bytes(), &[]);
    let unknown = || {
        let message = format!("the tenant has no anomaly {}", body.anomaly);
        refuse(Code::AnomalyUnknown, "body.anomaly", message, "name an anomaly of the tenant")
    };
    let known = batch.get::<Anomaly>(key.clone())?.filter(|anomaly| anomaly.tenant == record.tenant);
    let anomaly = known.ok_or_else(unknown)?;
    if let Some(index) = anomaly.resolved {
        let message = format!("anomaly {} is resolved since index {index}", body.anomaly);
        return Err(refuse(Code::AnomalyResolved, "body.anomaly", message, "nothing is left to do"));
    }
    if anomaly.throttles {
        batch.add_throttle(anomaly.agent, -1)?;
    }
    let resolved = Some(batch.next_index());
    batch.put(key, Anomaly { resolved, ..Rc::unwrap_or_clone(anomaly) });
    Ok(())
}

fn throttle_key(agent: AgentId) -> Vec<u8> {
    keys::kept(Kept::Throttle, &agent.0.to_bytes(), &[])
}

impl<V: View + ?Sized> Batch<'_, V> {
    fn throttles(&mut self, agent: AgentId) -> Result<u64, Alarm> {
        Ok(self.get::<Number>(throttle_key(agent))?.map_or(0, |number| number.value))
    }

    fn add_throttle(&mut self, agent: AgentId, change: i64) -> Result<(), Alarm> {
        match self.throttles(agent)?.saturating_add_signed(change) {
            0 => self.delete(throttle_key(agent)),
            value => self.put(throttle_key(agent), Number { value }),
        }
        Ok(())
    }

    /// Whether an anomaly throttles the agent: it needs an approval for everything.
    pub(crate) fn is_throttled(&mut self, agent: AgentId) -> Result<bool, Alarm> {
        Ok(self.throttles(agent)? > 0)
    }
}

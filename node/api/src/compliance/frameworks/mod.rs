//! The controls of each framework: real control ids, each with the rule that a log can answer.

mod eu_ai_act;
mod gdpr;
mod hipaa;
mod iso27001;
mod soc2;

pub(super) use eu_ai_act::EU_AI_ACT;
pub(super) use gdpr::GDPR;
pub(super) use hipaa::HIPAA;
pub(super) use iso27001::ISO27001;
pub(super) use soc2::SOC2;

//! The state as canonical JSON, and its digest: how two implementations compare notes.

use ledger_format::record::json::Writer;

use super::agent::AgentState;
use super::constants::ALGORITHM_ID;
use super::digest::sha256;
use super::memory::MemoryTrust;
use super::reading::{number_or_null, optional};

impl AgentState {
    /// Every field under its own name, keys in ascending order.
    pub fn to_json(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(640);
        self.write_json(&mut w);
        w.finish()
    }

    /// Prints [`AgentState::to_json`] into a writer.
    pub fn write_json(&self, w: &mut Writer) {
        w.open_object();
        w.unsigned_field("active_days", self.active_days);
        w.unsigned_field("active_epochs", self.active_epochs);
        w.unsigned_field("bad_sessions_q12", self.bad_sessions_q12);
        w.unsigned_field("ceiling_bp", self.ceiling_bp);
        w.unsigned_field("clean_sessions_q12", self.clean_sessions_q12);
        w.key("closing_scores");
        w.open_array();
        self.closing_scores.iter().for_each(|&score| number_or_null(w, score));
        w.close_array();
        w.unsigned_field("denials_q12", self.denials_q12);
        w.unsigned_field("deviation_q8", self.deviation_q8);
        w.unsigned_field("epoch", self.epoch);
        w.unsigned_field("epoch_calls", self.epoch_calls);
        w.unsigned_field("epoch_denials", self.epoch_denials);
        w.unsigned_field("epoch_penalty_bp", self.epoch_penalty_bp);
        w.unsigned_field("fast_median_q8", self.fast_median_q8);
        w.unsigned_field("good_q12", self.good_q12);
        optional(w, "last_active_day", self.last_active_day);
        w.key("peers_q12");
        w.open_object();
        for bucket in &self.peers_q12 {
            w.key(bucket.tenant.as_str());
            w.open_array();
            w.unsigned(bucket.good_q12);
            w.unsigned(bucket.bad_q12);
            w.close_array();
        }
        w.close_object();
        w.unsigned_field("penalty_bp_q12", self.penalty_bp_q12);
        w.unsigned_field("severity_cap_bp", self.severity_cap_bp);
        w.unsigned_field("slow_median_q8", self.slow_median_q8);
        w.text_field("status", self.status.as_str());
        w.text_field("tenant", self.tenant.as_str());
        w.unsigned_field("violations_q12", self.violations_q12);
        w.close_object();
    }
}

impl MemoryTrust {
    /// The whole state: agents by id, citations by day, interaction, attester and subject.
    pub fn to_json(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.open_object();
        w.key("agents");
        w.open_object();
        for (id, agent) in &self.agents {
            w.key(id.as_str());
            agent.write_json(&mut w);
        }
        w.close_object();
        w.text_field("algorithm", ALGORITHM_ID);
        w.key("cited");
        w.open_array();
        for (&day, citation) in self.cited.iter().flat_map(|(day, all)| all.iter().map(move |c| (day, c))) {
            w.open_array();
            w.unsigned(day);
            w.unsigned(citation.interaction);
            w.string(citation.by.as_str());
            w.string(citation.agent.as_str());
            w.close_array();
        }
        w.close_array();
        w.unsigned_field("last_ms", self.last_ms);
        w.key("tenant_weights_q12");
        w.open_object();
        self.tenant_weights_q12.iter().for_each(|(id, &weight)| w.unsigned_field(id.as_str(), weight));
        w.close_object();
        w.close_object();
        w.finish()
    }

    /// SHA-256 of the whole state's JSON.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.to_json())
    }
}

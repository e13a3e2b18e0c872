//! Trust: scores, where they come from, how they were, what follows from them, and what agents say of each other.

mod compute;
mod explain;
mod factors;
mod history;
mod peers;
mod score;
mod thresholds;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Trust & Witness",
        "How far agents are trusted. A score follows from the entries of the log alone, so whoever holds them computes the same number; \
         and agents say what they know of each other and of claims.",
    );
    declare_scores(routes);
    declare_computes(routes);
    declare_history(routes);
    routes
        .get("/v1/agents/{agent_id}/trust/explain", "explain_trust_score", explain::explain)
        .summary("Why a score is what it is")
        .about(
            "Each factor with the fraction that it comes from, the caps, and the newest entries that moved it. `explanation` is the canonical JSON that \
             `maip trust explain` prints from the entries alone.",
        )
        .needs("trust:read");
    routes
        .get("/v1/trust/thresholds", "get_trust_thresholds", thresholds::get)
        .summary("At which scores something happens")
        .needs("trust:read");
    routes
        .add(Method::PUT, "/v1/trust/thresholds", "set_trust_thresholds", thresholds::set)
        .summary("Set at which scores something happens")
        .about("From the record's index on, for every agent of the tenant.")
        .needs("trust:write")
        .example(json!({"monitor": 70, "approval": 50, "suspend": 30}));
    peers::declare(routes);
}

fn declare_scores(routes: &mut Routes) {
    routes
        .get("/v1/agents/{agent_id}/trust", "get_agent_trust", score::by_name)
        .summary("An agent's trust score")
        .about(
            "As of the newest entry, or with `as_of` as of an older one. Unscored is null and fails every minimum. Reading is free: plans count \
             computations that are on record.",
        )
        .needs("trust:read");
    routes
        .get("/v1/agents/{agent_id}/trust-score", "get_agent_trust_score", score::as_list)
        .summary("An agent's trust score, with its factors as a list")
        .needs("trust:read");
    routes
        .get("/v1/trust-scores/{agent_id}", "get_trust_score", score::by_name)
        .summary("An agent's trust score")
        .needs("trust:read");
    routes
        .get("/v1/trust/{agent_id}/score", "get_older_trust_score", score::by_name)
        .summary("An agent's trust score, where older clients look for it")
        .needs("trust:read")
        .older();
}

fn declare_computes(routes: &mut Routes) {
    const ABOUT: &str = "The record `trust.compute` fixes the score as of its own entry, for everybody who replays the log, and counts towards the plan.";
    routes
        .post("/v1/agents/{agent_id}/trust/compute", "compute_agent_trust", compute::by_name)
        .summary("Put a trust score on record")
        .about(ABOUT)
        .needs("trust:compute")
        .metered()
        .answers(200)
        .example(json!({"include_history": true}));
    routes
        .post("/v1/agents/{agent_id}/trust-score/compute", "compute_agent_trust_score", compute::as_list)
        .summary("Put a trust score on record, with its factors as a list")
        .about(ABOUT)
        .needs("trust:compute")
        .metered()
        .answers(200)
        .example(json!({"agent_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N"}));
}

fn declare_history(routes: &mut Routes) {
    const ABOUT: &str = "One point for each hour of log time in which an entry said something about the agent: its trust behind the last of them. Kept for 90 days.";
    routes
        .get("/v1/agents/{agent_id}/trust/history", "get_agent_trust_history", history::object)
        .summary("How a score was")
        .about(ABOUT)
        .needs("trust:read");
    routes
        .get("/v1/agents/{agent_id}/trust-history", "list_agent_trust_history", history::bare)
        .summary("How a score was, as a bare list")
        .about(ABOUT)
        .needs("trust:read");
    routes
        .get("/v1/trust-scores/{agent_id}/history", "get_trust_score_history", history::object)
        .summary("How a score was")
        .about(ABOUT)
        .needs("trust:read");
    routes
        .get("/v1/trust/{agent_id}/history", "list_older_trust_history", history::bare)
        .summary("How a score was, where older clients look for it")
        .needs("trust:read")
        .older();
}

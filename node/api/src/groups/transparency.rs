//! The log itself, described: proofs, policy, staples, health. These are mounted beside the API, because every listener serves them.

use crate::{
    endpoint::{NoQuery, Routes},
    proofs::{ConsistencyQuery, InclusionQuery, LogQuery},
};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Transparency",
        "The log itself, for anybody: what a verifier needs, in the formats of C2SP and in JSON. Tiles and entries are under `/tile/…` and `/tile/entries/…` of \
         each log, as c2sp.org/tlog-tiles has them.",
    );
    routes
        .beside::<NoQuery>("/checkpoint", "get_checkpoint", TEXT)
        .summary("The published checkpoint")
        .about("A signed note with the log's signature and its witnesses' cosignatures.");
    routes.beside::<NoQuery>("/v1/logs", "list_logs", JSON).summary("The logs of this node");
    routes.beside::<LogQuery>("/v1/log/vkey", "get_vkey", TEXT).summary("The log's verifier key");
    routes
        .beside::<LogQuery>("/v1/log/policy", "get_policy_text", TEXT)
        .summary("A policy for verifiers")
        .about("A tlog-policy to start from. Whom to trust is the verifier's decision.");
    routes
        .beside::<InclusionQuery>("/v1/log/proof/inclusion", "prove_inclusion", JSON)
        .summary("Prove that an entry is in the tree");
    routes
        .beside::<ConsistencyQuery>("/v1/log/proof/consistency", "prove_consistency", JSON)
        .summary("Prove that one tree grew out of another");
    routes
        .beside::<LogQuery>("/v1/log/status/{subject}", "get_staple", TEXT)
        .summary("The staple of a subject")
        .about("One file that proves the status of an agent, tenant, session or grant, or that the log knows none.");
    routes.beside::<NoQuery>("/health/live", "get_liveness", JSON).summary("Whether the node runs");
    routes.beside::<NoQuery>("/health/ready", "get_readiness", JSON).summary("Whether the node can answer");
    routes.beside::<NoQuery>("/metrics", "get_metrics", TEXT).summary("Metrics for Prometheus");
}

//! Compliance: checks of an entity against a framework, and reports over a period.

mod check;
mod check_view;
mod document;
mod entity;
mod gather;
mod html;
mod report;
mod scope;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Compliance & Anomalies",
        "How agents stand against sets of controls, by rules over the log; what they did that they should not have.",
    );
    routes
        .post("/v1/compliance/check", "check_compliance", check::check)
        .summary("Check an entity against a framework")
        .about(
            "Rules over the log, the same for everybody: each finding names the control, what its rule asks, the entries that show the answer \
             and a remedy. The same check within 24 hours gives the same result and counts once. A rule says what the log shows; whether a control \
             is met as a whole, an auditor says.",
        )
        .needs("compliance:write")
        .answers(200)
        .metered()
        .example(json!({"entity_type": "agent", "entity_id": "maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N", "regulation": "SOC2"}));
    routes
        .get("/v1/compliance/checks", "list_compliance_checks", check::list)
        .summary("List checks")
        .about("Newest first.")
        .needs("compliance:read")
        .paged();
    for (path, id) in [
        ("/v1/compliance/checks/{check_id}", "get_compliance_check"),
        ("/v1/compliance/check/{check_id}", "get_check_of_compliance"),
    ] {
        routes.get(path, id, check::get).summary("Get a check").needs("compliance:read");
    }
    routes
        .get("/v1/compliance/frameworks", "list_compliance_frameworks", scope::frameworks)
        .summary("The frameworks and what the rule of each control asks")
        .public();
    declare_reports(routes);
}

fn declare_reports(routes: &mut Routes) {
    routes
        .post("/v1/compliance/reports", "create_compliance_report", report::create)
        .summary("Make a report over a period")
        .about(
            "The same rules over what the log holds of the period, with every entry that they cite: its place, its leaf hash and where its proof file is. \
             The log holds the digest of the report. Waits up to `timeout_ms` for a checkpoint that covers what is cited.",
        )
        .needs("compliance:write")
        .example(json!({
            "entity_type": "tenant", "entity_id": "tenant", "regulation": "SOC2", "period_start": "2026-11-01T00:00:00Z", "period_end": "2026-11-30T00:00:00Z",
        }));
    routes
        .get("/v1/compliance/reports", "list_compliance_reports", report::list)
        .summary("List reports")
        .about("Newest first.")
        .needs("compliance:read")
        .paged();
    routes
        .get("/v1/compliance/reports/{report_id}", "get_compliance_report", report::get)
        .summary("Get a report")
        .needs("compliance:read");
    routes
        .raw(
            Method::GET,
            "/v1/compliance/reports/{report_id}/html",
            "print_compliance_report",
            "text/html",
            report::html,
        )
        .summary("A report to print")
        .about("One page without scripts and without anything from elsewhere, to be printed or saved as PDF.")
        .needs("compliance:read");
}

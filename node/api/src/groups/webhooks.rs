//! Webhooks: where events are sent, and what became of them.

mod deliveries;
mod input;
mod manage;
mod view;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Webhooks",
        "Events sent to a server of the tenant's, signed, in the order of the log, each at least once under one id. The guide about events says \
         how to check a signature.",
    );
    manage(routes);
    deliveries(routes);
    older(routes);
}

/// The paths of the platform's guide.
fn older(routes: &mut Routes) {
    routes
        .post("/v1/webhooks/endpoints", "create_webhook_endpoint", manage::create)
        .summary("Create a webhook, as the platform's guide has it")
        .about("The same as `POST /v1/webhooks`.")
        .needs("webhooks:write")
        .metered()
        .older()
        .example(json!({"name": "CI", "url": "https://example.com/hooks/maip", "event_types": ["*"]}));
    routes
        .get("/v1/webhooks/endpoints", "list_webhook_endpoints", manage::list)
        .summary("List webhooks, as the platform's guide has it")
        .needs("webhooks:read")
        .paged()
        .older();
    routes
        .post("/v1/webhooks/endpoints/{webhook_id}/rotate", "rotate_webhook_endpoint", manage::rotate)
        .summary("Replace a webhook's secret, as the platform's guide has it")
        .about("The same as `POST /v1/webhooks/{webhook_id}/rotate-secret`.")
        .needs("webhooks:write")
        .answers(200)
        .older();
}

fn manage(routes: &mut Routes) {
    routes
        .post("/v1/webhooks", "create_webhook", manage::create)
        .summary("Create a webhook")
        .about("It is sent what happens from now on. The `secret` in the answer is shown once: it signs every delivery.")
        .needs("webhooks:write")
        .metered()
        .example(json!({"url": "https://example.com/hooks/maip", "event_types": ["killswitch.activated", "delegation.*"]}));
    routes
        .get("/v1/webhooks", "list_webhooks", manage::list)
        .summary("List webhooks")
        .about("Newest first.")
        .needs("webhooks:read")
        .paged();
    routes
        .get("/v1/webhooks/{webhook_id}", "get_webhook", manage::get)
        .summary("Get a webhook")
        .needs("webhooks:read")
        .versioned();
    routes
        .add(Method::PATCH, "/v1/webhooks/{webhook_id}", "update_webhook", manage::update)
        .summary("Change, pause or resume a webhook")
        .about("Events wait while it is paused or disabled. `active` resumes it where it stopped.")
        .needs("webhooks:write")
        .versioned()
        .example(json!({"status": "paused"}));
    routes
        .add(Method::DELETE, "/v1/webhooks/{webhook_id}", "delete_webhook", manage::delete)
        .summary("Delete a webhook")
        .about("Nothing more is sent; what was sent can no longer be looked up.")
        .needs("webhooks:write");
    routes
        .post("/v1/webhooks/{webhook_id}/rotate-secret", "rotate_webhook_secret", manage::rotate)
        .summary("Replace a webhook's secret")
        .about("The new `secret` is shown once. For 24 hours deliveries carry a signature under the old one, too.")
        .needs("webhooks:write")
        .answers(200);
    routes
        .post("/v1/webhooks/{webhook_id}/test", "test_webhook", deliveries::test)
        .summary("Send a ping")
        .about("One `webhook.ping`, sent now by the node that is asked, whatever the webhook's status. Not tried again.")
        .needs("webhooks:write")
        .answers(200);
}

fn deliveries(routes: &mut Routes) {
    routes
        .get("/v1/webhooks/{webhook_id}/deliveries", "list_webhook_deliveries", deliveries::list)
        .summary("What became of the deliveries")
        .about("Newest first: what waits, the newest 500 that were delivered, the newest 1,000 dead letters.")
        .needs("webhooks:read")
        .paged();
    routes
        .get("/v1/webhooks/{webhook_id}/dead-letters", "list_webhook_dead_letters", deliveries::dead)
        .summary("What could not be delivered")
        .about("Newest first, at most the newest 1,000; what was delivered later is not among them.")
        .needs("webhooks:read")
        .paged();
    routes
        .post(
            "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
            "replay_webhook_delivery",
            deliveries::replay,
        )
        .summary("Deliver again")
        .about(
            "A dead letter or anything else that the webhook was sent, under the same delivery id, beside the deliveries in order. Its attempts \
             begin anew.",
        )
        .needs("webhooks:write")
        .answers(202);
}

//! Federation: agreements that let grants pass between two tenants, and the tenants that one has agreements with.

mod agree;
mod agreements;
mod key;
mod partners;
mod view;

use axum::http::Method;
use serde_json::json;

use crate::endpoint::Routes;

pub(super) fn declare(routes: &mut Routes) {
    routes.group(
        "Federation",
        "Agreements between two tenants: what grants between them may be about, and how long they live. Both sign: the peer with its root key, this tenant through the \
         operator, or with its own root key through `/v1/records`.",
    );
    let terms = json!({
        "peer_tenant_id": "maip-tenant:01KC2G2V3T3XJ6W1B0D9QH8Y7B", "scopes": ["invoices:read"], "ttl_minutes": 480,
        "expires_at": "2027-06-30T00:00:00Z",
    });
    let mut signed = terms.clone();
    signed["peer_signature"] = json!("A".repeat(86));
    routes
        .post("/v1/federation/agreements/draft", "draft_agreement", agree::draft)
        .summary("Draft an agreement")
        .about(
            "Nothing is logged. The answer has the bytes that the peer signs with its root key, offline or with `maip delegate sign-agreement`.",
        )
        .needs("federation:write")
        .answers(200)
        .example(terms);
    routes
        .post("/v1/federation/agreements", "create_agreement", agree::create)
        .summary("Make an agreement")
        .about("The same terms as in the draft, with the peer's signature. It is in force from this record on, for grants in both directions.")
        .needs("federation:write")
        .example(signed);
    routes
        .get("/v1/federation/agreements", "list_agreements", agreements::list)
        .summary("List agreements")
        .about("Those of the caller's tenant, whichever of the two logged them, newest first.")
        .needs("federation:read")
        .paged();
    routes
        .get("/v1/federation/agreements/{agreement_id}", "get_agreement", agreements::get)
        .summary("Get an agreement")
        .about("Both tenants see it.")
        .needs("federation:read");
    routes
        .post("/v1/federation/agreements/{agreement_id}/end", "end_agreement", agreements::end)
        .summary("End an agreement")
        .about("By either of the two, alone. From the record's index on no grant that passed under it holds.")
        .needs("federation:write")
        .answers(200)
        .example(json!({"reason": "contract over"}));
    routes
        .add(Method::DELETE, "/v1/federation/agreements/{agreement_id}", "delete_agreement", agreements::end)
        .summary("End an agreement")
        .about("As `/v1/federation/agreements/{agreement_id}/end`.")
        .needs("federation:write")
        .example(json!({"reason": "contract over"}));
    routes
        .get("/v1/federation/partners", "list_partners", partners::partners)
        .summary("List partners")
        .about("The tenants with which an agreement is in force.")
        .needs("federation:read")
        .paged();
    routes
        .get("/v1/federation/key", "get_root_key", key::get)
        .summary("The caller's root key")
        .about("The key that stands for the tenant itself, as verifiers pin it and as its peers name it in agreements.")
        .needs("federation:read");
    routes
        .post("/v1/federation/key", "set_root_key", key::set)
        .summary("Give the tenant its root key")
        .about(
            "Once, for a tenant that has none. The private half stays with the tenant. A tenant that has one rotates it with a `tenant.key` record that the old key signs, \
             through `/v1/records`: an API key alone must not replace it.",
        )
        .needs("federation:write")
        .example(json!({"public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
}

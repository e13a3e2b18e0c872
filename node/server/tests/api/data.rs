//! Data sets and models: attested once, read back, their graph.

use serde_json::{Value, json};

use crate::client::{Api, Caller};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn agent(caller: &Caller<'_>) -> String {
    let made = caller.post("/v1/agents", &json!({"display_name": "Trainer"})).ok(201);
    made["agent_id"].as_str().unwrap().to_owned()
}

fn id(made: &Value, name: &str) -> String {
    made[name].as_str().unwrap_or_else(|| panic!("no {name}: {made}")).to_owned()
}

/// Two raw data sets, one made of them, a model that has learnt from that, and one made from the model.
fn world(caller: &Caller<'_>, agent: &str) -> [String; 5] {
    let dataset = |name: &str, more: Value| {
        let mut body = json!({"agent_id": agent, "name": name, "hash": HASH});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id(&caller.post("/v1/datasets/attest", &body).ok(201), "dataset_id")
    };
    let first = dataset("ledger", json!({}));
    let second = dataset("customers", json!({}));
    let sources = json!([
        {"dataset_id": first, "relationship": "preprocessed_from", "transformation": "names removed"},
        {"source_dataset_id": second, "relationship": "merged_from"},
    ]);
    let made = dataset("invoices", json!({"sources": sources}));
    let base = json!({
        "agent_id": agent, "name": "reader", "framework": "pytorch", "hash": HASH, "training_dataset_ids": [made],
        "hyperparameters": {"epochs": 3}, "metrics": {"f1": 0.93},
    });
    let base = id(&caller.post("/v1/models/attest", &base).ok(201), "model_id");
    let tuned = json!({
        "agent_id": agent, "name": "reader-small", "hash": HASH, "base_model_id": base, "relationship": "distilled_from",
    });
    let tuned = id(&caller.post("/v1/models/attest", &tuned).ok(201), "model_id");
    [first, second, made, base, tuned]
}

#[test]
fn a_data_set_is_attested_once_and_read_back() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live);
    let body = json!({
        "agent_id": agent, "name": "invoices", "hash": HASH, "format": "parquet", "size_bytes": 1_048_576,
        "record_count": 10, "schema_version": "3", "source_uri": "s3://example/", "metadata": {"team": "finance"},
    });
    let made = live.post("/v1/datasets/attest", &body).ok(201);
    for (name, wanted) in body.as_object().unwrap() {
        assert_eq!(&made[name], wanted, "{name}");
    }
    assert_eq!(
        (&made["version"], &made["status"], &made["ack"]),
        (&json!("1.0.0"), &json!("attested"), &json!("sequenced"))
    );
    assert_eq!(made["signed_by"], "operator");
    let dataset = id(&made, "dataset_id");
    assert!(dataset.starts_with("maip-ds:"), "{dataset}");

    // The record is in the log under what the answer names.
    let index = made["log_index"].as_u64().unwrap();
    let record = live.get(&format!("/v1/records/{index}")).ok(200);
    assert_eq!((&record["receipt_id"], &record["leaf_hash"]), (&made["receipt_id"], &made["leaf_hash"]));
    assert_eq!(record["record"]["body"]["digest"], format!("sha256:{HASH}"));
    assert_eq!(record["record"]["body"]["dataset"], dataset.as_str());
    for spelling in [dataset.clone(), dataset.replace(':', "%3A"), id(&made, "id")] {
        let read = live.get(&format!("/v1/datasets/{spelling}?min_index={index}")).ok(200);
        assert_eq!((&read["dataset_id"], &read["metadata"]), (&made["dataset_id"], &made["metadata"]));
        assert!(read.get("ack").is_none(), "{read}");
    }

    // A name and version once for each agent, whatever the content; another version is another data set.
    let other = json!({"agent_id": agent, "name": "invoices", "hash": "ab".repeat(32)});
    live.post("/v1/datasets/attest", &other).refused(409, "DATASET_EXISTS", "name");
    let next = json!({"agent_id": agent, "name": "invoices", "version": "1.1.0", "hash": HASH});
    let next = live.post("/v1/datasets/attest", &next).ok(201);
    let someone = json!({"agent_id": self::agent(live), "name": "invoices", "hash": HASH});
    live.post("/v1/datasets/attest", &someone).ok(201);

    let named = live.get(&format!("/v1/datasets?agent_id={agent}&name=invoices")).ok(200);
    let ids: Vec<&Value> =
        named["datasets"].as_array().unwrap().iter().map(|one| &one["dataset_id"]).collect();
    assert_eq!(ids, [&next["dataset_id"], &made["dataset_id"]]);
    assert_eq!(live.get("/v1/datasets").ok(200)["total"], 3);

    // The same call under the same key is the same data set.
    let keyed = live.with("idempotency-key", "one");
    let body = json!({"agent_id": agent, "name": "keyed", "hash": HASH});
    let first = keyed.post("/v1/datasets/attest", &body).ok(201);
    assert_eq!(keyed.post("/v1/datasets/attest", &body).ok(201), first);
}

#[test]
fn a_model_is_attested_once_and_read_back() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let agent = agent(live);
    let [.., made, base, tuned] = world(live, &agent);
    let read = live.get(&format!("/v1/models/{base}")).ok(200);
    assert_eq!(read["training_dataset_ids"], json!([made]));
    assert_eq!((&read["framework"], &read["metrics"]), (&json!("pytorch"), &json!({"f1": 0.93})));
    let read = live.get(&format!("/v1/models/{tuned}")).ok(200);
    assert_eq!((&read["base_model_id"], &read["relationship"]), (&json!(base), &json!("distilled_from")));
    let again = json!({"agent_id": agent, "name": "reader", "hash": HASH});
    live.post("/v1/models/attest", &again).refused(409, "MODEL_EXISTS", "name");
    let listed = live.get("/v1/models?limit=1").ok(200);
    assert_eq!((&listed["models"][0]["model_id"], &listed["total"]), (&json!(tuned), &json!(2)));
}

#[test]
fn lineage_tells_what_it_was_made_of_and_what_was_made_of_it() {
    let api = Api::start();
    let acme = api.tenant("Acme", "business");
    let live = &acme.live;
    let [first, second, made, base, tuned] = world(live, &agent(live));

    // Both orders of the path.
    let lineage = live.get(&format!("/v1/datasets/lineage/{made}")).ok(200);
    assert_eq!(live.get(&format!("/v1/datasets/{made}/lineage")).ok(200), lineage);
    assert_eq!((&lineage["nodes"][0]["id"], &lineage["nodes"][0]["type"]), (&json!(made), &json!("dataset")));
    assert_eq!(lineage["nodes"].as_array().unwrap().len(), 3);
    let edge = |source: &str, relationship: &str, target: &str, metadata: Value| json!({"source": source, "target": target, "relationship": relationship, "metadata": metadata});
    let edges = lineage["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 2);
    assert!(edges.contains(&edge(
        &made,
        "preprocessed_from",
        &first,
        json!({"transformation": "names removed"})
    )));
    assert!(edges.contains(&edge(&made, "merged_from", &second, json!({}))));
    let steps = lineage["lineage"].as_array().unwrap();
    let step = steps.iter().find(|step| step["source_dataset_id"] == first.as_str()).unwrap();
    assert_eq!((&step["transformation"], &step["dataset_id"]), (&json!("names removed"), &json!(made)));

    let model = live.get(&format!("/v1/models/{tuned}/lineage")).ok(200);
    assert_eq!(live.get(&format!("/v1/models/lineage/{tuned}")).ok(200), model);
    let ids = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|node| id(node, "id")).collect()
    };
    assert_eq!(ids(&model["nodes"])[0], tuned);
    assert_eq!(ids(&model["parent_models"]), std::slice::from_ref(&base));
    assert_eq!(model["training_datasets"], json!([]));
    assert_eq!(model["datasets"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&model["training_runs"][0]["model_id"], &model["training_runs"][0]["dataset_ids"]),
        (&json!(base), &json!([made]))
    );
    assert_eq!(
        ids(&live.get(&format!("/v1/models/{base}/lineage")).ok(200)["training_datasets"]),
        std::slice::from_ref(&made)
    );

    // Which models have learnt from a poisoned source?
    let below = live.get(&format!("/v1/datasets/{first}/lineage?direction=downstream")).ok(200);
    assert_eq!(ids(&below["nodes"]), [first.clone(), made.clone(), base.clone(), tuned.clone()]);
    let near = live.get(&format!("/v1/datasets/{first}/lineage?direction=downstream&depth=1")).ok(200);
    assert_eq!((ids(&near["nodes"]), &near["truncated"]), (vec![first.clone(), made.clone()], &json!(true)));
    let both = live.get(&format!("/v1/datasets/{made}/lineage?direction=both")).ok(200);
    assert_eq!((ids(&both["nodes"])[0].clone(), ids(&both["nodes"]).len()), (made, 5));
}

#[test]
fn what_is_wrong_with_an_attestation_is_named() {
    let api = Api::start();
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let live = &acme.live;
    let agent = agent(live);
    let theirs = self::agent(&other.live);
    let [dataset, .., model, _] = world(&other.live, &theirs);
    let nobody = "maip-ds:01KC2G2V3T3XJ6W1B0D9QH8Y7W";
    for (path, body, status, code, field) in [
        ("datasets", json!({"agent_id": agent, "name": "x"}), 422, "INVALID_INPUT", "hash"),
        ("datasets", json!({"agent_id": agent, "name": "x", "hash": ""}), 422, "INVALID_INPUT", "hash"),
        ("datasets", json!({"agent_id": agent, "name": "", "hash": HASH}), 422, "INVALID_INPUT", "name"),
        ("datasets", json!({"agent_id": "x", "name": "x", "hash": HASH}), 422, "INVALID_INPUT", "agent_id"),
        ("datasets", json!({"agent_id": theirs, "name": "x", "hash": HASH}), 404, "NOT_FOUND", "agent_id"),
        (
            "datasets",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "source_dataset_ids": [nobody]}),
            404,
            "NOT_FOUND",
            "source_dataset_ids[0]",
        ),
        (
            "datasets",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "sources": [{"dataset_id": dataset}]}),
            404,
            "NOT_FOUND",
            "sources[0].dataset_id",
        ),
        (
            "datasets",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "size_bytes": -1}),
            422,
            "INVALID_INPUT",
            "size_bytes",
        ),
        (
            "datasets",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "colour": 1}),
            422,
            "INVALID_INPUT",
            "colour",
        ),
        ("models", json!({"agent_id": agent, "name": "x", "hash": "x"}), 422, "INVALID_INPUT", "hash"),
        (
            "models",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "training_dataset_ids": [dataset]}),
            404,
            "NOT_FOUND",
            "training_dataset_ids[0]",
        ),
        (
            "models",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "base_model_id": model}),
            404,
            "NOT_FOUND",
            "base_model_id",
        ),
        (
            "models",
            json!({"agent_id": agent, "name": "x", "hash": HASH, "relationship": "distilled_from"}),
            422,
            "INVALID_INPUT",
            "relationship",
        ),
    ] {
        live.post(&format!("/v1/{path}/attest"), &body).refused(status, code, field);
    }
    let twice = json!({"agent_id": agent, "name": "a", "hash": HASH});
    let own = id(&live.post("/v1/datasets/attest", &twice).ok(201), "dataset_id");
    let twice = json!({"agent_id": agent, "name": "b", "hash": HASH, "source_dataset_ids": [own, own]});
    live.post("/v1/datasets/attest", &twice).refused(422, "INVALID_INPUT", "source_dataset_ids[1]");

    // Another tenant's are not there, by any path.
    for path in ["datasets/{d}", "datasets/{d}/lineage", "datasets/lineage/{d}"] {
        live.get(&format!("/v1/{}", path.replace("{d}", &dataset))).refused(404, "NOT_FOUND", "dataset_id");
    }
    for path in ["models/{m}", "models/{m}/lineage", "models/lineage/{m}"] {
        live.get(&format!("/v1/{}", path.replace("{m}", &model))).refused(404, "NOT_FOUND", "model_id");
    }
    live.get(&format!("/v1/datasets?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    live.get(&format!("/v1/models?agent_id={theirs}")).refused(404, "NOT_FOUND", "agent_id");
    assert_eq!(live.get("/v1/datasets").ok(200)["total"], 1);
    live.get("/v1/datasets/x").refused(400, "MALFORMED", "dataset_id");
    live.get(&format!("/v1/datasets/{own}/lineage?depth=65")).refused(400, "MALFORMED", "depth");
    live.get(&format!("/v1/datasets/{own}/lineage?direction=up")).refused(400, "MALFORMED", "direction");
    live.with("x-tenant-id", &other.id).get("/v1/datasets").refused(403, "FORBIDDEN", "X-Tenant-ID");

    // Who may not act may not attest.
    live.post(&format!("/v1/agents/{agent}/suspend"), &json!({})).ok(200);
    let body = json!({"agent_id": agent, "name": "late", "hash": HASH});
    assert_eq!(live.post("/v1/datasets/attest", &body).body["code"], "AGENT_SUSPENDED");
}

//! Client certificates: who has one of the tenants' authority calls without any other credential.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use ledger_node::tls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use serde_json::{Value, json};

use crate::client::Api;

/// An authority of the tenants' certificates.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate with these URIs, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificate(authority: &CertifiedIssuer<'static, KeyPair>, uris: &[&str]) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, authority).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// One call over TLS: status and body; an error when the handshake fails.
fn call(
    api: &Api,
    identity: Option<&Identity>,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<(u16, Value)> {
    let roots = tls::read_roots(&api.node.file("tls/ca.pem")).unwrap();
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(api.node.client)?);
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

#[test]
fn a_certificate_names_who_calls() {
    let authority = authority();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("tenants.pem");
    fs::write(&ca, authority.pem()).unwrap();
    // The API's table stands last in the configuration.
    let api = Api::start_with(&format!("client_ca = {ca:?}\n"));
    let (acme, other) = (api.tenant("Acme", "business"), api.tenant("Other", "business"));
    let agent = json!({"display_name": "Bot", "scopes": ["agents:read", "receipts:write"]});
    let agent = acme.live.post("/v1/agents", &agent).ok(201);
    let id = agent["agent_id"].as_str().unwrap();
    let get = |identity: Option<&Identity>, headers: &str| {
        call(&api, identity, "GET", "/v1/agents", headers, "").unwrap()
    };

    // A tenant, an agent, and nobody.
    let tenant = certificate(&authority, &[&acme.id]);
    assert_eq!(get(Some(&tenant), "").1["total"], 1);
    let bot = certificate(&authority, &[id]);
    assert_eq!(get(Some(&bot), "").1["total"], 1);
    assert_eq!(get(None, "").0, 401);
    assert_eq!(get(Some(&certificate(&authority, &["https://example.com"])), "").0, 401);
    assert_eq!(get(Some(&certificate(&authority, &[id, &other.id])), "").0, 401);
    let unknown = certificate(&authority, &["maip-agent:01KC2G2V3T3XJ6W1B0D9QH8Y7N"]);
    assert_eq!(get(Some(&unknown), "").0, 401);

    // An agent acts as itself, within its scopes, and is named.
    let receipt = |agent: &str| json!({"agent_id": agent, "action": "invoices:read"}).to_string();
    let kind = "content-type: application/json\r\n";
    let post = |body: &str| call(&api, Some(&bot), "POST", "/v1/agent-receipts", kind, body).unwrap();
    let (status, made) = post(&receipt(id));
    assert_eq!(status, 201, "{made}");
    let record = acme.live.get(&format!("/v1/records/{}", made["log_index"])).ok(200);
    assert!(record.to_string().contains(&format!("certificate:{id}")), "{record}");
    let second = acme.live.post("/v1/agents", &json!({"display_name": "Other"})).ok(201);
    assert_eq!(post(&receipt(second["agent_id"].as_str().unwrap())).0, 403);
    assert_eq!(call(&api, Some(&bot), "GET", "/v1/agent-receipts", "", "").unwrap().0, 403);

    // A header contradicts it as little as it does a key, and a key is as good as ever, for the same tenant.
    assert_eq!(get(Some(&tenant), &format!("x-tenant-id: {}\r\n", other.id)).0, 403);
    assert_eq!(get(Some(&tenant), &format!("x-api-key: {}\r\n", acme.live.key)).0, 200);
    assert_eq!(get(None, &format!("x-api-key: {}\r\n", acme.live.key)).0, 200);
    assert_eq!(get(Some(&tenant), &format!("x-api-key: {}\r\n", other.live.key)).0, 403);

    // Another authority's is turned away in the handshake.
    let stranger = self::authority();
    let forged = certificate(&stranger, &[&acme.id]);
    assert!(call(&api, Some(&forged), "GET", "/v1/agents", "", "").is_err());
    // A killed agent's is good for nothing.
    acme.live.post(&format!("/v1/agents/{id}/kill"), &json!({})).ok(200);
    assert_eq!(get(Some(&bot), "").0, 401);
}

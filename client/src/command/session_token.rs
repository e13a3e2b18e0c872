//! `maip session token|sign-call|check-token`: what an agent shows to a tool, and what the tool asks.

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use ledger_client::keys;
use ledger_format::http_signature::{Call, CallProof, content_digest};
use ledger_format::record::{Scope, SessionId};
use ledger_format::token::TokenRequest;
use ledger_format::{Checkpoint, Note};
use ledger_proto::v1;
use serde_json::json;

use super::{
    Done, Exit, Failure, Global, Out,
    agent::{scope, sorted},
    global::block_on,
    session::{Owner, session_id},
    time::now_ms,
};

/// Asks for a token.
#[derive(Debug, Args)]
pub(crate) struct TokenOf {
    #[command(flatten)]
    owner: Owner,
    /// The session.
    #[arg(long, value_parser = session_id)]
    session: SessionId,
    /// What shall be done with it; left out: whatever the session allows. May be repeated.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
    /// Good only with calls that the agent signs, also where the session names no key.
    #[arg(long)]
    bind: bool,
}

impl TokenOf {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let (actor, key) = self.owner.signer(global)?;
        let (nonce, policy) = (nonce()?, global.policy(None)?);
        let token = block_on(async {
            let nodes = global.nodes()?;
            let origin = origin(&nodes.checkpoint(&global.log, 0, global.timeout).await?)?;
            // What is signed names the log, so a node cannot use it elsewhere; it must be a log that the caller means.
            if policy.is_some_and(|policy| policy.logs().iter().all(|log| log.vkey.name() != origin)) {
                return Err(Failure::no("the node serves a log that the policy does not list").why(origin));
            }
            let request = TokenRequest {
                origin,
                session: self.session,
                actor,
                at_ms: now_ms(),
                nonce: nonce.clone(),
                scopes: sorted(&self.scopes),
                bind: self.bind,
            };
            let signature = key.sign(&request.signed_bytes())?;
            Ok(nodes.issue_token(&global.log, &request, signature, global.timeout).await?)
        })?;
        let claims = &token.claims;
        let scopes: Vec<_> = claims.scopes.iter().map(Scope::as_str).collect();
        let answer = json!({
            "token": token.to_string(),
            "agent": claims.agent.to_string(),
            "session": claims.session.to_string(),
            "scopes": scopes,
            "audience": claims.audience,
            "bound_to": claims.proof_key.map(|key| key.to_string()),
            "expires_at_s": claims.expires_at_s,
        });
        out.answer(&token.to_string(), &answer);
        Ok(Exit::Ok)
    }
}

/// A call, as the header fields of its proof cover it.
#[derive(Debug, Args)]
pub(crate) struct SignCall {
    /// The token, or a file with it.
    #[arg(value_name = "TOKEN")]
    token: String,
    /// The key that the token is bound to: a key file, or a name in the key directory.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// The method.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The absolute URI that is called.
    #[arg(long)]
    uri: String,
    /// The tool that is called, by the name that it gives itself.
    #[arg(long)]
    audience: String,
    /// The body; left out: none.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The grant under which the call is made.
    #[arg(long)]
    grant: Option<String>,
}

impl SignCall {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let key = keys::read_seed(&keys::locate(&global.key_directory(), &self.key))?;
        let body = match &self.body {
            Some(path) => fs::read(path)
                .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))?,
            None => Vec::new(),
        };
        let (token, digest) = (text_or_file(&self.token)?, content_digest(&body));
        let call = Call {
            method: &self.method,
            target_uri: &self.uri,
            token: &token,
            content_digest: &digest,
            audience: &self.audience,
            grant: self.grant.as_deref(),
        };
        let proof = CallProof::sign(&call, now_ms() / 1_000, &nonce()?, &key)
            .map_err(|e| Failure::cannot("the call cannot be signed").why(e))?;
        let mut fields = vec![
            ("Authorization", format!("Bearer {token}")),
            ("Content-Digest", digest.clone()),
            ("Maip-Audience", self.audience.clone()),
        ];
        fields.extend(self.grant.clone().map(|grant| ("Maip-Grant", grant)));
        fields.push(("Signature-Input", proof.signature_input()));
        fields.push(("Signature", proof.signature_field()));
        let text: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let object = fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        out.answer(&text, &json!({ "fields": serde_json::Value::Object(object) }));
        Ok(Exit::Ok)
    }
}

/// What a tool has received and wants to know.
#[derive(Debug, Args)]
pub(crate) struct CheckToken {
    /// The token, or a file with it.
    #[arg(value_name = "TOKEN")]
    token: String,
    /// What shall be done with it; left out: only whether it is good at all.
    #[arg(long, value_parser = scope)]
    scope: Option<Scope>,
    /// Who is asking: the tool's own name.
    #[arg(long)]
    audience: Option<String>,
    /// Answer only if a majority confirms that the node knows everything.
    #[arg(long)]
    fresh: bool,
    /// The method of the call that it came with.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The absolute URI that was called.
    #[arg(long, requires = "signature")]
    uri: Option<String>,
    /// The body that came with it; left out: none.
    #[arg(long, value_name = "FILE", requires = "signature")]
    body: Option<PathBuf>,
    /// The header field Maip-Grant.
    #[arg(long, requires = "signature")]
    grant: Option<String>,
    /// The header field Signature-Input.
    #[arg(long, value_name = "FIELD", requires = "signature")]
    signature_input: Option<String>,
    /// The header field Signature.
    #[arg(long, value_name = "FIELD", requires_all = ["signature_input", "uri"])]
    signature: Option<String>,
}

impl CheckToken {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> Done {
        let request = v1::CheckTokenRequest {
            log: global.log.clone(),
            token: text_or_file(&self.token)?,
            scope: self.scope.as_ref().map(ToString::to_string).unwrap_or_default(),
            audience: self.audience.clone().unwrap_or_default(),
            call: self.call()?,
            fresh: self.fresh,
            timeout_ms: 0,
        };
        let said = block_on(async { Ok(global.nodes()?.check_token(&request, global.timeout).await?) })?;
        let answer = json!({
            "live": said.live,
            "reason": said.reason,
            "message": said.message,
            "agent": said.agent,
            "session": said.session,
            "tenant": said.tenant,
            "scopes": said.scopes,
            "expires_at_s": said.expires_at_s,
            "bound": said.bound,
            "size": said.size,
        });
        if !said.live {
            out.answer(&format!("{} {}: {}", out.bad("DENIED"), said.reason, said.message), &answer);
            return Ok(Exit::No);
        }
        let proven = if said.bound { ", which signed the call" } else { "" };
        let text = format!(
            "{} {}{proven}\n  session  {}\n  scopes   {}\n  entries  {} applied by the node",
            out.good("LIVE"),
            said.agent,
            said.session,
            said.scopes.join(" "),
            said.size
        );
        out.answer(&text, &answer);
        Ok(Exit::Ok)
    }

    fn call(&self) -> Result<Option<v1::SignedCall>, Failure> {
        let Some(signature) = &self.signature else { return Ok(None) };
        let body = match &self.body {
            Some(path) => fs::read(path)
                .map_err(|e| Failure::cannot(format!("{} cannot be read", path.display())).why(e))?,
            None => Vec::new(),
        };
        Ok(Some(v1::SignedCall {
            method: self.method.clone(),
            target_uri: self.uri.clone().unwrap_or_default(),
            content_digest: content_digest(&body),
            grant: self.grant.clone().unwrap_or_default(),
            signature_input: self.signature_input.clone().unwrap_or_default(),
            signature: signature.clone(),
        }))
    }
}

/// Tokens have two points and files need not, but what can be a file is one.
fn text_or_file(given: &str) -> Result<String, Failure> {
    let path = PathBuf::from(given);
    if !path.is_file() {
        return Ok(given.to_owned());
    }
    let text =
        fs::read_to_string(&path).map_err(|e| Failure::cannot(format!("{given} cannot be read")).why(e))?;
    Ok(text.trim().to_owned())
}

/// Of which log a checkpoint is.
fn origin(checkpoint: &[u8]) -> Result<String, Failure> {
    let wrong = || Failure::no("a node's answer does not hold");
    let note = Note::parse(checkpoint).map_err(|e| wrong().why(e))?;
    Ok(Checkpoint::parse(note.text()).map_err(|e| wrong().why(e))?.origin)
}

fn nonce() -> Result<String, Failure> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|e| Failure::cannot("no randomness").why(e))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

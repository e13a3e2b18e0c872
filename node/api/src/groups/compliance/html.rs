//! The report as a page to print: no scripts, nothing from elsewhere, every text escaped.

use std::{fmt::Write as _, sync::LazyLock};

use axum::http::HeaderValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ledger_format::record::Digest;

use super::{check_view::ComplianceFinding, document::Document};
use crate::groups::logged_at::LoggedAt;

const STYLE: &str = include_str!("report.css");

/// The page may use its own style sheet, known by its digest, and nothing else.
pub(super) static STYLE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = STANDARD.encode(Digest::sha256(STYLE.as_bytes()).bytes);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A text as HTML shows it.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Writing into a text does not fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

/// The whole page.
pub(super) fn page(document: &Document, digest: &str, at: &LoggedAt) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = format!("{}: {}", document.title, name(document));
    put!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Compliance report, {}</title><style>{STYLE}</style></head><body>",
        Escaped(&title)
    );
    head(&mut out, document);
    facts(&mut out, document, digest, at);
    summary(&mut out, document);
    controls(&mut out, document);
    out.push_str("<h2>Findings</h2>");
    document.findings.iter().for_each(|finding| detail(&mut out, document, finding));
    entries(&mut out, document);
    verify(&mut out, document, digest, at);
    put!(
        out,
        "<footer>Report {} · {} · made by the nodes of {} from the entries of the log alone.</footer></body></html>",
        Escaped(&document.report_id),
        Escaped(&document.generated_at),
        Escaped(&document.log.origin)
    );
    out
}

/// What the report is about, for people.
fn name(document: &Document) -> &str {
    if document.entity_name.is_empty() { &document.entity_id } else { &document.entity_name }
}

/// A status as people read it.
fn word(status: &str) -> &'static str {
    match status {
        "pass" => "holds",
        "fail" => "fails",
        "compliant" => "Compliant",
        "partial" => "Partly compliant",
        "non_compliant" => "Not compliant",
        _ => "not applicable",
    }
}

/// The day of a time.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// A time to the second.
fn second(time: &str) -> String {
    format!("{} {} UTC", day(time), time.get(11..19).unwrap_or_default())
}

fn head(out: &mut String, document: &Document) {
    put!(
        out,
        "<header><p class=\"kind\">Compliance report</p><h1>{}</h1><p class=\"about\">{} <strong>{}</strong>, {} to {}</p>\
         <span class=\"mark verdict {status}\">{}</span></header>",
        Escaped(&document.title),
        Escaped(&capital(&document.entity_type)),
        Escaped(name(document)),
        Escaped(day(&document.period_start)),
        Escaped(day(&document.period_end)),
        word(&document.status),
        status = Escaped(&document.status),
    );
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn facts(out: &mut String, document: &Document, digest: &str, at: &LoggedAt) {
    out.push_str("<h2>Scope</h2><dl>");
    let mut fact = |term: &str, value: String, is_hash: bool| {
        let class = if is_hash { " class=\"hash\"" } else { "" };
        put!(out, "<dt>{term}</dt><dd{class}>{}</dd>", Escaped(&value));
    };
    fact("Tenant", format!("{} ({})", document.tenant_name, document.tenant_id), false);
    fact("About", format!("{} {} ({})", document.entity_type, name(document), document.entity_id), false);
    fact("Framework", format!("{} ({})", document.title, document.regulation), false);
    fact(
        "Controls",
        if document.scope == "full" {
            "all that a log can show something about".into()
        } else {
            document.scope.clone()
        },
        false,
    );
    fact("Period", format!("{} to {}", second(&document.period_start), second(&document.period_end)), false);
    fact("Environment", document.environment.clone(), false);
    fact("Made", format!("{} by {}", second(&document.generated_at), document.generated_by), false);
    fact("Report", document.report_id.clone(), true);
    fact("Digest", digest.to_owned(), true);
    fact("In the log", format!("{} entry {}, leaf {}", document.log.origin, at.index(), at.leaf()), true);
    out.push_str("</dl>");
}

fn summary(out: &mut String, document: &Document) {
    out.push_str("<h2>Summary</h2><ul class=\"counts\">");
    for (class, count, text) in [
        ("pass", document.counts.pass, "controls whose rule holds"),
        ("fail", document.counts.fail, "controls whose rule fails"),
        ("not_applicable", document.counts.not_applicable, "with nothing to be about"),
    ] {
        put!(out, "<li class=\"{class}\"><b>{count}</b><span>{text}</span></li>");
    }
    out.push_str("</ul><ul class=\"activity\">");
    for (kind, count) in &document.activity {
        put!(
            out,
            "<li><span>{}</span><span class=\"number\">{count}</span></li>",
            Escaped(&capital(&kind.replace('_', " ")))
        );
    }
    out.push_str("</ul>");
    if document.truncated {
        out.push_str("<p class=\"warning\">The period has more records than a report looks at: the oldest were left out. Ask for shorter periods.</p>");
    }
}

fn controls(out: &mut String, document: &Document) {
    out.push_str("<h2>Controls</h2><table><thead><tr><th>Control</th><th>Title</th><th>If it fails</th><th>Status</th></tr></thead><tbody>");
    for finding in &document.findings {
        put!(
            out,
            "<tr><td class=\"word\"><a href=\"#c-{}\">{}</a></td><td>{}</td><td>{}</td><td class=\"word\"><span class=\"mark {}\">{}</span></td></tr>",
            Escaped(&finding.finding_id),
            Escaped(&finding.control),
            Escaped(&finding.title),
            Escaped(&finding.severity),
            Escaped(&finding.status),
            word(&finding.status),
        );
    }
    out.push_str("</tbody></table>");
}

fn detail(out: &mut String, document: &Document, finding: &ComplianceFinding) {
    put!(
        out,
        "<article id=\"c-{}\" class=\"is-{status}\"><div class=\"head\"><h3>{} {}</h3><span class=\"mark {status}\">{}</span></div>\
         <dl><dt>Rule</dt><dd>{}</dd><dt>Found</dt><dd>{}.</dd>",
        Escaped(&finding.finding_id),
        Escaped(&finding.control),
        Escaped(&finding.title),
        word(&finding.status),
        Escaped(&finding.asks),
        Escaped(&capital(&finding.description)),
        status = Escaped(&finding.status),
    );
    if let Some(remedy) = &finding.remedy {
        put!(out, "<dt>Remedy</dt><dd>{}</dd>", Escaped(remedy));
    }
    if !finding.evidence.is_empty() {
        out.push_str("<dt>Evidence</dt><dd class=\"evidence\">");
        let older = finding.evidence_count.saturating_sub(finding.evidence.len() as u64);
        let one = |index: &u64| match document.entry(*index) {
            Some(entry) => {
                format!("<a href=\"#e-{index}\" title=\"{}\">{index}</a>", Escaped(&entry.record_type))
            }
            None => index.to_string(),
        };
        let shown: Vec<String> = finding.evidence.iter().map(one).collect();
        put!(out, "{} {}", if shown.len() == 1 { "Entry" } else { "Entries" }, shown.join(", "));
        if older > 0 {
            put!(out, " and {older} more");
        }
        out.push_str("</dd>");
    }
    out.push_str("</dl></article>");
}

fn entries(out: &mut String, document: &Document) {
    out.push_str("<h2 class=\"page\">Cited entries</h2>");
    if document.entries.is_empty() {
        out.push_str("<p>No finding cites an entry.</p>");
        return;
    }
    out.push_str(
        "<p class=\"note\">Each entry is one leaf of the log. The proof file under its link needs no server to be verified; fetching it needs a credential of the tenant.</p>\
         <table class=\"entries\"><thead><tr><th class=\"number\">Entry</th><th>Log time, record, signer</th><th>Leaf hash and proof</th></tr></thead><tbody>",
    );
    for entry in &document.entries {
        let signer = match (&entry.on_behalf_of, &entry.agent_id) {
            (Some(credential), _) => format!("operator for {credential}"),
            (None, Some(agent)) if entry.signed_by == "agent" => format!("agent {agent}"),
            _ => entry.signed_by.clone(),
        };
        let flags = if entry.flags.is_empty() {
            String::new()
        } else {
            format!("; flagged {}", entry.flags.join(", "))
        };
        put!(
            out,
            "<tr id=\"e-{index}\"><td class=\"number\">{index}</td><td>{}<br>{}{}<br><span class=\"note\">{}</span></td>\
             <td class=\"hash\">{}<br><a href=\"{proof}\">{proof}</a></td></tr>",
            Escaped(&second(&entry.log_time)),
            Escaped(&entry.record_type),
            Escaped(&flags),
            Escaped(&signer),
            Escaped(&entry.leaf_hash),
            index = entry.log_index,
            proof = Escaped(&entry.proof_url),
        );
    }
    out.push_str("</tbody></table>");
}

fn verify(out: &mut String, document: &Document, digest: &str, at: &LoggedAt) {
    let log = &document.log;
    put!(
        out,
        "<h2 class=\"page\">How to verify this report</h2><p>You need not believe this page, nor whoever hands it to you.</p><ol>\
         <li>Take the log's witness policy from a source that you trust other than this report, and compare the log's key with it: \
         <span class=\"hash\">{}</span></li>\
         <li>Fetch the proof file of a cited entry, and let <code>maip verify</code> judge it. No server is asked.\
         <pre>curl -sS -H \"X-API-Key: $KEY\" \"$NODE/v1/receipts/&lt;receipt id&gt;/proof\" -o entry.tlog-proof\nmaip verify entry.tlog-proof --policy policy.txt</pre>\
         Its index and leaf hash must be those in <em>Cited entries</em>.</li>\
         <li>Compare the digest of this report with its own record, entry {} (<a href=\"{proof}\">{proof}</a>).\
         <pre>curl -sS -H \"X-API-Key: $KEY\" \"$NODE/v1/compliance/reports/{}\" | jq -cS .document | tr -d '\\n' | sha256sum</pre>\
         It must give <span class=\"hash\">{}</span></li>\
         <li>Whoever has the entries of the log can compute every finding again: the rules are functions of the records, and of the checkpoint below where they ask for witnesses.</li></ol>",
        Escaped(&log.vkey),
        at.index(),
        Escaped(&document.report_id),
        Escaped(digest.strip_prefix("sha256:").unwrap_or(digest)),
        proof = Escaped(&at.proof_url()),
    );
    put!(
        out,
        "<h2>Checkpoint</h2><p>Every cited entry is under this checkpoint of {} entries. {}</p><pre>{}</pre>",
        log.tree_size,
        Escaped(&cosigned(&log.witnesses)),
        Escaped(log.checkpoint.trim_end()),
    );
    out.push_str(
        "<h2>What this report does not say</h2><p class=\"note\">A rule says what the log shows, and the log holds what agents, tools and people have recorded. \
         What was never recorded is not in it. Whether a control is met as a whole, with contracts, training, premises and everything else that no log can show, \
         is for an auditor to say. This report is no certificate and no legal advice.</p>",
    );
}

/// Who has seen the checkpoint.
fn cosigned(witnesses: &[String]) -> String {
    if witnesses.is_empty() {
        return "No witness has cosigned it: the operator alone vouches that it shows everybody the same log.".into();
    }
    format!("Cosigned by {}.", witnesses.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which every text is hostile.
    fn hostile() -> (Document, LoggedAt) {
        let evil = "<script>alert('x')</script>&\"'";
        let finding = serde_json::json!({
            "finding_id": evil, "control": evil, "title": evil, "asks": evil, "status": "fail", "severity": evil,
            "description": evil, "evidence": [7, 8], "evidence_count": 40, "remedy": evil,
        });
        let entry = serde_json::json!({
            "log_index": 7, "leaf_hash": evil, "receipt_id": evil, "record_type": evil, "log_time": evil, "signed_by": "operator",
            "on_behalf_of": evil, "agent_id": evil, "flags": [evil], "proof_url": evil,
        });
        let document = serde_json::json!({
            "format": evil, "report_id": evil, "tenant_id": evil, "tenant_name": evil, "environment": evil, "entity_type": evil,
            "entity_id": evil, "entity_name": evil, "regulation": evil, "title": evil, "scope": evil, "period_start": evil,
            "period_end": evil, "generated_at": evil, "generated_by": evil, "status": evil,
            "counts": {"pass": 1, "fail": 2, "not_applicable": 3}, "activity": {evil: 5}, "truncated": true,
            "findings": [finding], "entries": [entry],
            "log": {"origin": evil, "vkey": evil, "tree_size": 9, "checkpoint": evil, "witnesses": [evil]},
        });
        (serde_json::from_value(document).unwrap(), LoggedAt::for_tests(evil))
    }

    #[test]
    fn no_text_becomes_markup() {
        let (document, at) = hostile();
        let page = page(&document, "<i>digest</i>", &at);
        for bad in ["<script", "alert('", "<i>", "&\"'"] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
        // Tags are balanced: nothing has opened or closed one.
        for tag in ["article", "table", "dl", "ol", "ul", "header", "footer", "pre", "h2", "a", "td", "tr"] {
            let open = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
        assert!(page.contains("and 38 more") && page.contains("the oldest were left out"), "{page}");
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere() {
        let (document, at) = hostile();
        let page = page(&document, "x", &at);
        for outside in ["http://", "https://", "src=", "@import", "url(", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let policy = STYLE_POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!STYLE.contains('<') && page.contains(STYLE), "the style sheet is in the page as it is");
    }
}

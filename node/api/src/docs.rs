//! `/docs`: the reference with its playground, and the guides. Everything is in the program: a page asks nobody else.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Scripts, styles, pictures and answers of this node only; no inline script, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

macro_rules! assets {
    ($($name:literal: $kind:expr,)*) => {
        &[$(($name, $kind, include_str!(concat!("../assets/", $name)))),*]
    };
}

/// Path below `/docs/`, content type, content.
const ASSETS: &[(&str, &str, &str)] = assets![
    "style.css": CSS,
    "app.js": SCRIPT,
    "dom.js": SCRIPT,
    "operation.js": SCRIPT,
    "proof.js": SCRIPT,
    "samples.js": SCRIPT,
    "schema.js": SCRIPT,
    "session.js": SCRIPT,
    "tryit.js": SCRIPT,
    "icon.svg": PICTURE,
];

/// The reference; `{{guides}}` becomes the list of guides.
const REFERENCE: &str = include_str!("../assets/reference.html");
/// The page around a guide.
const GUIDE: &str = include_str!("../assets/guide.html");

macro_rules! guides {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../docs/guides/", $name, ".md")))),*]
    };
}

/// Name and text of each guide, in the order of reading.
const GUIDES: &[(&str, &str)] = guides![
    "quick-start",
    "authorization",
    "policies",
    "trust-scores",
    "claims",
    "delegation",
    "orchestration",
    "events",
    "compliance",
    "verification",
];

/// The pages of `/docs`.
pub(crate) fn router() -> Router {
    let mut router = Router::new()
        .route("/docs", get(|| async { page(REFERENCE.replace("{{guides}}", &contents(""))) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }));
    for (name, kind, content) in ASSETS {
        router = router.route(&format!("/docs/{name}"), get(|| async { asset(kind, content) }));
    }
    for (name, markdown) in GUIDES {
        let html = guide(name, markdown);
        router = router.route(&format!("/docs/guides/{name}"), get(|| async { page(html) }));
    }
    router
}

fn page(html: String) -> Response {
    guarded(Html(html))
}

fn asset(kind: &'static str, content: &'static str) -> Response {
    guarded(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], content))
}

fn guarded(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A node that was replaced by a newer one shows the newer pages at once.
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The list of guides, with the one that is shown marked.
fn contents(shown: &str) -> String {
    let item = |(name, markdown): &(&str, &str)| {
        let current = if *name == shown { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"/docs/guides/{name}\"{current}>{}</a></li>", title(markdown))
    };
    GUIDES.iter().map(item).collect()
}

/// The first heading.
fn title(markdown: &str) -> &str {
    markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("Guide").trim()
}

fn guide(name: &str, markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() * 2);
    pulldown_cmark::html::push_html(&mut html, anchored(markdown).into_iter());
    GUIDE
        .replace("{{title}}", title(markdown))
        .replace("{{guides}}", &contents(name))
        .replace("{{body}}", &html)
}

/// The events of a text, each heading below the first with an anchor made of its words.
fn anchored(markdown: &str) -> Vec<Event<'_>> {
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    for at in 0..events.len() {
        if !matches!(&events[at], Event::Start(Tag::Heading { level, .. }) if *level != HeadingLevel::H1) {
            continue;
        }
        let inside =
            events[at + 1..].iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let words: String = inside
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.to_lowercase()),
                _ => None,
            })
            .collect();
        let anchor = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let anchor: String = anchor.collect::<Vec<_>>().join("-");
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(CowStr::from(anchor));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn every_page_and_asset_is_there_and_asks_nobody_else() {
        let mut paths = vec!["/docs".to_owned()];
        paths.extend(ASSETS.iter().map(|(name, ..)| format!("/docs/{name}")));
        paths.extend(GUIDES.iter().map(|(name, _)| format!("/docs/guides/{name}")));
        for path in paths {
            let request = Request::get(&path).body(Body::empty()).unwrap();
            let response = router().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY, "{path}");
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            for outside in ["src=\"http", "src=\"//", "url(http", "@import", "from \"http", "href=\"//", "{{"]
            {
                assert!(!text.contains(outside), "{path} holds {outside}");
            }
        }
    }

    #[test]
    fn headings_have_anchors() {
        let html = guide("policies", "# Policies\n\n## Deny `overrides`\n\n| a |\n|---|\n| b |\n");
        assert!(html.contains("<h2 id=\"deny-overrides\">Deny <code>overrides</code></h2>"), "{html}");
        assert!(html.contains("<title>Policies") && html.contains("<table>"), "{html}");
        assert!(html.contains("href=\"/docs/guides/policies\" aria-current=\"page\""), "{html}");
    }
}

//! HTTP to hosts that tenants name: targets of webhooks, steps of workflows.
//!
//! A tenant must not be able to look around in the operator's network through a node. So addresses that are not of the public internet are
//! refused, both when a URL has one and when a name resolves to one, unless the configuration allows them.
//!
//! Behind a proxy that would not hold: the proxy resolves the name, and to look it up here first proves nothing, as the next answer may be
//! another one. So where addresses are refused, these requests go past the proxy.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use anyhow::Context as _;
use futures::future::BoxFuture;
use ledger_api::{Outbound as Outgoing, OutboundAnswer, OutboundCall, OutboundFault};
use reqwest::{
    Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{config::Outbound, outbound};

/// Requests to hosts that tenants name.
pub(crate) struct HttpOutgoing {
    client: reqwest::Client,
    private_targets: bool,
}

impl HttpOutgoing {
    /// With the authorities of the configuration. `private_targets` lets it reach any address, through the proxy of the configuration.
    pub(crate) fn new(config: &Outbound, private_targets: bool) -> anyhow::Result<Self> {
        let mut builder = outbound::builder(config)?;
        if !private_targets {
            builder = builder.no_proxy().dns_resolver(Arc::new(PublicOnly));
        }
        let client = builder.build().context("cannot set up HTTP to the targets of webhooks")?;
        Ok(Self { client, private_targets })
    }

    /// The URL, if a node may reach what it names.
    fn target(&self, text: &str) -> Result<Url, OutboundFault> {
        let forbidden = || OutboundFault::Forbidden(text.to_owned());
        let url = Url::parse(text).map_err(|_| forbidden())?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_private = host.parse().is_ok_and(|address| !is_public(address));
        if !is_http || host.is_empty() || (is_private && !self.private_targets) {
            return Err(forbidden());
        }
        Ok(url)
    }
}

impl Outgoing for HttpOutgoing {
    fn check(&self, url: &str) -> Result<(), OutboundFault> {
        self.target(url).map(drop)
    }

    fn send(&self, call: OutboundCall) -> BoxFuture<'static, Result<OutboundAnswer, OutboundFault>> {
        let url = match self.target(&call.url) {
            Ok(url) => url,
            Err(fault) => return Box::pin(async { Err(fault) }),
        };
        let method = Method::from_bytes(call.method.as_bytes()).unwrap_or(Method::POST);
        let mut request = self.client.request(method, url).body(call.body).timeout(call.timeout);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        Box::pin(async move {
            let mut response = request.send().await.map_err(|error| failed(&error))?;
            let status = response.status().as_u16();
            let body = outbound::read_body(&mut response, call.answer_bytes_max).await;
            Ok(OutboundAnswer { status, body: body.map_err(OutboundFault::Failed)?.into() })
        })
    }
}

fn failed(error: &reqwest::Error) -> OutboundFault {
    let text = outbound::describe(error);
    if text.contains(NOT_PUBLIC) { OutboundFault::Forbidden(text) } else { OutboundFault::Failed(text) }
}

const NOT_PUBLIC: &str = "no address of the public internet";

/// Resolves names to addresses of the public internet only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(format!("{} has {NOT_PUBLIC}", name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA's registries of special addresses).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = (a, b, c) == (192, 0, 0);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || protocols
        || benchmarks
        || a >= 224)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    // Global unicast is 2000::/3. In it, 2001:db8::/32 is for documentation, and 2002::/16 and 64:ff9b::/96 hide other addresses.
    let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
    first & 0xe000 == 0x2000 && !documentation && first != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_reached() {
        for (address, expected) in [
            ("1.1.1.1", true),
            ("198.51.101.1", true),
            ("2606:4700::1111", true),
            ("::ffff:8.8.8.8", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.8", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("fc00::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }

    /// With a proxy in the configuration, if one is given.
    fn outgoing(proxy: Option<String>, private_targets: bool) -> HttpOutgoing {
        let _ = rustls::crypto::ring::default_provider().install_default();
        HttpOutgoing::new(&Outbound { proxy, ..Outbound::default() }, private_targets).unwrap()
    }

    fn call(url: &str) -> OutboundCall {
        OutboundCall {
            method: "POST",
            url: url.into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            timeout: std::time::Duration::from_secs(5),
            answer_bytes_max: 1024,
        }
    }

    /// A name that no address belongs to (RFC 6761).
    const NOWHERE: &str = "http://nowhere.invalid/";

    #[tokio::test]
    async fn a_target_that_may_not_be_reached_is_refused_before_it_is_called() {
        let outgoing = outgoing(None, false);
        for url in [
            "http://127.0.0.1:1/x",
            "http://[::1]:1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "file:///etc/passwd",
            "ftp://1.1.1.1/",
            "http://localhost:1/",
            "nonsense",
        ] {
            assert!(
                matches!(outgoing.check(url), Err(OutboundFault::Forbidden(_))) || url.contains("localhost"),
                "{url}"
            );
            let fault = outgoing.send(call(url)).await.unwrap_err();
            assert!(matches!(fault, OutboundFault::Forbidden(_)), "{url}: {fault:?}");
        }
    }

    /// A proxy connects to whatever a name leads to, so it is not asked where that must not be.
    #[tokio::test]
    async fn no_proxy_reaches_what_a_node_may_not() {
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        proxy.set_nonblocking(true).unwrap();
        let outgoing = outgoing(Some(format!("http://{}", proxy.local_addr().unwrap())), false);
        let fault = outgoing.send(call("http://localhost:1/")).await.unwrap_err();
        assert!(matches!(fault, OutboundFault::Forbidden(_)), "{fault:?}");
        assert_eq!(proxy.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was asked");
    }

    /// The operator names the proxy, so what its own name leads to is nobody's business.
    #[tokio::test]
    async fn a_proxy_with_a_private_address_forbids_no_target() {
        let proxy = Some("http://localhost:1".to_owned());
        let fault = outgoing(proxy, false).send(call(NOWHERE)).await.unwrap_err();
        assert!(matches!(fault, OutboundFault::Failed(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn where_any_address_may_be_reached_the_proxy_is_used() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outgoing = outgoing(Some(format!("http://{}", proxy.local_addr().unwrap())), true);
        let answering = async {
            let (mut connection, _) = proxy.accept().await.unwrap();
            let mut asked = [0; 29];
            connection.read_exact(&mut asked).await.unwrap();
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            // Open until the answer is read: a connection closed with bytes unread is reset.
            (asked, connection)
        };
        let (answer, (asked, _connection)) = tokio::join!(outgoing.send(call(NOWHERE)), answering);
        assert_eq!((answer.unwrap().status, &asked), (204, b"POST http://nowhere.invalid/ "));
    }
}

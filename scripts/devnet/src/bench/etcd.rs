//! Three etcd members on the same disk, for comparison: puts of 512 bytes over gRPC, as etcd's own benchmark does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use devnet::{Ports, wait_until_async};
use tonic::{
    Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    load::{Measured, closed_loop},
    ours::CONNECTIONS_MAX,
};

/// Size of each value.
const VALUE_BYTES: usize = 512;
/// How long the cluster may take to elect its leader.
const START_LIMIT: Duration = Duration::from_secs(30);
const MEMBERS: usize = 3;

/// A put, as in etcd's `rpc.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: prost::bytes::Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: prost::bytes::Bytes,
}

/// Nothing in the answer is looked at but that it is one.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

/// A running etcd cluster; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Etcd {
    members: Vec<Child>,
    leader: String,
}

/// Path of the etcd program, when there is one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join("etcd")).find(|path| path.is_file())
}

/// First line of `etcd --version`.
pub(crate) fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("etcd, version unknown").to_owned()
}

impl Etcd {
    /// Starts three members with default settings (fsync on) below `dir` and waits for a leader.
    pub(crate) async fn start(program: &Path, dir: &Path) -> Result<Etcd> {
        let mut ports = Ports::default();
        let mut peers = Vec::new();
        let mut urls = Vec::new();
        for _ in 0..MEMBERS {
            peers.push(format!("http://{}", ports.take()?));
            urls.push(format!("http://{}", ports.take()?));
        }
        let cluster: Vec<_> = peers.iter().enumerate().map(|(i, peer)| format!("m{i}={peer}")).collect();
        let mut etcd = Etcd { members: Vec::new(), leader: String::new() };
        for (i, (peer, url)) in peers.iter().zip(&urls).enumerate() {
            let own = dir.join(format!("etcd-{i}"));
            fs::create_dir_all(&own)?;
            let log = fs::File::create(own.join("log"))?;
            let child = Command::new(program)
                .args(["--name", &format!("m{i}"), "--log-level", "error"])
                .arg("--data-dir")
                .arg(own.join("data"))
                .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
                .args(["--listen-client-urls", url, "--advertise-client-urls", url])
                .args(["--initial-cluster", &cluster.join(","), "--initial-cluster-state", "new"])
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("{} did not start", program.display()))?;
            etcd.members.push(child);
        }
        etcd.leader = wait_until_async("etcd's leader", START_LIMIT, async || leader(&urls).await).await?;
        Ok(etcd)
    }

    /// Puts from `clients` clients to the leader, under keys that begin with the name of the load.
    pub(crate) async fn put(
        &self,
        load: &str,
        clients: usize,
        work: usize,
        limit: Duration,
    ) -> Result<Measured> {
        let mut channels = Vec::new();
        for _ in 0..clients.min(CONNECTIONS_MAX) {
            channels.push(Endpoint::from_shared(self.leader.clone())?.tcp_nodelay(true).connect().await?);
        }
        let value = prost::bytes::Bytes::from(vec![b'v'; VALUE_BYTES]);
        closed_loop(clients, work, limit, |number| {
            let channel = channels[number % channels.len()].clone();
            let (load, value) = (load.to_owned(), value.clone());
            move |place| {
                let (channel, value) = (channel.clone(), value.clone());
                let key = format!("bench/{load}/{place:012}").into_bytes().into();
                async move {
                    call::<_, PutResponse>(channel, "/etcdserverpb.KV/Put", PutRequest { key, value })
                        .await?;
                    Ok(())
                }
            }
        })
        .await
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

async fn leader(urls: &[String]) -> Result<String> {
    for url in urls {
        let channel = Endpoint::from_shared(url.clone())?.connect().await?;
        let status: StatusResponse =
            call(channel, "/etcdserverpb.Maintenance/Status", StatusRequest {}).await?;
        if status.leader != 0 && status.header.is_some_and(|header| header.member_id == status.leader) {
            return Ok(url.clone());
        }
    }
    bail!("no member leads")
}

async fn call<Q, A>(channel: Channel, path: &'static str, message: Q) -> Result<A>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let codec = ProstCodec::<Q, A>::default();
    Ok(grpc.unary(Request::new(message), PathAndQuery::from_static(path), codec).await?.into_inner())
}

/// The hand-written messages against the real program, where it is installed.
#[test]
fn puts_are_answered() {
    let Some(program) = program() else {
        println!("etcd is not installed: nothing to compare with, nothing to check");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let etcd = Etcd::start(&program, dir.path()).await.unwrap();
        let measured = etcd.put("test", 4, 40, Duration::from_secs(60)).await.unwrap();
        assert_eq!(measured.requests, 40);
    });
}

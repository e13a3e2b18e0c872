//! What is measured on a devnet.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use devnet::{
    Devnet, Submitter, grpc, http,
    workload::{Agent, Tenant},
};
use ledger_format::{Policy, TlogProof};
use ledger_proto::v1::{
    Ack, SubmitBatchRequest, SubmitRequest, SubmitResponse, ledger_client::LedgerClient,
    submit_result::Result as Answer,
};
use tonic::{Status, codegen::Bytes, transport::Channel};

use crate::{
    load::{Measured, closed_loop, percentile},
    machine,
};

/// TCP connections of the load generator: more clients share them, as they would share a proxy's.
pub(crate) const CONNECTIONS_MAX: usize = 8;
/// Agents that sign the records.
const AGENTS: usize = 16;
/// What each receipt says.
const NOTE: &str = "a note that brings the action body of this receipt to about three hundred bytes";
/// Records in one SubmitBatch.
pub(crate) const BATCH_RECORDS: usize = 256;
/// How long one request may take before it counts as failed.
const REQUEST_LIMIT_MS: u32 = 10_000;
/// Pause between two looks at the checkpoint when publication follows the tick alone.
const TICK_POLL: Duration = Duration::from_millis(2);
/// How many times a proof is verified.
const VERIFICATIONS: usize = 2_000;

/// A devnet with registered agents, ready for load.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) devnet: Devnet,
    agents: Vec<Agent>,
    leader: u64,
}

impl Ours {
    /// Registers a tenant and its agents.
    pub(crate) async fn prepare(devnet: Devnet) -> Result<Ours> {
        let leader = devnet.wait_for_leader("main", Duration::from_secs(30)).await?;
        let mut submitter = Submitter::connect(devnet.manifest(), "main")?;
        let tenant = Tenant::new("bench")?;
        submitter.submit_as_operator(tenant.register()?, Ack::Sequenced).await?;
        let mut agents = Vec::new();
        for number in 0..AGENTS {
            let agent = Agent::new(&tenant, &format!("agent {number}"))?;
            submitter.submit(tenant.register_agent(&agent)?, Ack::Sequenced).await?;
            agents.push(agent);
        }
        Ok(Ours { devnet, agents, leader })
    }

    /// Signs `count` receipts: nothing is signed while the clock runs.
    fn sign(&mut self, count: usize) -> Result<Arc<Vec<Bytes>>> {
        let records = (0..count)
            .map(|i| Ok(self.agents[i % AGENTS].receipt("ledger:post", NOTE)?.into()))
            .collect::<Result<Vec<Bytes>>>()?;
        Ok(Arc::new(records))
    }

    async fn channels(&self, clients: usize) -> Result<Vec<Channel>> {
        let mut channels = Vec::new();
        for _ in 0..clients.min(CONNECTIONS_MAX) {
            channels.push(self.devnet.channel(self.leader).await?);
        }
        Ok(channels)
    }

    /// Single-record Submit to the leader.
    pub(crate) async fn submit(
        &mut self,
        ack: Ack,
        clients: usize,
        work: usize,
        limit: Duration,
    ) -> Result<Measured> {
        let records = self.sign(work)?;
        self.one_by_one(records, ack, clients, limit, |answer, ack| {
            let answer = answer?;
            ensure!(answer.ack() >= ack, "asked for {ack:?}, got {:?}", answer.ack());
            Ok(())
        })
        .await
    }

    /// Single-record Submit of records whose signature does not fit: everything that a record costs before anybody decides its place (TLS,
    /// HTTP/2, parsing, one verification), and nothing of what comes after. No cluster with this way in is faster.
    pub(crate) async fn refused(&mut self, clients: usize, work: usize, limit: Duration) -> Result<Measured> {
        let changed = |record: &Bytes| {
            let text = std::str::from_utf8(record)?;
            ensure!(text.contains(NOTE), "the note is not in the record");
            Ok(Bytes::from(text.replace(NOTE, &NOTE.replacen('a', "b", 1)).into_bytes()))
        };
        let records = self.sign(work)?.iter().map(changed).collect::<Result<Vec<Bytes>>>()?;
        self.one_by_one(Arc::new(records), Ack::Sequenced, clients, limit, |answer, _| {
            let refusal = answer.err().context("a changed record was taken")?;
            ensure!(refusal.message().starts_with("sig.value: "), "not for its signature: {refusal}");
            Ok(())
        })
        .await
    }

    async fn one_by_one(
        &self,
        records: Arc<Vec<Bytes>>,
        ack: Ack,
        clients: usize,
        limit: Duration,
        check: fn(Result<SubmitResponse, Status>, Ack) -> Result<()>,
    ) -> Result<Measured> {
        let channels = self.channels(clients).await?;
        let before = self.cpu();
        let mut measured = closed_loop(clients, records.len(), limit, |number| {
            let client = LedgerClient::new(channels[number % channels.len()].clone());
            let records = Arc::clone(&records);
            move |place| {
                let (mut client, record) = (client.clone(), records[place].clone());
                async move {
                    let timeout_ms = REQUEST_LIMIT_MS;
                    let request = SubmitRequest { log: "main".into(), record, ack: ack.into(), timeout_ms };
                    check(client.submit(request).await.map(tonic::Response::into_inner), ack)
                }
            }
        })
        .await?;
        measured.cpu_s = machine::since(before, self.cpu());
        Ok(measured)
    }

    /// SubmitBatch of [`BATCH_RECORDS`] to the leader; `requests` of the result are batches.
    pub(crate) async fn batch(
        &mut self,
        clients: usize,
        batches: usize,
        limit: Duration,
    ) -> Result<Measured> {
        let records = self.sign(batches * BATCH_RECORDS)?;
        let channels = self.channels(clients).await?;
        let before = self.cpu();
        let mut measured = closed_loop(clients, batches, limit, |number| {
            let client = LedgerClient::new(channels[number % channels.len()].clone());
            let records = Arc::clone(&records);
            move |place| {
                let mut client = client.clone();
                let records = records[place * BATCH_RECORDS..(place + 1) * BATCH_RECORDS].to_vec();
                async move {
                    let request = SubmitBatchRequest {
                        log: "main".into(),
                        records,
                        ack: Ack::Sequenced.into(),
                        timeout_ms: REQUEST_LIMIT_MS,
                    };
                    for result in client.submit_batch(request).await?.into_inner().results {
                        match result.result {
                            Some(Answer::Ok(_)) => {}
                            Some(Answer::Refused(refusal)) => bail!("{}: {}", refusal.code, refusal.message),
                            None => bail!("an empty result"),
                        }
                    }
                    Ok(())
                }
            }
        })
        .await?;
        measured.cpu_s = machine::since(before, self.cpu());
        Ok(measured)
    }

    /// From submitting to a published, witnessed checkpoint that covers the entry, while nobody waits for it: the
    /// tick alone publishes. Submits come at uneven times so that they meet every phase of the tick.
    pub(crate) async fn tick(&mut self, samples: usize) -> Result<Measured> {
        let url = format!("{}/checkpoint", self.devnet.manifest().log("main")?.url);
        let mut submitter = Submitter::connect(self.devnet.manifest(), "main")?;
        let records = self.sign(samples)?;
        let start = Instant::now();
        let mut latencies_us = Vec::with_capacity(samples);
        for (number, record) in records.iter().enumerate() {
            let sent = Instant::now();
            let answer = submitter.submit(record.to_vec(), Ack::Sequenced).await?;
            while published_size(&url)? <= answer.index {
                ensure!(
                    sent.elapsed() < Duration::from_secs(30),
                    "entry {} was never published",
                    answer.index
                );
                tokio::time::sleep(TICK_POLL).await;
            }
            latencies_us.push(u64::try_from(sent.elapsed().as_micros())?);
            tokio::time::sleep(Duration::from_millis((number as u64 * 389) % 997)).await;
        }
        latencies_us.sort_unstable();
        Ok(Measured { requests: samples, elapsed: start.elapsed(), latencies_us, cpu_s: [0.0; 4] })
    }

    /// Parses and verifies one witnessed proof many times, in this process; p50 in microseconds.
    pub(crate) async fn verify(&mut self) -> Result<f64> {
        let policy = fs::read_to_string(&self.devnet.manifest().policy)?;
        let policy = Policy::parse(&policy).context("the devnet's policy does not parse")?;
        let record = self.sign(1)?[0].to_vec();
        let mut submitter = Submitter::connect(self.devnet.manifest(), "main")?;
        let file = submitter.submit(record, Ack::Witnessed).await?.proof;
        let mut times = Vec::with_capacity(VERIFICATIONS);
        for _ in 0..VERIFICATIONS {
            let start = Instant::now();
            let proof = TlogProof::parse(&file).context("the proof does not parse")?;
            let entry = proof.extra.clone().context("the proof holds no entry")?;
            ledger_format::verify(&entry, &proof, &policy).context("the proof is not valid")?;
            times.push(u64::try_from(start.elapsed().as_nanos())?);
        }
        times.sort_unstable();
        Ok(percentile(&times, 50) as f64 / 1_000.0)
    }

    /// Kills the leader with SIGKILL under load and gives the time until the next acknowledged write; then brings
    /// the node back.
    pub(crate) async fn recover(&mut self) -> Result<Duration> {
        let leader = self.devnet.leader("main").await?;
        let mut manifest = self.devnet.manifest().clone();
        manifest.nodes.retain(|node| node.id != leader);
        let mut submitter = Submitter::connect(&manifest, "main")?;
        let records = self.sign(101)?;
        for record in &records[..100] {
            submitter.submit(record.to_vec(), Ack::Sequenced).await?;
        }
        let killed = Instant::now();
        self.devnet.kill(leader)?;
        submitter.submit(records[100].to_vec(), Ack::Sequenced).await?;
        let pause = killed.elapsed();
        self.devnet.restart(leader)?;
        self.leader = self.devnet.wait_for_leader("main", Duration::from_secs(30)).await?;
        Ok(pause)
    }

    /// Processor time used so far, in seconds: leader, the other nodes, witnesses, this program.
    pub(crate) fn cpu(&self) -> [f64; 4] {
        machine::cluster_cpu_seconds(self.devnet.manifest(), self.leader)
    }

    /// Largest resident memory of a node now, in MiB.
    pub(crate) fn memory_mib(&self) -> u64 {
        let nodes = &self.devnet.manifest().nodes;
        nodes.iter().filter_map(|node| machine::resident_kib(node.pid)).max().unwrap_or(0) / 1024
    }

    /// Entries in the main log.
    pub(crate) async fn size(&self) -> Result<u64> {
        let manifest = self.devnet.manifest();
        Ok(grpc::log_status(manifest, manifest.node(self.leader)?, "main").await?.size)
    }
}

fn published_size(url: &str) -> Result<u64> {
    let text = http::get(url, Duration::from_secs(5))?.text();
    text.lines().nth(1).and_then(|line| line.parse().ok()).with_context(|| format!("no checkpoint at {url}"))
}

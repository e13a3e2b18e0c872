//! The network between nodes: delays, losses, repetitions, cuts in one direction, all from the seed.
//!
//! A call is one request and one answer, each with its own fate. A stream keeps its order, as TCP does, and breaks where a
//! packet would be lost for good.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use ledger_log::{HostedLog, Kind, Member, PeerError, PeerStream, PeerTransport, with_seed};
use tokio::sync::{mpsc, watch};

use super::history::History;
use crate::dice::Dice;

/// Where a witness stands in the network; nodes have their ids.
pub(super) const WITNESSES_FROM: u64 = 100;
/// A connection that cannot be made is given up after this long.
const CONNECT: Duration = Duration::from_millis(50);
/// Requests on their way in one stream.
const STREAM_MAX: usize = 64;

/// How bad the network is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Least and most time that a packet takes, milliseconds.
    pub(super) delay_ms: (u64, u64),
    /// Packets lost, of a thousand.
    pub(super) lost: u64,
    /// Requests that arrive twice, of a thousand.
    pub(super) doubled: u64,
}

impl Weather {
    pub(super) const FAIR: Self = Self { delay_ms: (1, 3), lost: 0, doubled: 0 };
}

struct State {
    dice: Dice,
    weather: Weather,
    /// Ends behind a slow line: milliseconds more for each packet.
    slow: BTreeMap<u64, u64>,
    /// Cut directions.
    cut: BTreeSet<(u64, u64)>,
    /// Which life of each node lives: what an earlier one says is not heard.
    lives: BTreeMap<u64, u64>,
    /// Nodes that can be called.
    nodes: BTreeMap<u64, HostedLog>,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub(super) struct Network {
    state: Arc<Mutex<State>>,
    /// Tells when a life begins or ends.
    lives: watch::Sender<()>,
    history: History,
}

impl Network {
    pub(super) fn new(dice: Dice, history: &History) -> Self {
        let state = State {
            dice,
            weather: Weather::FAIR,
            slow: BTreeMap::new(),
            cut: BTreeSet::new(),
            lives: BTreeMap::new(),
            nodes: BTreeMap::new(),
        };
        let lives = watch::Sender::default();
        Self { state: Arc::new(Mutex::new(state)), lives, history: history.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    pub(super) fn cut(&self, from: u64, to: u64) {
        self.lock().cut.insert((from, to));
    }

    /// What goes to an end or comes from there takes longer from now on.
    pub(super) fn slow(&self, end: u64, by_ms: u64) {
        self.lock().slow.insert(end, by_ms);
    }

    /// All cuts are mended, all lines are fast, and the weather is fair.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.slow.clear();
        state.cut.clear();
        state.weather = Weather::FAIR;
    }

    /// A new life of a node begins: it may call, and nobody can call it yet.
    pub(super) fn begin(&self, id: u64, life: u64) {
        self.lock().lives.insert(id, life);
        self.lives.send_replace(());
    }

    pub(super) fn connect(&self, id: u64, log: HostedLog) {
        self.lock().nodes.insert(id, log);
    }

    pub(super) fn disconnect(&self, id: u64) {
        let mut state = self.lock();
        state.lives.remove(&id);
        state.nodes.remove(&id);
        drop(state);
        self.lives.send_replace(());
    }

    /// A seed for what happens because of one packet.
    fn seed(&self) -> u64 {
        self.lock().dice.bits()
    }

    /// How long the next packet takes; nothing when it is lost.
    pub(super) fn packet(&self, from: u64, to: u64) -> Option<Duration> {
        let mut state = self.lock();
        let Weather { delay_ms, lost, .. } = state.weather;
        let is_lost = state.dice.once_in(lost, 1_000);
        let slow = |end: u64| state.slow.get(&end).copied().unwrap_or(0);
        let slow = slow(from) + slow(to);
        let delay = slow + state.dice.between(delay_ms.0, delay_ms.1);
        (!is_lost && !state.cut.contains(&(from, to))).then(|| Duration::from_millis(delay))
    }

    fn is_doubled(&self) -> bool {
        let mut state = self.lock();
        let doubled = state.weather.doubled;
        state.dice.once_in(doubled, 1_000)
    }

    pub(super) fn running(&self, id: u64) -> Option<HostedLog> {
        self.lock().nodes.get(&id).cloned()
    }

    fn life(&self, id: u64) -> Option<u64> {
        self.lock().lives.get(&id).copied()
    }

    /// Whether this life of a node still lives.
    pub(super) fn lives(&self, id: u64, life: u64) -> bool {
        self.life(id) == Some(life)
    }
}

/// One node's way into the network.
pub(super) struct Port {
    pub(super) network: Network,
    pub(super) id: u64,
    pub(super) life: u64,
}

impl Port {
    fn is_dead(&self) -> bool {
        !self.network.lives(self.id, self.life)
    }
}

fn unreachable_peer() -> PeerError {
    PeerError::Unreachable("no way there".into())
}

impl PeerTransport for Port {
    fn call(
        &self,
        to: &Member,
        _: &str,
        kind: u32,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let (network, from, to, dead) = (self.network.clone(), self.id, to.id, self.is_dead());
        let call = async move {
            if dead {
                tokio::time::sleep(CONNECT).await;
                return Err(unreachable_peer());
            }
            let Some(there) = network.packet(from, to) else {
                tokio::time::sleep(timeout).await;
                return Err(PeerError::Timeout);
            };
            tokio::time::sleep(there).await;
            let Some(target) = network.running(to) else { return Err(unreachable_peer()) };
            network.history.note(&format!("{from}>{to} call {kind} {} bytes", body.len()));
            // Records arrive twice where somebody on the way repeats a request; Raft's own calls go over one connection.
            if kind == Kind::Forward as u32 && network.is_doubled() {
                let (again, body) = (target.clone(), body.clone());
                let seed = network.seed();
                tokio::spawn(with_seed(seed, async move { drop(again.peer_call(kind, body).await) }));
            }
            // Spawned: a caller that gives up does not stop the callee.
            let seed = network.seed();
            let answer = tokio::spawn(with_seed(seed, async move { target.peer_call(kind, body).await }));
            let answer = tokio::time::timeout(timeout, answer).await.map_err(|_| PeerError::Timeout)?;
            let answer = answer.map_err(|e| PeerError::Unreachable(e.to_string()))?;
            let Some(back) = network.packet(to, from) else {
                tokio::time::sleep(timeout).await;
                return Err(PeerError::Timeout);
            };
            tokio::time::sleep(back).await;
            answer
        };
        call.boxed()
    }

    fn append_stream(&self, to: &Member, _: &str) -> BoxFuture<'static, Result<PeerStream, PeerError>> {
        let (network, from, to, dead) = (self.network.clone(), (self.id, self.life), to.id, self.is_dead());
        let open = async move {
            let there = network.packet(from.0, to);
            tokio::time::sleep(there.unwrap_or(CONNECT)).await;
            let target = network.running(to).filter(|_| there.is_some() && !dead);
            let (Some(target), Some(life)) = (target, network.life(to)) else {
                return Err(unreachable_peer());
            };
            let (tx, requests) = mpsc::channel::<Bytes>(STREAM_MAX);
            let (inner, input) = mpsc::channel::<Bytes>(STREAM_MAX);
            let (answers, rx) = mpsc::channel(STREAM_MAX);
            let input = futures::stream::unfold(input, |mut input| async move {
                input.recv().await.map(|bytes| (bytes, input))
            });
            let seed = network.seed();
            let carry = Wire { network: network.clone(), from, to: (to, life) };
            tokio::spawn(carry.carry(requests, inner));
            let back = Wire { network, from: (to, life), to: from };
            tokio::spawn(with_seed(seed, async move {
                let output = target.peer_append(input.boxed());
                // Whoever listens keeps no dead node's files open.
                drop(target);
                back.answer(output, answers).await;
            }));
            Ok(PeerStream { tx, rx })
        };
        open.boxed()
    }
}

/// One direction of a stream, between two lives of two nodes.
struct Wire {
    network: Network,
    from: (u64, u64),
    to: (u64, u64),
}

impl Wire {
    /// Lets one packet through; false when the stream breaks there.
    async fn pass(&self, bytes: usize) -> bool {
        let Some(delay) = self.network.packet(self.from.0, self.to.0) else { return false };
        tokio::time::sleep(delay).await;
        let both = self.both_live();
        if both {
            self.network.history.note(&format!("{}>{} stream {bytes} bytes", self.from.0, self.to.0));
        }
        both
    }

    fn both_live(&self) -> bool {
        self.network.lives(self.from.0, self.from.1) && self.network.lives(self.to.0, self.to.1)
    }

    /// Waits until one of the two lives is over.
    async fn broken(&self) {
        let mut lives = self.network.lives.subscribe();
        while self.both_live() {
            if lives.changed().await.is_err() {
                return;
            }
        }
    }

    async fn carry(self, mut requests: mpsc::Receiver<Bytes>, inner: mpsc::Sender<Bytes>) {
        loop {
            let request = tokio::select! {
                request = requests.recv() => request,
                () = self.broken() => return,
            };
            let Some(request) = request else { return };
            if !self.pass(request.len()).await || inner.send(request).await.is_err() {
                return;
            }
        }
    }

    async fn answer(
        self,
        mut output: futures::stream::BoxStream<'static, Result<Bytes, PeerError>>,
        answers: mpsc::Sender<Result<Bytes, PeerError>>,
    ) {
        loop {
            let answer = tokio::select! {
                answer = output.next() => answer,
                () = self.broken() => return,
            };
            let Some(answer) = answer else { return };
            let bytes = answer.as_ref().map_or(0, Bytes::len);
            if !self.pass(bytes).await || answers.send(answer).await.is_err() {
                return;
            }
        }
    }
}

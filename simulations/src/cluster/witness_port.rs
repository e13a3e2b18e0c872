//! A node's way to the witnesses, and the moment at which a leader dies on it: witnesses have cosigned, nobody has published.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use ledger_log::{HttpAnswer, WitnessTransport};
use tokio::sync::Notify;

use super::{
    network::{Network, WITNESSES_FROM},
    witnesses::Witnesses,
};

#[derive(Default)]
struct Fate {
    armed: bool,
    /// Who dies, and what was cosigned.
    struck: Option<(u64, u64)>,
}

/// A leader's death between cosignatures and publication. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Doom {
    fate: Arc<Mutex<Fate>>,
    strikes: Arc<Notify>,
}

impl Doom {
    fn lock(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next leader whose checkpoint is cosigned dies before it hears of it.
    pub(super) fn arm(&self) {
        self.lock().armed = true;
    }

    /// Nobody dies any more.
    pub(super) fn disarm(&self) {
        *self.lock() = Fate::default();
    }

    /// A witness has answered node `id`; `witnessed`: the size that a quorum has now cosigned for it.
    fn look(&self, id: u64, witnessed: impl FnOnce() -> Option<u64>) {
        let mut fate = self.lock();
        if !fate.armed {
            return;
        }
        if let Some(size) = witnessed() {
            *fate = Fate { armed: false, struck: Some((id, size)) };
            self.strikes.notify_one();
        }
    }

    /// Waits for the moment: who is to die, and what was cosigned.
    pub(super) async fn strikes(&self) -> (u64, u64) {
        loop {
            if let Some(struck) = self.lock().struck.take() {
                return struck;
            }
            self.strikes.notified().await;
        }
    }
}

/// One node's way to the witnesses.
pub(super) struct WitnessPort {
    pub(super) witnesses: Witnesses,
    pub(super) network: Network,
    pub(super) id: u64,
    pub(super) life: u64,
}

impl WitnessPort {
    fn ask(
        &self,
        url: &str,
        timeout: Duration,
        what: impl FnOnce(Witnesses, usize) -> Result<HttpAnswer, String> + Send + 'static,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        let name = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let place = name.trim_start_matches('w').parse::<usize>().unwrap_or(1) - 1;
        let (witnesses, network, id) = (self.witnesses.clone(), self.network.clone(), self.id);
        let at = WITNESSES_FROM + place as u64;
        let lives = network.lives(id, self.life);
        let asked = async move {
            let lost = || async move {
                tokio::time::sleep(timeout).await;
                Err("timed out".to_owned())
            };
            let there = network.packet(id, at).filter(|_| lives);
            let Some(there) = there else { return lost().await };
            tokio::time::sleep(there).await;
            let answer = what(witnesses, place);
            let Some(back) = network.packet(at, id) else { return lost().await };
            tokio::time::sleep(back).await;
            match answer {
                Ok(answer) => Ok(answer),
                Err(_) => lost().await,
            }
        };
        asked.boxed()
    }
}

impl WitnessTransport for WitnessPort {
    fn add_checkpoint(
        &self,
        url: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        // The note has left its signer, whatever becomes of it on the way.
        if self.network.lives(self.id, self.life) {
            self.witnesses.seen.signed(self.id, &body);
        }
        let id = self.id;
        self.ask(url, timeout, move |witnesses, place| {
            let answer = witnesses.post(place, &body);
            witnesses.doom.look(id, || witnesses.is_witnessed(&body));
            answer
        })
    }

    fn get(&self, url: &str, timeout: Duration) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        let whole = url.to_owned();
        self.ask(url, timeout, move |witnesses, place| witnesses.read(place, &whole))
    }
}

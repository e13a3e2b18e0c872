//! Three witnesses: the product's own decision, signature and memory, behind a simulated network and with moods.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use ledger_format::{
    AddCheckpoint, Checkpoint, NoteSigner, SignatureType, origin_path,
    witness_wire::{encode_cosignature_lines, size_answer},
};
use ledger_log::HttpAnswer;
use ledger_witness::{
    Denial, Memory, Refusal, Signer, Witness,
    logs::{Log, LogSet},
    metrics::Metrics,
    persist,
};

use crate::dice::Dice;

use super::{
    clock::MachineClock,
    history::History,
    oracle::{Seen, is_witnessed},
    rot::flip_in,
    witness_port::Doom,
};

/// Bytes of one copy of a small frame of a witness's memory.
const COPY_BYTES: usize = 4096;
/// Entries that a lying witness says to have seen beyond what it is shown.
const FAR_AHEAD: u64 = 1_000_000;

/// How a witness behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// By the book.
    Honest,
    /// Does not answer.
    Silent,
    /// Answers with a line of another key.
    WrongKey,
    /// Answers with a line of its key over another text.
    WrongText,
    /// Remembers and signs, and its answer is lost.
    Drops,
    /// Says 409 with a size of long ago.
    Behind,
    /// Says 409 with a size that nobody ever showed it.
    Ahead,
}

struct One {
    name: String,
    seed: u8,
    dir: PathBuf,
    mood: Mood,
    clock: MachineClock,
    /// `None` while its power is off.
    core: Option<Witness>,
    /// Files of its memory in which something has rotted since it was up, as they were.
    rotten: Vec<(PathBuf, Vec<u8>)>,
}

/// All witnesses. Clones are the same ones.
#[derive(Clone)]
pub(super) struct Witnesses {
    all: Arc<Mutex<Vec<One>>>,
    log_vkey: String,
    history: History,
    /// Where it is written down what this cluster has signed.
    pub(super) seen: Seen,
    /// Where it is written down what is cosigned: of every cluster that there is.
    listeners: Arc<Mutex<Vec<Seen>>>,
    /// Of the cluster's leader.
    pub(super) doom: Doom,
}

impl Witnesses {
    pub(super) fn new(dir: &std::path::Path, log_vkey: String, history: &History, seen: &Seen) -> Self {
        let one = |number: u8| {
            let name = format!("w{number}");
            let dir = dir.join(&name);
            std::fs::create_dir_all(&dir).expect("the run's directory can be written");
            let clock = MachineClock::new(history);
            let one = One {
                name,
                seed: 20 + number,
                dir,
                mood: Mood::Honest,
                clock,
                core: None,
                rotten: Vec::new(),
            };
            persist::create(&one.dir, &one.signer().vkey().to_string()).expect("a new memory");
            one
        };
        let all = Arc::new(Mutex::new((1..=3).map(one).collect()));
        let (history, seen, doom) = (history.clone(), seen.clone(), Doom::default());
        let listeners = Arc::new(Mutex::new(vec![seen.clone()]));
        let witnesses = Self { all, log_vkey, history, seen, listeners, doom };
        (0..3).for_each(|place| witnesses.start(place));
        witnesses
    }

    /// The same witnesses, as a second cluster sees them.
    pub(super) fn of_twin(&self, seen: &Seen) -> Self {
        let known = self.seen.facts().cosigned.clone();
        seen.facts().cosigned = known;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
        Self { seen: seen.clone(), doom: Doom::default(), ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines of the policy: two of three.
    pub(super) fn policy(&self) -> String {
        let lines = self
            .lock()
            .iter()
            .map(|one| format!("witness {name} {} http://{name}\n", one.signer().vkey(), name = one.name))
            .collect::<String>();
        format!("{lines}group witnesses 2 w1 w2 w3\nquorum witnesses\n")
    }

    pub(super) fn set_mood(&self, place: usize, mood: Mood) {
        self.lock()[place].mood = mood;
    }

    pub(super) fn clock(&self, place: usize) -> MachineClock {
        self.lock()[place].clock.clone()
    }

    /// Power off: what it has not stored is gone.
    pub(super) fn stop(&self, place: usize) {
        self.lock()[place].core = None;
    }

    /// Power on, from what it has stored.
    pub(super) fn start(&self, place: usize) {
        let one = &mut self.lock()[place];
        if one.core.is_some() {
            return;
        }
        let metrics = Arc::new(Metrics::default());
        let signer = one.signer();
        let open =
            |metrics: &Arc<Metrics>| Memory::open(&one.dir, &signer.vkey().to_string(), metrics.clone());
        let rotten = std::mem::take(&mut one.rotten);
        let memory = match open(&metrics) {
            Err(_) if !rotten.is_empty() => {
                // As the manual says: it has signed nothing since.
                self.history
                    .tell(&format!("witness {} does not open; its memory is put back as it was", place + 1));
                rotten.iter().for_each(|(path, good)| std::fs::write(path, good).expect("it was read there"));
                open(&metrics)
            }
            Ok(memory) if !rotten.is_empty() => {
                let copies = metrics.memory_repaired.get();
                self.history.tell(&format!("witness {} opens; copies repaired: {copies}", place + 1));
                Ok(memory)
            }
            opened => opened,
        };
        let memory = memory.expect("a witness reads back what it has stored");
        let last_s = memory.all().iter().map(|known| known.time_s).max().unwrap_or(0);
        let clock = Arc::new(one.clock.clone());
        let log = Log::new(&self.log_vkey, None).expect("the log's key");
        let logs = LogSet::new([log]).expect("one log");
        let signer = Signer::new(signer, None, clock.clone(), last_s);
        let core = Witness::new(logs, memory, signer, clock, &one.dir, None, metrics);
        one.core = Some(core.expect("its directory can be written"));
    }

    /// Bits flip in the memory of a witness whose power is off: one, or the same one in both copies of the memory as it was when a
    /// file was begun. What has happened, if anything was there.
    pub(super) fn rot(&self, place: usize, both: bool, dice: &mut Dice) -> Result<Option<String>, String> {
        let one = &mut self.lock()[place];
        let name = if dice.once_in(1, 2) { "memory.a" } else { "memory.b" };
        let path = one.dir.join(name);
        let good = std::fs::read(&path).map_err(|e| e.to_string())?;
        let Some(end) = good.iter().rposition(|byte| *byte != 0).map(|at| at + 1) else { return Ok(None) };
        let mut bytes = good.clone();
        let is_twice = end > COPY_BYTES && good[..COPY_BYTES] == good[COPY_BYTES..2 * COPY_BYTES];
        let what = if both && is_twice {
            let (first, second) = bytes.split_at_mut(COPY_BYTES);
            // A copy is padded with zeros.
            let written = first.iter().rposition(|byte| *byte != 0).map_or(1, |at| at + 1);
            flip_in(&mut first[..written], dice);
            second[..COPY_BYTES].copy_from_slice(first);
            format!("a bit flips in both copies of the beginning of {name}")
        } else {
            flip_in(&mut bytes[..end], dice);
            format!("a bit flips in {name}")
        };
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        if !one.rotten.iter().any(|(known, _)| *known == path) {
            one.rotten.push((path, good));
        }
        Ok(Some(what))
    }

    /// All are up and honest.
    pub(super) fn heal(&self) {
        for place in 0..3 {
            self.set_mood(place, Mood::Honest);
            self.start(place);
        }
    }

    pub(super) fn post(&self, place: usize, body: &[u8]) -> Result<HttpAnswer, String> {
        let all = self.lock();
        let one = &all[place];
        let core = one.core.as_ref().ok_or("no answer")?;
        let request = AddCheckpoint::parse(body).map_err(|e| e.to_string())?;
        let checkpoint = Checkpoint::parse(request.note.text()).map_err(|e| e.to_string())?;
        match one.mood {
            Mood::Silent => return Err("no answer".into()),
            Mood::Behind => return Ok(answer(409, size_answer(0))),
            Mood::Ahead => return Ok(answer(409, size_answer(checkpoint.size + FAR_AHEAD))),
            _ => {}
        }
        let decided = wait(core.add_checkpoint(body));
        self.history.note(&format!("{} size {}: {}", one.name, checkpoint.size, said(&decided)));
        match decided {
            Err(denial) => Ok(denied(&denial)),
            Ok(lines) => {
                let stored = core.memory().latest(&checkpoint.origin).map_or(0, |latest| latest.size);
                for seen in &*self.listeners.lock().unwrap_or_else(PoisonError::into_inner) {
                    seen.cosigned(place, &checkpoint, stored);
                }
                let forged = |signer: NoteSigner, text: &str| {
                    encode_cosignature_lines(&[signer.cosign(text, super::history::BEGIN_MS / 1_000)])
                };
                match one.mood {
                    Mood::Drops => Err("the connection broke".into()),
                    Mood::WrongKey => {
                        let other = NoteSigner::new("nobody", SignatureType::CosignatureV1, [9; 32]);
                        Ok(answer(200, forged(other.expect("a name and a key"), request.note.text())))
                    }
                    Mood::WrongText => Ok(answer(200, forged(one.signer(), "another text\n"))),
                    _ => Ok(answer(200, lines)),
                }
            }
        }
    }

    /// Whether what a request asks for has been cosigned by a quorum.
    pub(super) fn is_witnessed(&self, body: &[u8]) -> Option<u64> {
        let request = AddCheckpoint::parse(body).ok()?;
        let Checkpoint { size, root, .. } = Checkpoint::parse(request.note.text()).ok()?;
        is_witnessed(&self.seen.facts(), size, root).then_some(size)
    }

    pub(super) fn read(&self, place: usize, url: &str) -> Result<HttpAnswer, String> {
        let all = self.lock();
        let one = &all[place];
        let core = one.core.as_ref().filter(|_| one.mood != Mood::Silent).ok_or("no answer")?;
        let known = core.memory().all().into_iter();
        let asked = known.into_iter().find(|known| url.contains(&origin_path(&known.origin)));
        Ok(asked.map_or_else(
            || answer(404, String::new()),
            |known| answer(200, String::from_utf8_lossy(&known.note).into_owned()),
        ))
    }
}

impl One {
    fn signer(&self) -> NoteSigner {
        NoteSigner::new(&self.name, SignatureType::CosignatureV1, [self.seed; 32]).expect("a name and a key")
    }
}

fn answer(status: u16, body: String) -> HttpAnswer {
    HttpAnswer { status, content_type: String::new(), body: body.into_bytes() }
}

fn said(decided: &Result<String, Denial>) -> String {
    decided.as_ref().map_or_else(ToString::to_string, |_| "cosigned".to_owned())
}

/// The answers of the specification: the product's HTTP layer is not part of the simulation.
fn denied(denial: &Denial) -> HttpAnswer {
    let status = match denial {
        Denial::Refused(Refusal::Conflict { latest }) => return answer(409, size_answer(*latest)),
        Denial::Refused(Refusal::Fork { .. } | Refusal::Proof(_) | Refusal::EmptyTreeRoot) => 422,
        Denial::Refused(Refusal::UnknownOrigin(_)) => 404,
        Denial::Refused(Refusal::NoTrustedSignature | Refusal::BadTrustedSignature(_)) => 403,
        Denial::Refused(_) => 400,
        Denial::Busy | Denial::Unverified(_) => 503,
        _ => 500,
    };
    answer(status, denial.to_string())
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits without letting simulated time go on: the memory's thread answers as soon as it has stored.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

//! A witness in memory that follows the status table of C2SP tlog-witness, and can be told to misbehave.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use ledger_format::{
    AddCheckpoint, Checkpoint, Hash, NoteSigner, SignatureType, origin_path, verify_consistency,
    witness_wire::{encode_cosignature_lines, size_answer},
};
use ledger_log::{HttpAnswer, WitnessTransport};

/// How a witness behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// By the book.
    #[default]
    Honest,
    /// Does not answer.
    Silent,
    /// Answers 200 with a line of another key.
    WrongKey,
    /// Answers 200 with a line of its key over another text.
    WrongText,
    /// Remembers, signs, and loses the answer.
    SignsThenDrops,
    /// Answers 422 always.
    Disagrees,
}

pub(crate) struct Witness {
    pub(crate) signer: NoteSigner,
    pub(crate) mood: Mood,
    /// The last cosigned note: size, root, text with signatures.
    pub(crate) last: Option<(u64, Hash, String)>,
    /// Every (size, root) it ever signed.
    pub(crate) signed: Vec<(u64, Hash)>,
}

/// All witnesses of a test, by URL.
#[derive(Default)]
pub(crate) struct Witnesses {
    pub(crate) by_url: Mutex<HashMap<String, Witness>>,
    time_s: AtomicU64,
}

impl Witnesses {
    pub(crate) fn add(&self, name: &str, seed: u8) -> String {
        let signer = NoteSigner::new(name, SignatureType::CosignatureV1, [seed; 32]).unwrap();
        let vkey = signer.vkey().to_string();
        let witness = Witness { signer, mood: Mood::Honest, last: None, signed: Vec::new() };
        self.by_url.lock().unwrap().insert(format!("http://{name}"), witness);
        vkey
    }

    pub(crate) fn set_mood(&self, name: &str, mood: Mood) {
        self.by_url.lock().unwrap().get_mut(&format!("http://{name}")).unwrap().mood = mood;
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<HttpAnswer, String> {
        let mut witnesses = self.by_url.lock().unwrap();
        let witness = witnesses.get_mut(url).ok_or("no such host")?;
        let request = AddCheckpoint::parse(body).map_err(|e| e.to_string())?;
        let checkpoint = Checkpoint::parse(request.note.text()).map_err(|e| e.to_string())?;
        let known = witness.last.as_ref().map_or(0, |(size, ..)| *size);
        match witness.mood {
            Mood::Silent => return Err("timed out".into()),
            Mood::Disagrees => return Ok(answer(422, "text/plain", b"proof does not verify\n".to_vec())),
            _ => {}
        }
        if request.old != known {
            return Ok(answer(409, "text/x.tlog.size", size_answer(known).into_bytes()));
        }
        if let Some((size, root, _)) = &witness.last {
            let consistent = if *size == checkpoint.size {
                *root == checkpoint.root
            } else {
                verify_consistency(*size, checkpoint.size, &request.proof, *root, checkpoint.root).is_ok()
            };
            if !consistent {
                return Ok(answer(422, "text/plain", Vec::new()));
            }
        }
        let time_s = 1_700_000_000 + self.time_s.fetch_add(1, Ordering::Relaxed);
        let line = match witness.mood {
            Mood::WrongKey => NoteSigner::new("nobody", SignatureType::CosignatureV1, [9; 32])
                .unwrap()
                .cosign(request.note.text(), time_s),
            Mood::WrongText => witness.signer.cosign("another text\n", time_s),
            _ => witness.signer.cosign(request.note.text(), time_s),
        };
        let mut note = request.note.clone();
        note.push(line.clone());
        witness.last = Some((checkpoint.size, checkpoint.root, note.to_string()));
        witness.signed.push((checkpoint.size, checkpoint.root));
        if witness.mood == Mood::SignsThenDrops {
            return Err("connection reset".into());
        }
        Ok(answer(200, "text/plain", encode_cosignature_lines(&[line]).into_bytes()))
    }

    fn read(&self, url: &str) -> Result<HttpAnswer, String> {
        let witnesses = self.by_url.lock().unwrap();
        let (base, witness) =
            witnesses.iter().find(|(base, _)| url.starts_with(base.as_str())).ok_or("no such host")?;
        if witness.mood == Mood::Silent {
            return Err("timed out".into());
        }
        let Some((_, _, note)) = &witness.last else { return Ok(answer(404, "", Vec::new())) };
        let origin = note.lines().next().unwrap_or_default();
        let expected = format!("{base}/{}/checkpoint", origin_path(origin));
        Ok(if url == expected {
            answer(200, "text/plain", note.clone().into_bytes())
        } else {
            answer(404, "", Vec::new())
        })
    }
}

fn answer(status: u16, content_type: &str, body: Vec<u8>) -> HttpAnswer {
    HttpAnswer { status, content_type: content_type.into(), body }
}

impl WitnessTransport for Witnesses {
    fn add_checkpoint(
        &self,
        url: &str,
        body: Vec<u8>,
        _: Duration,
    ) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        let result = self.post(url, &body);
        async move { result }.boxed()
    }

    fn get(&self, url: &str, _: Duration) -> BoxFuture<'static, Result<HttpAnswer, String>> {
        let result = self.read(url);
        async move { result }.boxed()
    }
}

//! What this node answers when another asks about payloads.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    PayloadFault, Subject,
    peers::{self, ErasureAt, refuse},
};
use crate::{bytes_codec::Writer, hosted::Core, options::PeerError, peer::Kind};

/// Payloads in one list.
const LIST_MAX: usize = 1_000;

impl Core {
    /// Answers one call about payloads. Reads and writes of files are not done on the tasks of consensus.
    pub(crate) async fn answer_payloads(
        self: &Arc<Self>,
        kind: Kind,
        body: Bytes,
    ) -> Result<Bytes, PeerError> {
        let core = self.clone();
        let answer = tokio::task::spawn_blocking(move || match kind {
            Kind::PayloadKeep => core.answer_keep(body),
            Kind::PayloadFetch => core.answer_fetch(body),
            Kind::PayloadList => core.answer_list(body),
            _ => core.answer_erasure(body),
        });
        answer.await.map_err(refuse)?
    }

    fn answer_keep(&self, body: Bytes) -> Result<Bytes, PeerError> {
        let (subject, payload) = peers::decode_payload(body).map_err(refuse)?;
        match self.keep_here(subject, &payload) {
            Ok(()) => Ok(Bytes::from_static(&[0])),
            Err(PayloadFault::SubjectErased) => Ok(Bytes::from_static(&[1])),
            Err(fault) => Err(refuse(fault)),
        }
    }

    fn answer_fetch(&self, body: Bytes) -> Result<Bytes, PeerError> {
        let place = peers::decode_place(body).map_err(refuse)?;
        if self.is_erased(place.subject).map_err(refuse)? {
            return Ok(Bytes::new());
        }
        let payload = self.payloads.open_payload(place.subject, place.commitment).map_err(refuse)?;
        Ok(payload.map(|payload| peers::encode_payload(place.subject, &payload)).unwrap_or_default())
    }

    fn answer_list(&self, body: Bytes) -> Result<Bytes, PeerError> {
        let after = match body.is_empty() {
            true => None,
            false => Some(peers::decode_place(body).map_err(refuse)?),
        };
        let mut w = Writer::default();
        for place in self.payloads.list(after, LIST_MAX).map_err(refuse)? {
            peers::write_place(&mut w, place);
        }
        Ok(w.finish())
    }

    fn answer_erasure(&self, body: Bytes) -> Result<Bytes, PeerError> {
        let subject = peers::decode_subject(body).map_err(refuse)?;
        let ErasureAt { applied, destroyed } = self.erasure_here(subject).map_err(refuse)?;
        Ok(vec![u8::from(applied), u8::from(destroyed)].into())
    }

    /// How far an erasure has come here. What is applied and not destroyed yet is destroyed now.
    pub(super) fn erasure_here(&self, subject: Subject) -> Result<ErasureAt, PayloadFault> {
        let applied = self.is_erased(subject)?;
        if applied {
            self.payloads.destroy(subject)?;
        }
        Ok(ErasureAt { applied, destroyed: self.payloads.has_nothing_of(subject) })
    }
}

//! What nodes ask one another about payloads. The peers' channel is encrypted and knows who is at its ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ledger_format::{
    payload::Payload,
    record::{Digest, DigestAlgorithm, Ulid},
};
use openraft::async_runtime::WatchReceiver as _;

use super::{PayloadFault, Subject, store::Place};
use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    hosted::Core,
    options::{Member, PeerError},
    peer::Kind,
};

/// How long a peer may take to keep or give one payload.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// What one node says about an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasureAt {
    /// It has applied the `erasure`.
    pub applied: bool,
    /// It has nothing of the subject: no key, no payload.
    pub destroyed: bool,
}

/// How far an erasure has come on one node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeErasure {
    /// Which node.
    pub member: Member,
    /// What it says; `None`: it did not answer.
    pub at: Option<ErasureAt>,
}

/// What a peer said to a payload that it was to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    /// Its log has erased the subject: this node is behind.
    Erased,
}

impl Core {
    /// All nodes of the cluster but this one.
    pub(super) fn other_members(&self) -> Vec<Member> {
        let metrics = self.raft.metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        let others = membership.nodes().filter(|(id, _)| **id != self.options.node_id);
        others.map(|(_, member)| member.clone()).collect()
    }

    async fn ask(&self, to: &Member, kind: Kind, body: Bytes) -> Result<Bytes, PeerError> {
        self.peers.call(to, &self.group, kind as u32, body, CALL_TIMEOUT).await
    }

    pub(super) async fn peer_keep(&self, to: &Member, body: Bytes) -> Result<Kept, PeerError> {
        let answer = self.ask(to, Kind::PayloadKeep, body).await?;
        match answer.first() {
            Some(0) => Ok(Kept::Yes),
            Some(1) => Ok(Kept::Erased),
            _ => Err(refuse("an answer that is none")),
        }
    }

    pub(super) async fn peer_payload(&self, to: &Member, place: Place) -> Result<Option<Payload>, PeerError> {
        let mut w = Writer::default();
        write_place(&mut w, place);
        let answer = self.ask(to, Kind::PayloadFetch, w.finish()).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let (subject, payload) = decode_payload(answer).map_err(refuse)?;
        // A peer's word is checked: what it gives must be what was asked for.
        let right = subject == place.subject && payload.commitment() == place.commitment;
        if right { Ok(Some(payload)) } else { Err(refuse("another payload than was asked for")) }
    }

    pub(super) async fn peer_list(&self, to: &Member, after: Option<Place>) -> Result<Vec<Place>, PeerError> {
        let mut w = Writer::default();
        if let Some(after) = after {
            write_place(&mut w, after);
        }
        let answer = self.ask(to, Kind::PayloadList, w.finish()).await?;
        let places = decode_places(answer).map_err(refuse)?;
        // In order, so that a list that begins anew for ever is not followed for ever.
        let ordered = places.is_sorted_by(|a, b| a < b) && places.first().is_none_or(|p| Some(*p) > after);
        if ordered { Ok(places) } else { Err(refuse("a list of payloads out of order")) }
    }

    async fn peer_erasure(&self, to: &Member, subject: Subject) -> Result<ErasureAt, PeerError> {
        let mut w = Writer::default();
        write_subject(&mut w, subject);
        let answer = self.ask(to, Kind::Erasure, w.finish()).await?;
        match answer[..] {
            [applied @ 0..=1, destroyed @ 0..=1] => {
                Ok(ErasureAt { applied: applied == 1, destroyed: destroyed == 1 })
            }
            _ => Err(refuse("an answer that is none")),
        }
    }

    /// How far an erasure has come on each node; all are asked at once.
    pub(super) async fn erasure_everywhere(
        self: &Arc<Self>,
        subject: Subject,
    ) -> Result<Vec<NodeErasure>, PayloadFault> {
        let own = self.clone();
        let here = tokio::task::spawn_blocking(move || own.erasure_here(subject));
        let others = self.other_members().into_iter().map(|member| async move {
            let at = self.peer_erasure(&member, subject).await.ok();
            NodeErasure { member, at }
        });
        let mut all = futures::future::join_all(others).await;
        let at = here.await.map_err(|e| PayloadFault::Disk(e.to_string()))??;
        let metrics = self.raft.metrics();
        let own = metrics.borrow_watched().membership_config.get_node(&self.options.node_id).cloned();
        all.extend(own.map(|member| NodeErasure { member, at: Some(at) }));
        all.sort_by_key(|node| node.member.id);
        Ok(all)
    }
}

pub(super) fn refuse(error: impl std::fmt::Display) -> PeerError {
    PeerError::Refused(error.to_string())
}

pub(super) fn encode_payload(subject: Subject, payload: &Payload) -> Bytes {
    let mut w = Writer::with_capacity(payload.value.len() + 512);
    write_subject(&mut w, subject);
    w.raw(&payload.salt).bytes(payload.media.as_bytes()).bytes(&payload.value);
    w.finish()
}

pub(super) fn decode_payload(body: Bytes) -> Result<(Subject, Payload), Malformed> {
    let mut r = Reader::new(body, "payload");
    let subject = read_subject(&mut r)?;
    let (salt, media, value) = (r.hash()?.0, r.string()?, r.bytes()?.to_vec());
    r.end()?;
    Ok((subject, Payload { salt, media, value }))
}

fn write_subject(w: &mut Writer, subject: Subject) {
    w.raw(&subject.tenant.to_bytes()).raw(&subject.name.bytes);
}

pub(super) fn decode_subject(body: Bytes) -> Result<Subject, Malformed> {
    let mut r = Reader::new(body, "subject of payloads");
    let subject = read_subject(&mut r)?;
    r.end()?;
    Ok(subject)
}

pub(super) fn decode_place(body: Bytes) -> Result<Place, Malformed> {
    let mut r = Reader::new(body, "place of a payload");
    let place = read_place(&mut r)?;
    r.end()?;
    Ok(place)
}

/// Places until the bytes end.
fn decode_places(body: Bytes) -> Result<Vec<Place>, Malformed> {
    let mut r = Reader::new(body, "list of payloads");
    let mut places = Vec::new();
    while r.left() > 0 {
        places.push(read_place(&mut r)?);
    }
    Ok(places)
}

fn read_subject(r: &mut Reader) -> Result<Subject, Malformed> {
    let fault = r.fault();
    let tenant = r.take(16)?;
    let tenant = Ulid::from_bytes(tenant[..].try_into().map_err(|_| fault)?);
    Ok(Subject { tenant, name: sha256(r)? })
}

fn sha256(r: &mut Reader) -> Result<Digest, Malformed> {
    Ok(Digest { algorithm: DigestAlgorithm::Sha256, bytes: r.hash()?.0 })
}

pub(super) fn write_place(w: &mut Writer, place: Place) {
    write_subject(w, place.subject);
    w.raw(&place.commitment.bytes);
}

fn read_place(r: &mut Reader) -> Result<Place, Malformed> {
    Ok(Place { subject: read_subject(r)?, commitment: sha256(r)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damaged::damage::{self, Dice};

    #[test]
    fn what_peers_say_reads_back_as_written() {
        let subject = Subject::new(Ulid(7), Digest::sha256(b"ada")).unwrap();
        let payload = Payload { salt: [3; 32], media: "text/plain".into(), value: b"well".to_vec() };
        let body = encode_payload(subject, &payload);
        let (read, opened) = decode_payload(body.clone()).unwrap();
        assert!(read == subject && opened == payload);
        assert!(decode_payload(body.slice(..body.len() - 1)).is_err());
        let place = Place { subject, commitment: payload.commitment() };
        let mut w = Writer::default();
        write_place(&mut w, place);
        let written = w.finish();
        assert_eq!(decode_place(written.clone()), Ok(place));
        assert!(decode_place([&written[..], &[0]].concat().into()).is_err(), "one spelling");
    }

    /// Whatever a peer sends: what is read has no other spelling, and the rest is refused.
    #[test]
    fn damaged_messages_are_read_as_they_are_or_refused() {
        let subject = Subject::new(Ulid(7), Digest::sha256(b"ada")).unwrap();
        let payload = Payload { salt: [3; 32], media: "text/plain".into(), value: b"well".to_vec() };
        let (good, mut dice) = (encode_payload(subject, &payload), Dice::seeded());
        let (mut w, mut read) = (Writer::default(), 0);
        (0..3).for_each(|_| write_place(&mut w, Place { subject, commitment: payload.commitment() }));
        let list = w.finish();
        for _ in 0..damage::cases(20_000) {
            let bytes = Bytes::from(dice.damage(&good));
            if let Ok((subject, payload)) = decode_payload(bytes.clone()) {
                assert_eq!(encode_payload(subject, &payload), bytes);
                read += 1;
            }
            let bytes = Bytes::from(dice.damage(&list));
            if let Ok(places) = decode_places(bytes.clone()) {
                places.iter().for_each(|place| write_place(&mut w, *place));
                assert_eq!(w.finish(), bytes);
            }
            let _ = (decode_place(bytes.slice(..bytes.len().min(96))), decode_subject(bytes));
        }
        assert!(read > 100, "only {read} were read");
    }
}

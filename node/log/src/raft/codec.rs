//! What Raft writes to disk and sends to peers, byte by byte.
//!
//! Every message begins with a format version. Integers are big-endian; options are a presence byte.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::{
    EntryPayload,
    entry::RaftEntry as _,
    raft::{
        AppendEntriesRequest, SnapshotResponse, StreamAppendError, TransferLeaderRequest, VoteRequest,
        VoteResponse,
    },
};

use super::types::{
    LeaderId, LogId, Membership, Proposal, RaftEntry, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};
use crate::{
    bytes_codec::{Malformed, Reader, Writer},
    options::Member,
};

/// Version of every message of this file.
const VERSION: u8 = 1;
/// Members of one cluster: far more than consensus can use, and a bound for the parser.
const MEMBERS_MAX: u32 = 1_000;
/// Raft entries in one append message.
const APPEND_ENTRIES_MAX: u32 = 65_536;

pub(crate) type AppendResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

fn put_log_id(w: &mut Writer, id: &LogId) {
    w.u64(id.leader_id.term).u64(id.leader_id.node_id).u64(id.index);
}

fn log_id(r: &mut Reader) -> Result<LogId, Malformed> {
    let leader_id = LeaderId { term: r.u64()?, node_id: r.u64()? };
    Ok(LogId { leader_id, index: r.u64()? })
}

fn put_opt_log_id(w: &mut Writer, id: &Option<LogId>) {
    w.u8(u8::from(id.is_some()));
    if let Some(id) = id {
        put_log_id(w, id);
    }
}

fn opt_log_id(r: &mut Reader) -> Result<Option<LogId>, Malformed> {
    match r.u8()? {
        0 => Ok(None),
        1 => log_id(r).map(Some),
        _ => Err(r.fault()),
    }
}

fn put_vote(w: &mut Writer, vote: &Vote) {
    w.u64(vote.leader_id.term).u64(vote.leader_id.node_id).u8(u8::from(vote.committed));
}

fn vote(r: &mut Reader) -> Result<Vote, Malformed> {
    let leader_id = LeaderId { term: r.u64()?, node_id: r.u64()? };
    let committed = flag(r)?;
    Ok(Vote { leader_id, committed })
}

fn flag(r: &mut Reader) -> Result<bool, Malformed> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.fault()),
    }
}

fn put_membership(w: &mut Writer, membership: &Membership) {
    let configs = membership.get_joint_config();
    w.u32(configs.len() as u32);
    for config in configs {
        w.u32(config.len() as u32);
        for id in config {
            w.u64(*id);
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    w.u32(nodes.len() as u32);
    for (id, member) in nodes {
        w.u64(*id).u64(member.id).bytes(member.peer.as_bytes()).bytes(member.api.as_bytes());
    }
}

fn count(r: &mut Reader, max: u32) -> Result<u32, Malformed> {
    let n = r.u32()?;
    if n > max { Err(r.fault()) } else { Ok(n) }
}

fn membership(r: &mut Reader) -> Result<Membership, Malformed> {
    let mut configs = Vec::new();
    for _ in 0..count(r, 2)? {
        let mut config = BTreeSet::new();
        for _ in 0..count(r, MEMBERS_MAX)? {
            let id = r.u64()?;
            // In order, each once: there is one spelling.
            if config.last().is_some_and(|last| *last >= id) {
                return Err(r.fault());
            }
            config.insert(id);
        }
        configs.push(config);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..count(r, MEMBERS_MAX)? {
        let id = r.u64()?;
        if nodes.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err(r.fault());
        }
        nodes.insert(id, Member { id: r.u64()?, peer: r.string()?, api: r.string()? });
    }
    Membership::new(configs, nodes).map_err(|_| r.fault())
}

fn put_stored_membership(w: &mut Writer, stored: &StoredMembership) {
    put_opt_log_id(w, stored.log_id());
    put_membership(w, stored.membership());
}

fn stored_membership(r: &mut Reader) -> Result<StoredMembership, Malformed> {
    let id = opt_log_id(r)?;
    Ok(StoredMembership::new(id, membership(r)?))
}

fn put_entry(w: &mut Writer, entry: &RaftEntry) {
    put_log_id(w, &entry.log_id());
    match &entry.payload {
        EntryPayload::Blank => {
            w.u8(0);
        }
        EntryPayload::Normal(proposal) => {
            w.u8(1).bytes(&proposal.0);
        }
        EntryPayload::Membership(members) => {
            w.u8(2);
            put_membership(w, members);
        }
    }
}

fn entry(r: &mut Reader) -> Result<RaftEntry, Malformed> {
    let id = log_id(r)?;
    let payload = match r.u8()? {
        0 => EntryPayload::Blank,
        1 => EntryPayload::Normal(Proposal(r.bytes()?)),
        2 => EntryPayload::Membership(membership(r)?),
        _ => return Err(r.fault()),
    };
    Ok(RaftEntry { log_id: id, payload })
}

fn writer(capacity: usize) -> Writer {
    let mut w = Writer::with_capacity(capacity);
    w.u8(VERSION);
    w
}

fn reader(bytes: Bytes, what: &'static str) -> Result<Reader, Malformed> {
    let mut r = Reader::new(bytes, what);
    r.version(VERSION)?;
    Ok(r)
}

macro_rules! codec {
    ($($(#[$doc:meta])* $encode:ident, $decode:ident: $type:ty = $what:literal, |$w:ident, $value:ident| $put:block, |$r:ident| $get:block;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $encode($value: &$type) -> Bytes {
                let mut $w = writer(64);
                $put
                $w.finish()
            }

            pub(crate) fn $decode(bytes: Bytes) -> Result<$type, Malformed> {
                let mut $r = reader(bytes, $what)?;
                let value: $type = $get;
                $r.end()?;
                Ok(value)
            }
        )*
    };
}

codec! {
    /// One raft_entry, as the Raft log stores it.
    encode_entry, decode_entry: RaftEntry = "raft entry", |w, v| { put_entry(&mut w, v); }, |r| { entry(&mut r)? };
    encode_vote, decode_vote: Vote = "vote", |w, v| { put_vote(&mut w, v); }, |r| { vote(&mut r)? };
    encode_log_id, decode_log_id: Option<LogId> = "raft log id", |w, v| { put_opt_log_id(&mut w, v); }, |r| { opt_log_id(&mut r)? };
    encode_membership, decode_membership: StoredMembership = "membership", |w, v| { put_stored_membership(&mut w, v); }, |r| { stored_membership(&mut r)? };
    encode_snapshot_meta, decode_snapshot_meta: SnapshotMeta = "raft snapshot meta",
        |w, v| { put_opt_log_id(&mut w, &v.last_log_id); put_stored_membership(&mut w, &v.last_membership); },
        |r| { SnapshotMeta { last_log_id: opt_log_id(&mut r)?, last_membership: stored_membership(&mut r)? } };
    encode_append, decode_append: AppendEntriesRequest<TypeConfig> = "append request",
        |w, v| {
            put_vote(&mut w, &v.vote);
            put_opt_log_id(&mut w, &v.prev_log_id);
            put_opt_log_id(&mut w, &v.leader_commit);
            w.u32(v.entries.len() as u32);
            for e in &v.entries {
                put_entry(&mut w, e);
            }
        },
        |r| {
            let vote = vote(&mut r)?;
            let prev_log_id = opt_log_id(&mut r)?;
            let leader_commit = opt_log_id(&mut r)?;
            let mut entries = Vec::new();
            for _ in 0..count(&mut r, APPEND_ENTRIES_MAX)? {
                entries.push(entry(&mut r)?);
            }
            AppendEntriesRequest { vote, prev_log_id, entries, leader_commit }
        };
    encode_append_result, decode_append_result: AppendResult = "append answer",
        |w, v| {
            match v {
                Ok(id) => { w.u8(0); put_opt_log_id(&mut w, id); }
                Err(StreamAppendError::Conflict(id)) => { w.u8(1); put_log_id(&mut w, id); }
                Err(StreamAppendError::HigherVote(vote)) => { w.u8(2); put_vote(&mut w, vote); }
            }
        },
        |r| {
            match r.u8()? {
                0 => Ok(opt_log_id(&mut r)?),
                1 => Err(StreamAppendError::Conflict(log_id(&mut r)?)),
                2 => Err(StreamAppendError::HigherVote(vote(&mut r)?)),
                _ => return Err(r.fault()),
            }
        };
    encode_vote_request, decode_vote_request: VoteRequest<TypeConfig> = "vote request",
        |w, v| { put_vote(&mut w, &v.vote); put_opt_log_id(&mut w, &v.last_log_id); w.u8(u8::from(v.leadership_transfer)); },
        |r| { VoteRequest { vote: vote(&mut r)?, last_log_id: opt_log_id(&mut r)?, leadership_transfer: flag(&mut r)? } };
    encode_vote_response, decode_vote_response: VoteResponse<TypeConfig> = "vote answer",
        |w, v| { put_vote(&mut w, &v.vote); put_opt_log_id(&mut w, &v.last_log_id); w.u8(u8::from(v.vote_granted)); },
        |r| { VoteResponse { vote: vote(&mut r)?, last_log_id: opt_log_id(&mut r)?, vote_granted: flag(&mut r)? } };
    encode_transfer, decode_transfer: TransferLeaderRequest<TypeConfig> = "leadership transfer",
        |w, v| { put_vote(&mut w, v.from_leader()); w.u64(*v.to_node_id()); put_opt_log_id(&mut w, &v.last_log_id().copied()); },
        |r| { TransferLeaderRequest::new(vote(&mut r)?, r.u64()?, opt_log_id(&mut r)?) };
    encode_snapshot_response, decode_snapshot_response: SnapshotResponse<TypeConfig> = "snapshot answer",
        |w, v| { put_vote(&mut w, &v.vote); },
        |r| { SnapshotResponse::new(vote(&mut r)?) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damaged::damage::{self, Dice};

    fn id(term: u64, node_id: u64, index: u64) -> LogId {
        LogId { leader_id: LeaderId { term, node_id }, index }
    }

    fn members() -> Membership {
        let member = |id| Member { id, peer: format!("127.0.0.1:{id}"), api: format!("https://n{id}") };
        let config = BTreeSet::from([1, 2]);
        Membership::new(vec![config], BTreeMap::from([(1, member(1)), (2, member(2)), (3, member(3))]))
            .unwrap()
    }

    #[test]
    fn every_entry_kind_reads_back_as_written() {
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Normal(Proposal(Bytes::from_static(b"x"))),
            EntryPayload::Membership(members()),
        ] {
            let entry = RaftEntry { log_id: id(3, 2, 9), payload };
            assert_eq!(decode_entry(encode_entry(&entry)).unwrap(), entry);
        }
    }

    #[test]
    fn an_append_request_reads_back_as_written() {
        let entries = vec![RaftEntry { log_id: id(1, 1, 4), payload: EntryPayload::Blank }];
        let request = AppendEntriesRequest {
            vote: Vote { leader_id: LeaderId { term: 1, node_id: 1 }, committed: true },
            prev_log_id: Some(id(1, 1, 3)),
            entries,
            leader_commit: None,
        };
        let back = decode_append(encode_append(&request)).unwrap();
        assert_eq!(
            (back.vote, back.prev_log_id, back.leader_commit),
            (request.vote, request.prev_log_id, None)
        );
        assert_eq!(back.entries, request.entries);
    }

    #[test]
    fn truncated_trailing_and_foreign_bytes_are_refused() {
        let good = encode_vote(&Vote { leader_id: LeaderId { term: 7, node_id: 1 }, committed: true });
        for len in 0..good.len() {
            assert!(decode_vote(good.slice(..len)).is_err(), "length {len}");
        }
        let mut longer = good.to_vec();
        longer.push(0);
        assert!(decode_vote(longer.into()).is_err());
        let mut newer = good.to_vec();
        newer[0] = 2;
        let refused = decode_vote(newer.into()).unwrap_err().to_string();
        assert!(refused.contains("vote of version 2") && refused.ends_with("upgrade this node"), "{refused}");
        let mut flag = good.to_vec();
        *flag.last_mut().unwrap() = 2;
        assert!(decode_vote(flag.into()).is_err());
    }

    /// What a peer sends or a disk holds: what is read has no other spelling, and the rest is refused.
    #[test]
    fn damaged_messages_are_read_as_they_are_or_refused() {
        let vote = Vote { leader_id: LeaderId { term: 7, node_id: 1 }, committed: true };
        let entries = [
            EntryPayload::Blank,
            EntryPayload::Normal(Proposal(Bytes::from_static(b"x"))),
            EntryPayload::Membership(members()),
        ];
        let entries: Vec<_> =
            (4..).zip(entries).map(|(at, payload)| RaftEntry { log_id: id(1, 1, at), payload }).collect();
        let append = AppendEntriesRequest {
            vote,
            prev_log_id: Some(id(1, 1, 3)),
            leader_commit: None,
            entries: entries.clone(),
        };
        let meta = SnapshotMeta {
            last_log_id: Some(id(1, 1, 6)),
            last_membership: StoredMembership::new(Some(id(1, 1, 6)), members()),
        };
        let request = VoteRequest { vote, last_log_id: None, leadership_transfer: false };
        let mut dice = Dice::seeded();
        macro_rules! try_all {
            ($($value:expr, $encode:ident, $decode:ident;)*) => {$({
                let (good, mut read) = ($encode(&$value), 0);
                for _ in 0..damage::cases(5_000) {
                    let bytes = Bytes::from(dice.damage(&good));
                    if let Ok(value) = $decode(bytes.clone()) {
                        assert_eq!($encode(&value), bytes, "{}", stringify!($decode));
                        read += 1;
                    }
                }
                assert!(read > 10, "{} read only {read}", stringify!($decode));
            })*};
        }
        try_all! {
            entries[0], encode_entry, decode_entry;
            entries[1], encode_entry, decode_entry;
            entries[2], encode_entry, decode_entry;
            vote, encode_vote, decode_vote;
            Some(id(1, 2, 3)), encode_log_id, decode_log_id;
            meta.last_membership, encode_membership, decode_membership;
            meta, encode_snapshot_meta, decode_snapshot_meta;
            append, encode_append, decode_append;
            Err(StreamAppendError::Conflict(id(4, 5, 6))), encode_append_result, decode_append_result;
            request, encode_vote_request, decode_vote_request;
            TransferLeaderRequest::new(vote, 2, None), encode_transfer, decode_transfer;
            SnapshotResponse::new(vote), encode_snapshot_response, decode_snapshot_response;
        }
    }

    #[test]
    fn an_append_result_reads_back_as_written() {
        let vote = Vote { leader_id: LeaderId { term: 7, node_id: 1 }, committed: false };
        for result in [
            Ok(None),
            Ok(Some(id(1, 2, 3))),
            Err(StreamAppendError::Conflict(id(4, 5, 6))),
            Err(StreamAppendError::HigherVote(vote)),
        ] {
            assert_eq!(decode_append_result(encode_append_result(&result)).unwrap(), result);
        }
    }
}

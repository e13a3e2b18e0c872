//! `Seal`: folds subjects that wait into the map and logs the new root.

use ledger_format::record::Entry;

use super::fold::fold;
use super::{MAP_VERSIONS_KEPT, MapVersion, SEAL_SUBJECTS_MAX, newest};
use crate::applied::{Alarm, Outcome};
use crate::batch::Batch;
use crate::keys;
use crate::overlay::Raw;
use crate::scores::Number;
use crate::subject::Subject;
use crate::values::Genesis;
use crate::view::View;

impl<V: View + ?Sized> Batch<'_, V> {
    /// Folds the subjects that have waited longest, with their status as it is now, and appends the `state.root` entry. Nothing
    /// when none waits: then nothing may change, because a replay sees entries only.
    pub(crate) fn seal(&mut self) -> Result<Outcome, Alarm> {
        let newest = newest(self.view())?;
        let from = keys::dirty_queue_from(newest.as_ref().map_or(0, |newest| newest.as_of_size));
        if self.next_key(&from, keys::DIRTY_QUEUE_END).is_none() {
            return Ok(Outcome::Done);
        }
        // As with every entry, what the log's time has ended comes first.
        self.end_sessions_due()?;
        let statuses = self.take_waiting(&from)?;
        let version = newest.map_or(0, |newest| newest.version) + 1;
        let folded = fold(self.view(), version, statuses)?;
        for (key, value) in folded.writes {
            match value {
                Some(bytes) => self.put(key, Raw(bytes)),
                None => self.delete(key),
            }
        }
        let index = self.next_index();
        let waiting = self.next_key(&from, keys::DIRTY_QUEUE_END);
        let as_of_size = waiting.and_then(|key| keys::dirty_since(&key)).unwrap_or(index);
        let genesis = self.get::<Genesis>(keys::GENESIS.to_vec())?;
        let trust_alg = genesis.map(|genesis| genesis.trust_algorithm.clone()).unwrap_or_default();
        let log_ms = self.service.log_ms;
        let map = MapVersion { version, root: folded.root.0, as_of_size, index, log_ms, trust_alg };
        let entry = Entry::encode(log_ms, &map.state_root().to_bytes());
        self.put(keys::map_version(version), map);
        self.put(keys::MAP_NEWEST.to_vec(), Number { value: version });
        let leaf = self.push_entry(entry);
        Ok(Outcome::Sequenced { index, leaf, log_ms, duplicate: false })
    }

    /// Takes subjects out of the queue, the oldest first, with their statuses.
    fn take_waiting(&mut self, from: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Alarm> {
        let mut statuses = Vec::new();
        let mut from = from.to_vec();
        while statuses.len() < SEAL_SUBJECTS_MAX {
            let Some(place) = self.next_key(&from, keys::DIRTY_QUEUE_END) else { break };
            let corrupt =
                |reason: &str| Alarm::CorruptState { key: place.clone(), reason: reason.to_owned() };
            let name = keys::dirty_subject(&place).ok_or_else(|| corrupt("not a subject that waits"))?;
            let subject = Subject::parse(&name).ok_or_else(|| corrupt("not the name of a subject"))?;
            let status = self.status_json(subject)?;
            statuses
                .push((name.clone(), status.ok_or_else(|| corrupt("a subject that waits has no status"))?));
            self.delete(keys::dirty(&name));
            self.delete(place.clone());
            from = place;
        }
        Ok(statuses)
    }
}

const _: () = assert!(MAP_VERSIONS_KEPT > 0, "a proof is asked for under an older checkpoint");

//! `SealStep`: folds subjects that wait into the map and logs the new root.

use ledger_format::record::{SEAL_SUBJECTS_MAX, SealStep};

use super::fold::fold;
use super::{MAP_VERSIONS_KEPT, MapVersion, newest};
use crate::applied::{Alarm, Outcome};
use crate::batch::Batch;
use crate::keys;
use crate::scores::Number;
use crate::subject::Subject;
use crate::values::Genesis;
use crate::view::View;

impl<V: View + ?Sized> Batch<'_, V> {
    /// Folds the subjects of a step, those first that have waited longest, with their status as it is now, and appends the
    /// `state.root` entry. Nothing when none of them waits: then nothing may change, because a replay sees entries only. Without a
    /// step, as earlier software did.
    pub(crate) fn seal(&mut self, step: Option<SealStep>) -> Result<Outcome, Alarm> {
        let newest = newest(self.view())?;
        // Below it nothing waits.
        let complete = newest.as_ref().map_or(0, |newest| newest.as_of_size);
        let oldest = keys::dirty_queue_from(complete);
        let from = keys::dirty_queue_from(step.map_or(0, |step| step.from).max(complete));
        if self.next_key(&from, keys::DIRTY_QUEUE_END).is_none() {
            return Ok(Outcome::Done);
        }
        // As with every entry, what the log's time has ended comes first.
        self.end_sessions_due()?;
        let statuses = self.take_waiting(&from, step.map_or(SEAL_SUBJECTS_MAX, |step| step.subjects))?;
        let step = step.map(|step| SealStep { subjects: statuses.len() as u64, ..step });
        let version = newest.map_or(0, |newest| newest.version) + 1;
        let log_ms = self.service.log_ms;
        let folded = fold(self.view(), version, log_ms, statuses)?;
        // Nothing reads the map's own keys before the next command.
        self.direct = folded.writes;
        let index = self.next_index();
        let waiting = self.next_key(&oldest, keys::DIRTY_QUEUE_END);
        let as_of_size = waiting.and_then(|key| keys::dirty_since(&key)).unwrap_or(index);
        let genesis = self.get::<Genesis>(keys::GENESIS.to_vec())?;
        let trust_alg = genesis.map(|genesis| genesis.trust_algorithm.clone()).unwrap_or_default();
        let map = MapVersion { version, root: folded.root.0, as_of_size, index, log_ms, trust_alg };
        let entry = map.entry(step);
        self.put(keys::map_version(version), map);
        self.put(keys::MAP_NEWEST.to_vec(), Number { value: version });
        let leaf = self.push_entry(entry);
        Ok(Outcome::Sequenced { index, leaf, log_ms, duplicate: false })
    }

    /// Takes subjects out of the queue, the oldest first, with their statuses.
    fn take_waiting(&mut self, from: &[u8], subjects: u64) -> Result<Vec<(String, Vec<u8>)>, Alarm> {
        let mut statuses = Vec::new();
        let mut from = from.to_vec();
        while (statuses.len() as u64) < subjects {
            let Some(place) = self.next_key(&from, keys::DIRTY_QUEUE_END) else { break };
            let corrupt =
                |reason: &str| Alarm::CorruptState { key: place.clone(), reason: reason.to_owned() };
            let name = keys::dirty_subject(&place).ok_or_else(|| corrupt("not a subject that waits"))?;
            let subject = Subject::parse(&name).ok_or_else(|| corrupt("not the name of a subject"))?;
            let status = self.status_json(subject)?;
            statuses
                .push((name.clone(), status.ok_or_else(|| corrupt("a subject that waits has no status"))?));
            for since in self.waits_since(&name)? {
                self.delete(keys::dirty_queue(since, &name));
            }
            self.delete(keys::dirty(&name));
            from = keys::behind(&place);
        }
        Ok(statuses)
    }
}

const _: () = assert!(MAP_VERSIONS_KEPT > 0, "a proof is asked for under an older checkpoint");

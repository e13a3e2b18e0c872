//! Values of the small state in memory, in front of the engine, and the steps of walks that every decision makes.
//!
//! Nobody waits here for the disk: a reader that misses reads the engine without a lock, and what it found is kept only if nothing
//! was committed meanwhile.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ledger_state::keys;

/// Values that are kept, without those of the status map.
const VALUES_MAX: usize = 65_536;
/// Values of the status map that are kept. Folding a change writes many that are seldom read: they push out nothing else.
const MAP_VALUES_MAX: usize = 16_384;
/// Private values that are kept: those that are short and were asked for, such as API keys. Nothing is gained by hiding them from memory, where
/// the engine has its blocks.
const PRIVATE_VALUES_MAX: usize = 4_096;
/// Longest private value that is kept, in bytes.
const PRIVATE_BYTES_MAX: usize = 1_024;
/// Steps that are kept.
const STEPS_MAX: usize = 16_384;

/// A value, `None` where there is none.
type Value = Option<Vec<u8>>;

/// What is kept of the committed state.
pub(super) struct StateCache(Mutex<Kept>);

struct Kept {
    /// Commits so far; in between, nothing that was read grows old.
    commits: u64,
    values: Generations<Vec<u8>, Value>,
    map_values: Generations<Vec<u8>, Value>,
    private_values: Generations<Vec<u8>, Value>,
    /// The first key of a range, by [`range`].
    steps: Generations<Vec<u8>, Value>,
}

/// What a reader has to show for what it has read from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Default for StateCache {
    fn default() -> Self {
        Self(Mutex::new(Kept {
            commits: 0,
            values: Generations::new(VALUES_MAX),
            map_values: Generations::new(MAP_VALUES_MAX),
            private_values: Generations::new(PRIVATE_VALUES_MAX),
            steps: Generations::new(STEPS_MAX),
        }))
    }
}

impl Kept {
    /// Where a value is kept; `None`: nowhere, because there are too many of its kind or walks alone find it.
    fn shelf(&mut self, key: &[u8]) -> Option<&mut Generations<Vec<u8>, Value>> {
        if keys::is_per_record(key) || keys::is_mark(key) {
            None
        } else if keys::is_private(key) {
            Some(&mut self.private_values)
        } else if keys::is_of_map(key) {
            Some(&mut self.map_values)
        } else {
            Some(&mut self.values)
        }
    }

    /// A value that was committed.
    fn take_over(&mut self, key: Vec<u8>, value: Value) {
        if keys::is_private(&key) {
            // Most private values are written once and read seldom.
            return self.private_values.forget(&key);
        }
        // A walk goes on as before where a value took another's place.
        let is_there = |kept: &mut Self| matches!(kept.values.get(&key), Some(Some(_)));
        if keys::is_walked(&key) && !(value.is_some() && is_there(self)) {
            self.steps.clear();
        }
        if let Some(shelf) = self.shelf(&key) {
            shelf.put(key, value);
        }
    }
}

impl StateCache {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value under a key, or the moment at which it is not known.
    pub(super) fn value(&self, key: &[u8]) -> Result<Value, Moment> {
        let mut kept = self.lock();
        let moment = Moment(kept.commits);
        kept.shelf(key).and_then(|shelf| shelf.get(key)).ok_or(moment)
    }

    /// Keeps what was read since a moment, unless it may be old.
    pub(super) fn keep_value(&self, since: Moment, key: &[u8], value: &Value) {
        let too_long = |value: &Value| value.as_ref().is_none_or(|value| value.len() > PRIVATE_BYTES_MAX);
        if keys::is_private(key) && too_long(value) {
            return;
        }
        let mut kept = self.lock();
        if since != Moment(kept.commits) {
            return;
        }
        if let Some(shelf) = kept.shelf(key) {
            shelf.put(key.to_vec(), value.clone());
        }
    }

    /// The first key with a value, `from <= key < to`; see [`StateCache::value`].
    pub(super) fn step(&self, from: &[u8], to: &[u8]) -> Result<Value, Moment> {
        let mut kept = self.lock();
        let moment = Moment(kept.commits);
        kept.steps.get(range(from, to).as_slice()).ok_or(moment)
    }

    /// See [`StateCache::keep_value`].
    pub(super) fn keep_step(&self, since: Moment, from: &[u8], to: &[u8], found: &Value) {
        let mut kept = self.lock();
        if since == Moment(kept.commits) {
            kept.steps.put(range(from, to), found.clone());
        }
    }

    /// Takes over what the engine has committed of the state; what there is for each record is not kept here.
    pub(super) fn committed(&self, changes: impl IntoIterator<Item = (Vec<u8>, Value)>) {
        let mut kept = self.lock();
        kept.commits += 1;
        for (key, value) in changes {
            kept.take_over(key, value);
        }
    }

    /// Forgets everything: the state was replaced.
    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        kept.commits += 1;
        kept.values.clear();
        kept.map_values.clear();
        kept.private_values.clear();
        kept.steps.clear();
    }
}

/// A range as one key.
fn range(from: &[u8], to: &[u8]) -> Vec<u8> {
    [&(from.len() as u64).to_be_bytes(), from, to].concat()
}

/// A bounded map that forgets what was not asked for lately: half of it at a time.
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        // What `old` has under the key is hidden from now on, and gone with the rest of it.
        self.young.insert(key, value);
    }

    fn forget<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Value {
        Some(text.as_bytes().to_vec())
    }

    #[test]
    fn what_was_read_before_a_commit_is_not_kept() {
        let cache = StateCache::default();
        let before = cache.value(b"a1").unwrap_err();
        cache.committed([(b"a1".to_vec(), some("new"))]);
        cache.keep_value(before, b"a1", &some("old"));
        assert_eq!(cache.value(b"a1"), Ok(some("new")));
        let after = cache.value(b"a2").unwrap_err();
        cache.keep_value(after, b"a2", &None);
        assert_eq!(cache.value(b"a2"), Ok(None));
        cache.clear();
        cache.keep_value(after, b"a1", &some("of another state"));
        assert!(cache.value(b"a1").is_err() && cache.value(b"a2").is_err());
    }

    #[test]
    fn a_walk_is_walked_again_when_a_key_comes_or_goes() {
        let cache = StateCache::default();
        let walk = |cache: &StateCache| cache.step(b"P", b"Q");
        let keep = |cache: &StateCache, found: &str| {
            let since = walk(cache).unwrap_err();
            cache.keep_step(since, b"P", b"Q", &some(found));
            assert_eq!(walk(cache), Ok(some(found)));
        };
        let commit = |cache: &StateCache, key: &str, value: Value| {
            cache.committed([(key.as_bytes().to_vec(), value)]);
        };
        keep(&cache, "P2");
        commit(&cache, "P1", some("a policy"));
        keep(&cache, "P1");
        commit(&cache, "P1", some("its next version"));
        commit(&cache, "a1", some("an agent"));
        assert_eq!(walk(&cache), Ok(some("P1")), "no key came or went");
        let since = cache.step(b"P1", b"Q").unwrap_err();
        commit(&cache, "P1", None);
        assert!(walk(&cache).is_err());
        cache.keep_step(since, b"P1", b"Q", &some("P1"));
        assert!(cache.step(b"P1", b"Q").is_err(), "it was read before the commit");
    }

    #[test]
    fn short_private_values_stay_until_they_change() {
        let cache = StateCache::default();
        let read = |key: &[u8], value: &Value| {
            let since = cache.value(key).unwrap_err();
            cache.keep_value(since, key, value);
            cache.value(key).ok()
        };
        let long = Some(vec![7; PRIVATE_BYTES_MAX + 1]);
        assert_eq!(read(b"zlong", &long), None);
        assert_eq!(read(b"znone", &None), None, "nothing is remembered of what is not there");
        assert_eq!(read(b"zkey", &some("a key")), Some(some("a key")));
        cache.committed([(b"zkey".to_vec(), some("revoked"))]);
        assert!(cache.value(b"zkey").is_err());
        assert_eq!(read(b"eqtime", &some("")), None, "walks find it");
    }

    #[test]
    fn what_is_asked_for_stays() {
        let mut map = Generations::new(8);
        map.put(0, "asked for");
        for key in 1..100 {
            assert_eq!(map.get(&0), Some("asked for"));
            map.put(key, "not");
            assert!(map.young.len() + map.old.len() <= 8);
        }
        assert_eq!(map.get(&1), None);
        map.put(0, "again");
        for key in 100..103 {
            map.put(key, "not");
        }
        assert_eq!(map.get(&0), Some("again"));
    }
}

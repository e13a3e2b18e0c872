//! The engine suite, and a model that random histories are compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::StoreError;
use crate::engine::{Batch, Engine, KEY_BYTES_MAX, Pair, Space, VALUE_BYTES_MAX};

/// Runs the suite. `open` opens the same directory each time; it is called again only after the engine it gave before
/// was dropped. `persists` is false for an engine that forgets.
pub fn check_engine(persists: bool, open: &mut dyn FnMut() -> Arc<dyn Engine>) {
    let engine = open();
    reads_what_was_written(&*engine);
    spaces_are_apart(&*engine);
    scans_in_order(&*engine);
    the_last_change_wins(&*engine);
    odd_sizes_are_kept_or_refused(&*engine);
    clears_one_space(&*engine);
    what_is_frozen_stays_as_it_was(&*engine);
    assert!(!engine.name().is_empty());
    if persists {
        survives_reopening(engine, open);
    }
}

fn reads_what_was_written(engine: &dyn Engine) {
    assert_eq!(get(engine, Space::State, b"a"), None);
    engine.commit(Batch::new()).expect("an empty batch is fine");
    put(engine, Space::State, b"a", b"1");
    assert_eq!(get(engine, Space::State, b"a").as_deref(), Some(&b"1"[..]));
    put(engine, Space::State, b"a", b"");
    assert_eq!(get(engine, Space::State, b"a").as_deref(), Some(&b""[..]), "an empty value is a value");
    delete(engine, Space::State, b"a");
    delete(engine, Space::State, b"a");
    assert_eq!(get(engine, Space::State, b"a"), None);
    engine.sync().expect("sync");
}

fn spaces_are_apart(engine: &dyn Engine) {
    for space in Space::ALL {
        put(engine, space, b"same", format!("{space:?}").as_bytes());
    }
    for space in Space::ALL {
        assert_eq!(get(engine, space, b"same"), Some(format!("{space:?}").into_bytes()));
        assert_eq!(scan(engine, space, b"", None, 10).len(), 1, "{space:?}");
    }
    let mut batch = Batch::new();
    for space in Space::ALL {
        batch.delete(space, *b"same");
    }
    assert_eq!((batch.len(), batch.bytes()), (3, 12));
    engine.commit(batch).expect("commit");
    for space in Space::ALL {
        assert_eq!(get(engine, space, b"same"), None);
    }
}

fn scans_in_order(engine: &dyn Engine) {
    let keys: [&[u8]; 7] = [b"\0", b"\0\0", b"a", b"a\0", b"a\xff", b"b", b"\xff\xff"];
    for key in keys.iter().rev() {
        put(engine, Space::Index, key, key);
    }
    let all: Vec<Pair> = keys.iter().map(|key| (key.to_vec(), key.to_vec())).collect();
    for from in 0..keys.len() {
        assert_eq!(scan(engine, Space::Index, keys[from], None, usize::MAX), all[from..]);
        for to in 0..keys.len() {
            let want = if from < to { &all[from..to] } else { &[] };
            assert_eq!(
                scan(engine, Space::Index, keys[from], Some(keys[to]), usize::MAX),
                want,
                "{from}..{to}"
            );
        }
        assert_eq!(scan(engine, Space::Index, keys[from], None, 2), all[from..keys.len().min(from + 2)]);
    }
    assert_eq!(scan(engine, Space::Index, b"a", Some(b"b"), 0), []);
    assert_eq!(scan(engine, Space::Index, b"a\0\0", Some(b"c"), 9), all[4..6], "bounds need not be keys");
}

fn the_last_change_wins(engine: &dyn Engine) {
    let mut batch = Batch::new();
    batch.put(Space::State, *b"x", *b"1");
    batch.delete(Space::State, *b"x");
    batch.delete(Space::State, *b"y");
    batch.put(Space::State, *b"y", *b"2");
    batch.put(Space::State, *b"y", *b"3");
    engine.commit(batch).expect("commit");
    assert_eq!(get(engine, Space::State, b"x"), None);
    assert_eq!(get(engine, Space::State, b"y").as_deref(), Some(&b"3"[..]));
}

fn odd_sizes_are_kept_or_refused(engine: &dyn Engine) {
    let (key, value) = (vec![7; KEY_BYTES_MAX], vec![8; VALUE_BYTES_MAX]);
    put(engine, Space::State, &key, &value);
    assert_eq!(get(engine, Space::State, &key).as_deref(), Some(&value[..]));
    for (key_bytes, value_bytes) in [(0, 1), (KEY_BYTES_MAX + 1, 1), (1, VALUE_BYTES_MAX + 1)] {
        let mut batch = Batch::new();
        batch.put(Space::State, *b"beside", *b"");
        batch.put(Space::State, vec![7; key_bytes], vec![8; value_bytes]);
        let refused = engine.commit(batch);
        assert!(matches!(refused, Err(StoreError::TooLarge { .. } | StoreError::EmptyKey)), "{refused:?}");
        assert_eq!(get(engine, Space::State, b"beside"), None, "all or nothing");
    }
    assert_eq!(get(engine, Space::State, b""), None);
    delete(engine, Space::State, &key);
}

fn clears_one_space(engine: &dyn Engine) {
    put(engine, Space::Index, b"index", b"");
    put(engine, Space::State, b"state", b"");
    engine.clear(Space::Index).expect("clear");
    assert_eq!(scan(engine, Space::Index, b"", None, 9), []);
    assert_eq!(get(engine, Space::State, b"state").as_deref(), Some(&b""[..]));
    put(engine, Space::Index, b"again", b"1");
    assert_eq!(scan(engine, Space::Index, b"", None, 9), [(b"again".to_vec(), b"1".to_vec())]);
}

fn what_is_frozen_stays_as_it_was(engine: &dyn Engine) {
    engine.clear(Space::State).expect("clear");
    let key = |n: u32| n.to_be_bytes();
    let before: Vec<Pair> = (0..3_000).map(|n| (key(n).to_vec(), vec![n as u8; 50])).collect();
    for (key, value) in &before {
        put(engine, Space::State, key, value);
    }
    let Some(mut frozen) = engine.freeze(Space::State).expect("freeze") else { return };
    let mut read = vec![frozen.next().expect("the first").expect("read")];
    // What is read already and what is not: changed, removed, added.
    for n in (0..3_000).step_by(3) {
        put(engine, Space::State, &key(n), b"changed");
        delete(engine, Space::State, &key(n + 1));
        put(engine, Space::State, &[&key(n)[..], b"+"].concat(), b"added");
    }
    engine.sync().expect("sync");
    read.extend(frozen.by_ref().take(1_000).map(|pair| pair.expect("read")));
    let again = engine.freeze(Space::State).expect("freeze").expect("as before");
    engine.clear(Space::State).expect("clear");
    put(engine, Space::State, b"after the clear", b"1");
    read.extend(frozen.map(|pair| pair.expect("read")));
    assert!(read == before, "{} of {} pairs, or other ones", read.len(), before.len());
    assert_eq!(again.count(), 3_000, "a third is gone, and as many are new");
    assert_eq!(scan(engine, Space::State, b"", None, 9).len(), 1);
    engine.clear(Space::State).expect("clear");
}

fn survives_reopening(engine: Arc<dyn Engine>, open: &mut dyn FnMut() -> Arc<dyn Engine>) {
    for n in 0..2_000u32 {
        put(&*engine, Space::State, &n.to_be_bytes(), &[n as u8; 100]);
    }
    engine.clear(Space::Index).expect("clear");
    put(&*engine, Space::Index, b"after the clear", b"1");
    drop(engine);
    let engine = open();
    assert_eq!(scan(&*engine, Space::Index, b"", None, 9).len(), 1, "what was cleared stays away");
    for n in 0..2_000u32 {
        assert_eq!(get(&*engine, Space::State, &n.to_be_bytes()), Some(vec![n as u8; 100]));
    }
    assert!(engine.disk_bytes() > 0);
}

fn get(engine: &dyn Engine, space: Space, key: &[u8]) -> Option<Vec<u8>> {
    engine.get(space, key).expect("get")
}

fn scan(engine: &dyn Engine, space: Space, from: &[u8], to: Option<&[u8]>, limit: usize) -> Vec<Pair> {
    engine.scan(space, from, to, limit).expect("scan")
}

fn put(engine: &dyn Engine, space: Space, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(space, key, value);
    engine.commit(batch).expect("commit");
}

fn delete(engine: &dyn Engine, space: Space, key: &[u8]) {
    let mut batch = Batch::new();
    batch.delete(space, key);
    engine.commit(batch).expect("commit");
}

/// A change to a key: its new value, or `None` to delete it.
pub type Change = (Space, Vec<u8>, Option<Vec<u8>>);

/// What an engine should hold, as ordered maps; changed by the same calls as the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineModel {
    spaces: [BTreeMap<Vec<u8>, Vec<u8>>; 3],
}

impl EngineModel {
    /// Applies changes to the engine in one batch, and to the model.
    pub fn commit(&mut self, engine: &dyn Engine, changes: &[Change]) {
        let mut batch = Batch::new();
        for (space, key, value) in changes {
            let map = &mut self.spaces[*space as usize];
            match value {
                Some(value) => {
                    batch.put(*space, key.clone(), value.clone());
                    map.insert(key.clone(), value.clone());
                }
                None => {
                    batch.delete(*space, key.clone());
                    map.remove(key);
                }
            }
        }
        engine.commit(batch).expect("commit");
    }

    /// Clears a space of both.
    pub fn clear(&mut self, engine: &dyn Engine, space: Space) {
        engine.clear(space).expect("clear");
        self.spaces[space as usize].clear();
    }

    /// Compares a range.
    pub fn check_range(
        &self,
        engine: &dyn Engine,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) {
        let map = &self.spaces[space as usize];
        let pairs = map.range(from.to_vec()..).take_while(|(key, _)| to.is_none_or(|to| key.as_slice() < to));
        let want: Vec<Pair> = pairs.take(limit).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(scan(engine, space, from, to, limit), want);
        let keys: Vec<_> = want.into_iter().map(|(key, _)| key).collect();
        assert_eq!(engine.keys(space, from, to, limit).expect("keys"), keys);
    }

    /// Compares everything.
    pub fn check(&self, engine: &dyn Engine) {
        for space in Space::ALL {
            self.check_range(engine, space, b"", None, usize::MAX);
            for (key, value) in &self.spaces[space as usize] {
                assert_eq!(get(engine, space, key).as_ref(), Some(value));
            }
        }
    }
}

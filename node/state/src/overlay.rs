//! Values over a view: what one command has read and changed, decoded once, encoded once, and undone for a record that is refused.
//!
//! Everything sits in one ordered map by key, so what comes out has one order, and a family of records needs no table of its own.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::applied::{Alarm, Write};
use crate::codec::DecodeError;
use crate::values::Value;
use crate::view::{View, load};

/// Changed and read values above a view.
pub(crate) struct Overlay<'v, V: ?Sized> {
    view: &'v V,
    slots: BTreeMap<Vec<u8>, Slot>,
    /// What the slots held before the record at hand, newest last; `None`: they were empty.
    undo: Vec<(Vec<u8>, Option<Slot>)>,
}

#[derive(Clone)]
struct Slot {
    /// The decoded value; `None` when the key has none.
    value: Option<Rc<dyn Any>>,
    /// Writes the value; only called when it changed.
    encode: fn(&dyn Any) -> Vec<u8>,
    changed: bool,
}

/// Bytes that are a value as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Value for Raw {
    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(bytes.to_vec()))
    }
}

fn encode<T: Value + 'static>(value: &dyn Any) -> Vec<u8> {
    value.downcast_ref::<T>().map(Value::encode).unwrap_or_default()
}

impl<'v, V: View + ?Sized> Overlay<'v, V> {
    pub(crate) fn new(view: &'v V) -> Self {
        Self { view, slots: BTreeMap::new(), undo: Vec::new() }
    }

    /// What lies below.
    pub(crate) fn view(&self) -> &'v V {
        self.view
    }

    /// The value under a key. Each key has one type, always the same.
    pub(crate) fn get<T: Value + 'static>(&mut self, key: Vec<u8>) -> Result<Option<Rc<T>>, Alarm> {
        if let Some(slot) = self.slots.get(&key) {
            let Some(value) = &slot.value else { return Ok(None) };
            let other =
                |_| Alarm::CorruptState { key, reason: "a key is used for two kinds of values".into() };
            return value.clone().downcast::<T>().map(Some).map_err(other);
        }
        let value = load::<T>(self.view, &key)?.map(Rc::new);
        let any = value.clone().map(|value| value as Rc<dyn Any>);
        self.slots.insert(key, Slot { value: any, encode: encode::<T>, changed: false });
        Ok(value)
    }

    pub(crate) fn put<T: Value + 'static>(&mut self, key: Vec<u8>, value: T) {
        self.set(key, Slot { value: Some(Rc::new(value)), encode: encode::<T>, changed: true });
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.set(key, Slot { value: None, encode: encode::<Raw>, changed: true });
    }

    fn set(&mut self, key: Vec<u8>, slot: Slot) {
        let before = self.slots.insert(key.clone(), slot);
        self.undo.push((key, before));
    }

    /// The smallest key with a value, `from <= key < to`.
    pub(crate) fn next_key(&self, from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
        let own = |slot: &Slot| slot.value.is_some();
        let above = self
            .slots
            .range(from.to_vec()..to.to_vec())
            .find(|(_, slot)| own(slot))
            .map(|(key, _)| key.clone());
        let mut below = self.view.next_key(from, to);
        while let Some(key) = &below {
            match self.slots.get(key) {
                Some(slot) if !own(slot) => {
                    // Deleted above: look behind it.
                    let behind = [key.as_slice(), &[0]].concat();
                    below = self.view.next_key(&behind, to);
                }
                _ => break,
            }
        }
        match (above, below) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What was changed until now stays.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back everything since the last [`Overlay::keep`].
    pub(crate) fn take_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
    }

    /// Everything changed, by ascending key.
    pub(crate) fn into_writes(self) -> Vec<Write> {
        let changed = self.slots.into_iter().filter(|(_, slot)| slot.changed);
        changed.map(|(key, slot)| (key, slot.value.map(|value| (slot.encode)(&*value)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryState;
    use crate::applied::Applied;

    fn state(keys: &[&str]) -> MemoryState {
        let mut state = MemoryState::new();
        let writes = keys.iter().map(|key| (key.as_bytes().to_vec(), Some(b"old".to_vec()))).collect();
        state.store(&Applied { writes, ..Applied::default() });
        state
    }

    #[test]
    fn keys_are_found_across_both_layers() {
        let state = state(&["b", "d", "e"]);
        let mut overlay = Overlay::new(&state);
        overlay.put(b"c".to_vec(), Raw(b"new".to_vec()));
        overlay.delete(b"b".to_vec());
        overlay.delete(b"d".to_vec());
        let mut found = Vec::new();
        let mut from = b"a".to_vec();
        while let Some(key) = overlay.next_key(&from, b"z") {
            from = [&key[..], &[0]].concat();
            found.push(key);
        }
        assert_eq!(found, [b"c".to_vec(), b"e".to_vec()]);
        assert_eq!(overlay.next_key(b"a", b"c"), None, "the end is outside");
    }

    #[test]
    fn a_refused_record_leaves_nothing() {
        let state = state(&["b"]);
        let mut overlay = Overlay::new(&state);
        overlay.put(b"a".to_vec(), Raw(vec![1]));
        overlay.keep();
        overlay.put(b"a".to_vec(), Raw(vec![2]));
        overlay.put(b"a".to_vec(), Raw(vec![3]));
        overlay.delete(b"b".to_vec());
        overlay.put(b"n".to_vec(), Raw(vec![4]));
        overlay.take_back();
        assert_eq!(overlay.get::<Raw>(b"b".to_vec()).unwrap().as_deref(), Some(&Raw(b"old".to_vec())));
        assert_eq!(overlay.into_writes(), [(b"a".to_vec(), Some(vec![1]))]);
    }

    #[test]
    fn what_was_only_read_is_not_written() {
        let state = state(&["b"]);
        let mut overlay = Overlay::new(&state);
        assert!(overlay.get::<Raw>(b"b".to_vec()).unwrap().is_some());
        assert!(overlay.get::<Raw>(b"x".to_vec()).unwrap().is_none());
        assert!(overlay.into_writes().is_empty());
    }
}

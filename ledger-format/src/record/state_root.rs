//! `state.root`: the entry by which a log commits to the status of every subject.
//!
//! ```text
//! {"body":{"as_of_size":41207,"from":0,"map_root":"<64 hex>","subjects":32,"trust_alg":"maip-trust/1","version":212},"type":"state.root","v":1}
//! ```
//!
//! Nobody submits one and nobody signs it: the log makes it from its own state, and whoever replays the entries makes the same
//! one. So it stands in an entry where a record stands elsewhere ([`super::Entry::state_root`] tells them apart), and
//! [`super::Record::parse`] refuses it.

use super::envelope::VERSION;
use super::fields;
use super::json::{INTEGER_MAX, JsonError, Reader, Reason, Writer};
use crate::merkle::Hash;

/// The `type` of such an entry.
pub const STATE_ROOT_TYPE: &str = "state.root";

/// What the canonical text begins with. A record begins with its actor, so one look is enough.
pub(super) const BEGINNING: &[u8] = br#"{"body":"#;

/// Most subjects that one `state.root` folds into the map.
pub const SEAL_SUBJECTS_MAX: u64 = 1_024;

/// Which subjects one `state.root` folds into the map. A replay folds the same ones, so what it says is computed, not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealStep {
    /// Of those that wait since this index or later. 0, unless something must not wait behind the others.
    pub from: u64,
    /// So many, at most [`SEAL_SUBJECTS_MAX`], those first that have waited longest.
    pub subjects: u64,
}

/// What one version of the status map holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRoot {
    /// Every change that an entry below this size made is in the map, and maybe newer ones. The entry's own index when no
    /// subject waits.
    pub as_of_size: u64,
    /// Root of the map.
    pub map_root: Hash,
    /// What went into the map with this version; `None`, as earlier software wrote it: the [`SEAL_SUBJECTS_MAX`] subjects that have
    /// waited longest.
    pub step: Option<SealStep>,
    /// The algorithm of the trust scores in it, e.g. `maip-trust/1`.
    pub trust_alg: String,
    /// Version of the map: 1 is the first, each `state.root` makes the next.
    pub version: u64,
}

impl StateRoot {
    /// Reads what stands in the entry in the place of a record. Succeeds only when [`StateRoot::to_bytes`] would print the
    /// same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let mut reader = Reader::new(bytes)?;
        let (mut body, mut type_name, mut version) = (None, None, None);
        reader.object(|r, key| {
            match key {
                "body" => body = Some(read_body(r)?),
                "type" => {
                    let is_type = |text: &str| (text == STATE_ROOT_TYPE).then_some(());
                    type_name = Some(fields::read_with(r, "\"state.root\"", is_type)?);
                }
                "v" => version = Some(read_number(r, VERSION, VERSION, "1")?),
                _ => return fields::unknown(r),
            }
            Ok(())
        })?;
        reader.required("type", type_name)?;
        reader.required("v", version)?;
        let body = reader.required("body", body)?;
        reader.finish()?;
        Ok(body)
    }

    /// The one spelling.
    ///
    /// # Panics
    /// In debug builds if a number is beyond 2^53 - 1.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(224);
        w.open_object();
        w.key("body");
        w.open_object();
        w.unsigned_field("as_of_size", self.as_of_size);
        if let Some(step) = self.step {
            w.unsigned_field("from", step.from);
        }
        w.text_field("map_root", &self.map_root.to_hex());
        if let Some(step) = self.step {
            w.unsigned_field("subjects", step.subjects);
        }
        w.text_field("trust_alg", &self.trust_alg);
        w.unsigned_field("version", self.version);
        w.close_object();
        w.text_field("type", STATE_ROOT_TYPE);
        w.unsigned_field("v", VERSION);
        w.close_object();
        w.finish()
    }
}

fn read_body(r: &mut Reader<'_>) -> Result<StateRoot, JsonError> {
    let (mut as_of_size, mut map_root, mut trust_alg, mut version) = (None, None, None, None);
    let (mut from, mut subjects) = (None, None);
    r.object(|r, key| {
        match key {
            "as_of_size" => as_of_size = Some(r.unsigned()?),
            "from" => from = Some(r.unsigned()?),
            "map_root" => {
                map_root = Some(fields::read_with(r, "a hash: 64 lower-case hex digits", Hash::from_hex)?);
            }
            "subjects" => {
                subjects = Some(read_number(r, 1, SEAL_SUBJECTS_MAX, "a number of subjects from 1 to 1024")?);
            }
            "trust_alg" => trust_alg = Some(fields::algorithm(r)?),
            "version" => version = Some(read_number(r, 1, INTEGER_MAX, "a version from 1 on")?),
            _ => return fields::unknown(r),
        }
        Ok(())
    })?;
    let step = match (from, subjects) {
        (None, None) => None,
        _ => Some(SealStep { from: r.required("from", from)?, subjects: r.required("subjects", subjects)? }),
    };
    Ok(StateRoot {
        as_of_size: r.required("as_of_size", as_of_size)?,
        map_root: r.required("map_root", map_root)?,
        step,
        trust_alg: r.required("trust_alg", trust_alg)?,
        version: r.required("version", version)?,
    })
}

fn read_number(r: &mut Reader<'_>, min: u64, max: u64, rule: &'static str) -> Result<u64, JsonError> {
    let start = r.offset();
    let value = r.unsigned()?;
    if (min..=max).contains(&value) { Ok(value) } else { Err(r.error(start, Reason::Invalid { rule })) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Entry, Record, RecordError};

    fn root() -> StateRoot {
        StateRoot {
            as_of_size: 41_207,
            map_root: crate::leaf_hash(b""),
            step: Some(SealStep { from: 0, subjects: 32 }),
            trust_alg: "maip-trust/1".into(),
            version: 212,
        }
    }

    #[test]
    fn it_reads_back_and_has_one_spelling() {
        let bytes = root().to_bytes();
        assert!(bytes.starts_with(BEGINNING));
        assert_eq!(StateRoot::parse(&bytes), Ok(root()));
        let text = String::from_utf8(bytes).unwrap();
        let cases: &[(&str, &str, &str)] = &[
            ("41207", "041207", "body.as_of_size"),
            ("41207", "9007199254740992", "body.as_of_size"),
            ("\"6e34", "\"6E34", "body.map_root"),
            ("\"6e34", "\"6e3", "body.map_root"),
            ("maip-trust/1", "maip trust/1", "body.trust_alg"),
            ("\"from\":0,", "", "body.from"),
            ("\"from\":0,", "\"from\":00,", "body.from"),
            (",\"subjects\":32", "", "body.subjects"),
            ("\"subjects\":32", "\"subjects\":0", "body.subjects"),
            ("\"subjects\":32", "\"subjects\":1025", "body.subjects"),
            ("\"version\":212", "\"version\":0", "body.version"),
            ("\"version\":212", "\"version\":212,\"x\":1", "body.x"),
            ("state.root", "state.rooT", "type"),
            ("\"v\":1", "\"v\":2", "v"),
            (",\"v\":1", "", "v"),
        ];
        for (from, to, path) in cases {
            let error = StateRoot::parse(text.replacen(from, to, 1).as_bytes()).expect_err(to);
            assert_eq!(error.path, *path, "{error}");
        }
        assert!(StateRoot::parse(format!("{text} ").as_bytes()).is_err());
    }

    /// Logs of earlier software stay readable, byte for byte.
    #[test]
    fn one_without_a_step_reads_back() {
        let bytes = StateRoot { step: None, ..root() }.to_bytes();
        assert!(bytes.starts_with(br#"{"body":{"as_of_size":41207,"map_root":""#));
        assert_eq!(StateRoot::parse(&bytes).map(|root| root.step), Ok(None));
    }

    #[test]
    fn an_entry_says_what_it_holds() {
        let bytes = Entry::encode(7, &root().to_bytes());
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!((entry.at, entry.state_root()), (7, Some(Ok(root()))));
        assert_eq!(Record::parse(entry.record), Err(RecordError::MadeByTheLog), "nobody can submit one");
        let record = Entry { at: 7, record: br#"{"actor":"tenant"}"# };
        assert_eq!(record.state_root(), None);
        let broken = Entry { at: 7, record: br#"{"body":{}}"# };
        assert!(matches!(broken.state_root(), Some(Err(_))));
    }
}

//! The file `given`: what the last start was given.
//!
//! ```text
//! maip-given/1
//! configuration HASH LENGTH MODIFIED_NS INODE PATH
//! field node_id = 1
//! …
//! file HASH LENGTH MODIFIED_NS INODE PATH
//! …
//! blake3 HASH
//! ```
//!
//! Fields and files are in the order of their names. The last line is the BLAKE3 of all before it. Nothing but the comparison depends on
//! the record: one that cannot be read is reported and made anew.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::OpenOptionsExt as _,
    },
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{fields::Fields, stamp::Stamp};

/// Name of the record in the data directory.
pub(super) const FILE: &str = "given";
/// It is written under this name first.
const PARTIAL: &str = "given.partial";
/// First line of the record.
const FORMAT: &str = "maip-given/1";
/// No record is longer.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;

/// Why a record cannot be used or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is longer than any record.
    #[error("it has more than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// It is not text.
    #[error("it is not UTF-8")]
    NotText,
    /// Its first line is another one.
    #[error("its first line is not {FORMAT}: it is damaged, or another release's")]
    Format,
    /// Its last line is not the hash of the lines before.
    #[error("its checksum is wrong: it is damaged")]
    Checksum,
    /// A line that no program writes there.
    #[error("line {number}: {problem}")]
    Line {
        /// Which line, from 1.
        number: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The lines mean a record, in another spelling than the only one.
    #[error("it is not in the one spelling of a record")]
    Spelling,
}

/// What a start was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Path of the configuration.
    pub(super) configuration: PathBuf,
    /// The configuration's fields.
    pub(super) fields: Fields,
    /// Every file by its path, the configuration too.
    pub(super) files: BTreeMap<PathBuf, Stamp>,
}

impl Record {
    /// Reads the record of a data directory; `None` when there is none yet.
    pub(super) fn read(data_dir: &Path) -> Result<Option<Self>, RecordError> {
        let file = match File::open(data_dir.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(RECORD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Self::parse(&bytes).map(Some)
    }

    /// Writes the record, atomically and durably on return. Only its owner can read it.
    pub(super) fn write(&self, data_dir: &Path) -> Result<(), RecordError> {
        let text = self.to_text();
        if text.len() as u64 > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        fs::create_dir_all(data_dir)?;
        let partial = data_dir.join(PARTIAL);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, data_dir.join(FILE))?;
        Ok(File::open(data_dir)?.sync_all()?)
    }

    /// The one spelling.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{FORMAT}\n");
        let line = |text: &mut String, word: &str, path: &Path, stamp: &Stamp| {
            let Stamp { hash, length, modified_ns, inode } = stamp;
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "{word} {} {length} {modified_ns} {inode} {}", hash.to_hex(), escape(path));
        };
        if let Some(stamp) = self.files.get(&self.configuration) {
            line(&mut text, "configuration", &self.configuration, stamp);
        }
        for (path, value) in &self.fields {
            let _ = writeln!(text, "field {path} = {value}");
        }
        for (path, stamp) in self.files.iter().filter(|(path, _)| **path != self.configuration) {
            line(&mut text, "file", path, stamp);
        }
        let hash = blake3::hash(text.as_bytes()).to_hex();
        text + &format!("blake3 {hash}\n")
    }

    /// Reads the one spelling, and nothing else.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() as u64 > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotText)?;
        let body = text.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix('\n'));
        let body = body.ok_or(RecordError::Format)?;
        let (body, last) = body.rsplit_once("blake3 ").ok_or(RecordError::Checksum)?;
        let before = &text[..FORMAT.len() + 1 + body.len()];
        if last.strip_suffix('\n') != Some(blake3::hash(before.as_bytes()).to_hex().as_str()) {
            return Err(RecordError::Checksum);
        }
        let mut record =
            Self { configuration: PathBuf::new(), fields: Fields::new(), files: BTreeMap::new() };
        for (place, line) in body.lines().enumerate() {
            // The first line is the format.
            let wrong = |problem| RecordError::Line { number: place + 2, problem };
            record.add(line).map_err(wrong)?;
        }
        if record.to_text() != text {
            return Err(RecordError::Spelling);
        }
        Ok(record)
    }

    /// Takes one line between the first and the last.
    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (word, rest) = line.split_once(' ').ok_or("it has one word")?;
        match word {
            "field" => {
                let (path, value) = rest.split_once(" = ").ok_or("a field without a value")?;
                self.fields.insert(path.to_owned(), value.to_owned());
            }
            "configuration" | "file" => {
                let (path, stamp) = parse_file(rest)?;
                if word == "configuration" {
                    self.configuration.clone_from(&path);
                }
                self.files.insert(path, stamp);
            }
            _ => return Err("its first word is not known"),
        }
        Ok(())
    }
}

fn parse_file(rest: &str) -> Result<(PathBuf, Stamp), &'static str> {
    let mut words = rest.splitn(5, ' ');
    let mut word = || words.next().ok_or("a file with fewer than five words");
    let hash = blake3::Hash::from_hex(word()?).map_err(|_| "no hash in hexadecimal digits")?;
    let length = word()?.parse().map_err(|_| "no length in bytes")?;
    let modified_ns = word()?.parse().map_err(|_| "no time in nanoseconds")?;
    let inode = word()?.parse().map_err(|_| "no inode")?;
    let path = unescape(word()?).ok_or("no path")?;
    Ok((path, Stamp { hash, length, modified_ns, inode }))
}

/// A path in one line: bytes that are not printable ASCII, and `%`, as `%XX`.
fn escape(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn stamp(content: &str) -> Stamp {
        Stamp {
            hash: blake3::hash(content.as_bytes()),
            length: content.len() as u64,
            modified_ns: 1_700_000_000_123_456_789,
            inode: 42,
        }
    }

    fn record() -> Record {
        let odd = PathBuf::from(OsString::from_vec(b"/etc/a b%\n\xff/admin.key".to_vec()));
        let configuration = PathBuf::from("/etc/maip/maip-node.toml");
        let fields = [("node_id", "1"), ("logs[0].name", "\"blake3 = \""), ("x", "a = b")];
        Record {
            files: BTreeMap::from([
                (configuration.clone(), stamp("node_id = 1")),
                (odd, Stamp { modified_ns: -1, ..stamp("secret") }),
                (PathBuf::from("/etc/maip/policy.txt"), stamp("")),
            ]),
            configuration,
            fields: fields.map(|(path, value)| (path.to_owned(), value.to_owned())).into(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert!(Record::read(&data).unwrap().is_none());
        for _ in 0..2 {
            record().write(&data).unwrap();
            assert_eq!(Record::read(&data).unwrap(), Some(record()));
        }
        assert_eq!(fs::metadata(data.join(FILE)).unwrap().mode() & 0o777, 0o600);
        assert!(!data.join(PARTIAL).exists());
        let text = record().to_text();
        assert!(text.contains(" 42 /etc/a b%25%0A%FF/admin.key\n"), "{text}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let good = record().to_text().into_bytes();
        assert_eq!(Record::parse(&good).unwrap(), record());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::parse(&bad).is_err(), "bit {bit}");
        }
        for end in 0..good.len() {
            assert!(Record::parse(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(Record::parse(&[&good[..], b"\n"].concat()).is_err());
        let long = vec![b' '; usize::try_from(RECORD_BYTES_MAX).unwrap() + 1];
        assert!(matches!(Record::parse(&long), Err(RecordError::TooLong)));
    }

    /// With a right checksum each: what is refused is the spelling.
    #[test]
    fn there_is_one_spelling() {
        let text = record().to_text();
        let body = &text[..text.rfind("blake3 ").unwrap()];
        let sealed = |body: &str| format!("{body}blake3 {}\n", blake3::hash(body.as_bytes()).to_hex());
        assert_eq!(sealed(body), text);
        type Is = fn(&RecordError) -> bool;
        let spelling: Is = |error| matches!(error, RecordError::Spelling);
        let line: Is = |error| matches!(error, RecordError::Line { .. });
        let lines: Vec<&str> = body.lines().collect();
        let [first, second, third] = [lines[0], lines[1], lines[2]];
        let hash = stamp("secret").hash.to_hex();
        let table: [(&str, String, Is); 12] = [
            ("capitals", body.replacen(&*hash, &hash.to_uppercase(), 1), spelling),
            ("format", body.replacen("given/1", "given/2", 1), |e| matches!(e, RecordError::Format)),
            ("space", body.replace(" 42 ", "  42 "), line),
            ("zero", body.replace(" 42 ", " 042 "), spelling),
            ("plus", body.replace(" 42 ", " +42 "), spelling),
            ("escape", body.replace("%FF", "%ff"), spelling),
            ("no need of an escape", body.replace("policy", "%70olicy"), spelling),
            ("bad escape", body.replace("%FF/", "%GG/"), line),
            (
                "order",
                body.replacen(&format!("{second}\n{third}"), &format!("{third}\n{second}"), 1),
                spelling,
            ),
            ("twice", format!("{body}{second}\n"), spelling),
            ("unknown", format!("{body}files\n"), line),
            ("short", format!("{first}\nfile 00 1 2 3\n"), line),
        ];
        for (what, body, is) in table {
            let error = Record::parse(sealed(&body).as_bytes()).expect_err(what);
            assert!(is(&error), "{what}: {error:?}");
        }
    }
}

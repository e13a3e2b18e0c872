//! Data directories of an earlier release: packed into one file, and laid out again where today's programs can open them.
//!
//! ```text
//! fixtures/<release>/fixture.json    what is in them, and what must still be true of it
//! fixtures/<release>/data.tar.lz4    a devnet's directory without what the programs printed; each file without the zeros at its end
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ports::Ports;

/// The list of what is in the archive.
pub const LIST: &str = "fixture.json";
/// The archive.
pub const ARCHIVE: &str = "data.tar.lz4";
/// In the place of the directory in which the devnet lay.
const PLACE: &str = "@DATA@";
/// Most bytes of one file, unpacked: a bound for a damaged list.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Addresses that move: everything but where nodes listen for each other.
const MOVING: &str = "127.0.0.1:";

/// What an archive holds, and what must still be true of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fixture {
    /// The release that wrote it.
    pub release: String,
    /// Its commit.
    pub commit: String,
    /// Where the nodes listen for each other: Raft remembers these, so they do not change.
    pub peers: Vec<SocketAddr>,
    /// The last checkpoint that was published, with its cosignatures.
    pub checkpoint: String,
    /// Every entry below it.
    pub entries: Vec<Entry>,
    /// A key of the API.
    pub api_key: String,
    /// Questions to the API about private state.
    pub questions: Vec<Question>,
    /// A payload that the nodes keep, and its subject; one whose subject was erased.
    pub payloads: Vec<KeptPayload>,
    /// Every file of the archive.
    pub files: BTreeMap<String, Meta>,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The record's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The leaf's hash, in hex.
    pub leaf: String,
}

/// A question to the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// Path and query.
    pub path: String,
    /// Members that the answer had then and must have now.
    pub answer: Value,
}

/// A payload on the nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptPayload {
    /// Whose it is.
    pub subject: String,
    /// What the log says of it.
    pub commitment: String,
    /// Its value; `None`: it was erased.
    pub value: Option<String>,
}

/// A file of the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meta {
    /// Length, with the zeros at its end.
    pub bytes: u64,
    /// Permissions.
    pub mode: u32,
    /// An earlier file with the same content, which is in the archive in its place: nodes have much in common.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
}

impl Fixture {
    /// Reads the list of a fixture's directory.
    pub fn read(dir: &Path) -> Result<Fixture> {
        let path = dir.join(LIST);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Packs the devnet in `data`, whose processes have ended, and writes list and archive into `dir`.
    pub fn pack(mut self, data: &Path, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let packed = FrameEncoder::new(File::create(dir.join(ARCHIVE))?);
        let mut archive = tar::Builder::new(packed);
        self.files.clear();
        let mut seen: HashMap<Vec<u8>, String> = HashMap::new();
        for path in files_below(data)? {
            let name = path.strip_prefix(data)?.to_str().context("a name that is not UTF-8")?.to_owned();
            let meta = fs::metadata(&path)?;
            let (bytes, mode) = (meta.len(), meta.permissions().mode() & 0o777);
            let mut content = fs::read(&path)?;
            if let Some(first) = seen.get(&content).filter(|_| !moves(&name)) {
                self.files.insert(name, Meta { bytes, mode, same_as: Some(first.clone()) });
                continue;
            }
            if moves(&name) {
                let place = data.to_str().context("a directory that is not UTF-8")?;
                content = String::from_utf8(content)?.replace(place, PLACE).into_bytes();
            }
            let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let mut header = tar::Header::new_gnu();
            header.set_size(end as u64);
            header.set_mode(mode);
            header.set_cksum();
            archive.append_data(&mut header, &name, &content[..end])?;
            if !moves(&name) {
                seen.insert(content, name.clone());
            }
            self.files.insert(name, Meta { bytes, mode, same_as: None });
        }
        archive.into_inner()?.finish()?;
        let mut text = serde_json::to_string_pretty(&self)?;
        text.push('\n');
        Ok(fs::write(dir.join(LIST), text)?)
    }

    /// Lays the archive of `dir` out in `data`, which must be empty, under free ports.
    pub fn unpack(&self, dir: &Path, data: &Path) -> Result<()> {
        fs::create_dir_all(data)?;
        let data = data.canonicalize()?;
        let path = dir.join(ARCHIVE);
        let packed = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut seen = 0;
        let mut moved = Addresses::default();
        for entry in tar::Archive::new(FrameDecoder::new(packed)).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_str().context("a name that is not UTF-8")?.to_owned();
            let plain = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_)));
            let meta = self.files.get(&name).filter(|_| plain);
            let meta = meta.with_context(|| format!("the archive holds {name}, the list does not"))?;
            ensure!(meta.bytes <= FILE_BYTES_MAX, "{name} would have {} bytes", meta.bytes);
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            if moves(&name) {
                let place = data.to_str().context("a directory that is not UTF-8")?;
                let text = String::from_utf8(content)?.replace(PLACE, place);
                content = moved.rewrite(&text)?.into_bytes();
            } else {
                content.resize(usize::try_from(meta.bytes)?, 0);
            }
            write(&data.join(&name), &content, meta.mode)?;
            seen += 1;
        }
        for (name, meta) in &self.files {
            if let Some(first) = &meta.same_as {
                let content = fs::read(data.join(first)).with_context(|| format!("{name} has no {first}"))?;
                write(&data.join(name), &content, meta.mode)?;
                seen += 1;
            }
        }
        ensure!(seen == self.files.len(), "the archive holds {seen} of {} files", self.files.len());
        Ok(())
    }
}

/// Whether a file speaks of the place and the ports of its devnet.
fn moves(name: &str) -> bool {
    matches!(name.rsplit('/').next(), Some("devnet.json" | "maip-node.toml" | "witness.toml"))
        || !name.contains('/') && name.starts_with("policy-")
}

/// Every file below a directory but what programs have printed, in the order of their names.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut listed = fs::read_dir(dir)?.collect::<std::io::Result<Vec<_>>>()?;
    listed.sort_by_key(fs::DirEntry::file_name);
    for entry in listed {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            found.extend(files_below(&path)?);
        } else if path.extension().is_none_or(|ending| ending != "log") {
            found.push(path);
        }
    }
    Ok(found)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let parent = path.parent().context("a file has a directory")?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    Ok(file.write_all(content)?)
}

/// New addresses in the place of old ones, the same new one for the same old one.
#[derive(Default)]
struct Addresses {
    ports: Ports,
    given: BTreeMap<u16, SocketAddr>,
}

impl Addresses {
    fn rewrite(&mut self, text: &str) -> Result<String> {
        let mut parts = text.split(MOVING);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Ok(old) = part[..digits].parse::<u16>() else { bail!("{MOVING} without a port") };
            let new = match self.given.get(&old) {
                Some(new) => *new,
                None => self.ports.take()?,
            };
            self.given.insert(old, new);
            out += &new.to_string();
            out += &part[digits..];
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Fixture {
        Fixture {
            release: "0.0.0".into(),
            commit: "none".into(),
            peers: Vec::new(),
            checkpoint: String::new(),
            entries: Vec::new(),
            api_key: String::new(),
            questions: Vec::new(),
            payloads: Vec::new(),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_packed_comes_back_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (from, packed, to) = (dir.path().join("from"), dir.path().join("packed"), dir.path().join("to"));
        let from_text = from.display().to_string();
        write(&from.join("node-1/keys/a.key"), b"secret\n", 0o600).unwrap();
        write(&from.join("node-1/data/segment"), &[b"x".as_slice(), &[0; 100_000]].concat(), 0o644).unwrap();
        write(&from.join("node-1/node.log"), b"printed", 0o644).unwrap();
        write(&from.join("node-2/keys/a.key"), b"secret\n", 0o600).unwrap();
        let text = format!("{from_text} 127.0.0.1:5 127.0.0.1:50 127.7.0.1:5 127.0.0.1:5,");
        write(&from.join("devnet.json"), text.as_bytes(), 0o600).unwrap();
        fixture().pack(&from, &packed).unwrap();

        let list = Fixture::read(&packed).unwrap();
        list.unpack(&packed, &to).unwrap();
        assert_eq!(list.files["node-2/keys/a.key"].same_as.as_deref(), Some("node-1/keys/a.key"));
        for node in ["node-1", "node-2"] {
            let key = to.join(node).join("keys/a.key");
            assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read(&key).unwrap(), b"secret\n");
        }
        let segment = fs::read(to.join("node-1/data/segment")).unwrap();
        assert!(segment.len() == 100_001 && segment[0] == b'x' && segment[1..].iter().all(|byte| *byte == 0));
        assert!(!to.join("node-1/node.log").exists());
        let text = fs::read_to_string(to.join("devnet.json")).unwrap();
        let words: Vec<&str> = text.trim_end_matches(',').split(' ').collect();
        assert_eq!(words[0], to.canonicalize().unwrap().to_str().unwrap());
        assert_eq!((words[1], words[3]), (words[4], "127.7.0.1:5"), "{text}");
        assert!(words[1] != words[2] && !text.contains("127.0.0.1:5 "), "{text}");
    }

    #[test]
    fn a_file_that_the_list_does_not_know_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (from, packed) = (dir.path().join("from"), dir.path().join("packed"));
        write(&from.join("a"), b"a", 0o644).unwrap();
        fixture().pack(&from, &packed).unwrap();
        let refused = fixture().unpack(&packed, &dir.path().join("to")).unwrap_err();
        assert!(refused.to_string().contains("the list does not"), "{refused}");
    }
}

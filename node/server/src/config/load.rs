//! Reads the file, lays environment and flags over it, and checks the whole.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use thiserror::Error;
use toml::{Table, Value};

use super::Config;

/// Prefix of the environment variables.
const ENV_PREFIX: &str = "MAIP_NODE_";

/// Top-level scalars that environment and flags may replace, and how to read them from text.
const SCALARS: &[(&str, Kind)] = &[
    ("node_id", Kind::Integer),
    ("data_dir", Kind::Path),
    ("listen", Kind::Text),
    ("peer_listen", Kind::Text),
    ("http_listen", Kind::Text),
    ("admin_key_file", Kind::Path),
    ("engine", Kind::Text),
    ("engine_cache_bytes", Kind::Integer),
    ("serve_unpublished", Kind::Boolean),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Path,
    Integer,
    Boolean,
}

/// Why a configuration cannot be used. Names the field and the fix.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration {path}; write one with `maip-node init --dir DIR --node-id N`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not TOML, an unknown field, or a value of the wrong type.
    #[error("configuration {path}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// An environment variable or flag that is not of the field's type.
    #[error("{name}={value:?} is not {expected}; {name} replaces the field `{field}`")]
    Override {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What is wanted.
        expected: &'static str,
        /// The field it would replace.
        field: &'static str,
    },
    /// A field whose value cannot work.
    #[error("configuration field `{field}`: {problem}; {fix}")]
    Field {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        fix: String,
    },
}

impl ConfigError {
    pub(super) fn field(
        field: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Field { field: field.into(), problem: problem.into(), fix: fix.into() }
    }
}

/// Flags that replace fields of the file.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Replaces `node_id`.
    #[arg(long, value_name = "N")]
    pub node_id: Option<u64>,
    /// Replaces `data_dir`.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Replaces `listen`.
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Replaces `peer_listen`.
    #[arg(long, value_name = "IP:PORT")]
    pub peer_listen: Option<SocketAddr>,
    /// Replaces `http_listen`.
    #[arg(long, value_name = "IP:PORT")]
    pub http_listen: Option<SocketAddr>,
    /// Replaces `admin_key_file`.
    #[arg(long, value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// Replaces `engine`.
    #[arg(long, value_name = "fjall|sled")]
    pub engine: Option<String>,
}

impl Overrides {
    fn texts(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        [
            ("node_id", self.node_id.map(|id| id.to_string())),
            ("data_dir", self.data_dir.as_ref().map(path)),
            ("listen", self.listen.map(|address| address.to_string())),
            ("peer_listen", self.peer_listen.map(|address| address.to_string())),
            ("http_listen", self.http_listen.map(|address| address.to_string())),
            ("admin_key_file", self.admin_key_file.as_ref().map(path)),
            ("engine", self.engine.clone()),
        ]
        .into_iter()
        .filter_map(|(field, text)| Some((field, text?)))
        .collect()
    }
}

/// Loads `path`, replaces fields from `MAIP_NODE_<FIELD>` and then from flags, and checks the result.
pub fn load(path: &Path, flags: &Overrides) -> Result<Config, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let environment = SCALARS.iter().filter_map(|&(field, _)| {
        let name = format!("{ENV_PREFIX}{}", field.to_uppercase());
        env::var(&name).ok().map(|value| (field, name, value))
    });
    let flags = flags.texts().into_iter().map(|(field, value)| (field, flag_name(field), value));
    parse(path, &text, environment.chain(flags))
}

/// The configuration in `text`, as if it had been read from `path`, with `(field, its source's name, value)` laid over.
pub fn parse(
    path: &Path,
    text: &str,
    overrides: impl IntoIterator<Item = (&'static str, String, String)>,
) -> Result<Config, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let overrides: Vec<_> = overrides.into_iter().collect();
    let mut config: Config = if overrides.is_empty() {
        // Straight from the text: errors carry line and column.
        toml::from_str(text).map_err(syntax)?
    } else {
        let mut table: Table = toml::from_str(text).map_err(syntax)?;
        for (field, name, value) in overrides {
            let value = typed(field, &name, value)?;
            table.insert(field.to_owned(), value);
        }
        table.try_into().map_err(syntax)?
    };
    let base = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    config.resolve(&base.unwrap_or_default());
    config.validate()?;
    Ok(config)
}

fn typed(field: &'static str, name: &str, value: String) -> Result<Value, ConfigError> {
    let wrong =
        |expected| ConfigError::Override { name: name.to_owned(), value: value.clone(), expected, field };
    let kind = SCALARS.iter().find(|(known, _)| *known == field).map_or(Kind::Text, |(_, kind)| *kind);
    Ok(match kind {
        Kind::Text => Value::String(value),
        // Given on a command line, so relative to where the person is, not to the file.
        Kind::Path => std::path::absolute(&value)
            .map(|path| Value::String(path.to_string_lossy().into_owned()))
            .map_err(|_| wrong("a path"))?,
        Kind::Integer => Value::Integer(value.parse().map_err(|_| wrong("a whole number"))?),
        Kind::Boolean => Value::Boolean(value.parse().map_err(|_| wrong("true or false"))?),
    })
}

fn flag_name(field: &str) -> String {
    format!("--{}", field.replace('_', "-"))
}

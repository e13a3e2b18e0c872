//! The private state of the main log as the API uses it: small JSON values under readable keys.

use std::time::Duration;

use ledger_log::{Change, HostedLog, TransactOutcome};
use serde::{Serialize, de::DeserializeOwned};

use crate::ApiError;

/// How long a change of private state may take.
const TRANSACT_WAIT: Duration = Duration::from_secs(5);

/// Accounts, keys and everything else that must be the same on every node and must not be in a log.
#[derive(Clone)]
pub(crate) struct Store {
    log: HostedLog,
}

/// Changes that happen together or not at all.
pub(crate) struct Changes(Change);

impl Default for Changes {
    fn default() -> Self {
        Self(Change::new())
    }
}

impl Changes {
    /// Only if there is nothing under `key` yet.
    pub(crate) fn absent(self, key: &str) -> Self {
        Self(self.0.expect_absent(key))
    }

    /// Only if what is under `key` is still what was read.
    pub(crate) fn still(self, key: &str, value: &[u8]) -> Self {
        Self(self.0.expect_value(key, value))
    }

    /// Puts a value, which may end by the log's time.
    pub(crate) fn put(
        self,
        key: &str,
        value: &(impl Serialize + ?Sized),
        expires_at_ms: Option<u64>,
    ) -> Result<Self, ApiError> {
        let value = serde_json::to_vec(value).map_err(ApiError::internal)?;
        Ok(Self(match expires_at_ms {
            Some(expires_at_ms) => self.0.put_until(key, value, expires_at_ms),
            None => self.0.put(key, value),
        }))
    }

    /// Removes what is under `key`.
    pub(crate) fn delete(self, key: &str) -> Self {
        Self(self.0.delete(key))
    }
}

impl Store {
    pub(crate) fn new(log: HostedLog) -> Self {
        Self { log }
    }

    /// What is under `key` on this node, with its bytes for [`Changes::still`].
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, Vec<u8>)>, ApiError> {
        let Some(bytes) = self.log.reader().private(key.as_bytes()).map_err(ApiError::internal)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
        Ok(Some((value, bytes)))
    }

    /// Values whose keys begin with `prefix`, behind `after`, at most `limit`.
    pub(crate) fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>, ApiError> {
        let found = self.log.reader().private_range(prefix.as_bytes(), after.map(str::as_bytes), limit);
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let value = serde_json::from_slice(&value).map_err(ApiError::internal)?;
            Ok((String::from_utf8_lossy(&key).into_owned(), value))
        };
        found.map_err(ApiError::internal)?.pairs.into_iter().map(read).collect()
    }

    /// Does all of it, or nothing: whether it was done. When something else was expected, it was not.
    pub(crate) async fn change(&self, changes: Changes) -> Result<bool, ApiError> {
        let done = self.log.transact(changes.0, TRANSACT_WAIT).await.map_err(ApiError::from)?;
        Ok(done == TransactOutcome::Done)
    }
}

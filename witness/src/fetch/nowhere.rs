//! What a simulated witness has instead of HTTP: nothing. There, witnesses are of the consistency grade, and whatever they are sent comes
//! over the simulated network; so a simulation is built without any of what HTTP needs.

use std::{path::Path, time::Duration};

/// No connections.
#[derive(Clone, Debug)]
pub(super) struct Http;

impl Http {
    pub(super) fn new(_ca: Option<&Path>, _timeout: Duration) -> Result<Self, String> {
        Ok(Self)
    }

    pub(super) async fn get(&self, _url: &str, _bytes_max: usize) -> Result<Option<Vec<u8>>, String> {
        Err("a simulated witness reads no files".into())
    }
}

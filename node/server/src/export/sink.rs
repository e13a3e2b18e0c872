//! Where an export goes: a directory or a bucket, through one interface.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use object_store::{
    Attribute, Attributes, ObjectStore, PutOptions, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem,
    path::Path,
};

const CHECKPOINT: &str = "checkpoint";

/// The destination.
pub(super) struct Sink {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// Set for a directory: what must be on disk before the checkpoint is.
    dir: Option<PathBuf>,
}

impl Sink {
    /// Opens a directory (made when missing) or `s3://bucket/prefix` with credentials from the environment.
    pub(super) fn open(to: &str) -> anyhow::Result<Self> {
        if let Some(rest) = to.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            ensure!(!bucket.is_empty(), "--to {to}: no bucket is named; use s3://bucket/prefix");
            let store = AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .build()
                .context("the bucket cannot be used")?;
            let prefix = prefix.trim_end_matches('/').to_owned();
            return Ok(Self { store: Arc::new(store), prefix, dir: None });
        }
        fs::create_dir_all(to).with_context(|| format!("cannot create {to}"))?;
        let store = LocalFileSystem::new_with_prefix(to).with_context(|| format!("cannot use {to}"))?;
        Ok(Self { store: Arc::new(store), prefix: String::new(), dir: Some(to.into()) })
    }

    /// The checkpoint that an earlier export ended with.
    pub(super) async fn checkpoint(&self) -> anyhow::Result<Option<Bytes>> {
        match self.store.get(&self.path(CHECKPOINT)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).context("cannot read the destination's checkpoint"),
        }
    }

    /// Whether a file is there. Files appear whole or not at all.
    pub(super) async fn has(&self, path: &str) -> anyhow::Result<bool> {
        match self.store.head(&self.path(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot look for {path}")),
        }
    }

    /// Writes a tile or a bundle.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> anyhow::Result<()> {
        self.write(path, bytes, "application/octet-stream", "public, max-age=31536000, immutable").await
    }

    /// Ends an export: everything before is made durable, then the checkpoint is replaced.
    pub(super) async fn finish(&self, note: Bytes) -> anyhow::Result<()> {
        if let Some(dir) = &self.dir {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
                Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
            })
            .await?
            .context("cannot sync the destination")?;
        }
        self.write(CHECKPOINT, note, "text/plain; charset=utf-8", "public, max-age=1").await
    }

    async fn write(
        &self,
        path: &str,
        bytes: Bytes,
        kind: &'static str,
        cache: &'static str,
    ) -> anyhow::Result<()> {
        let mut options = PutOptions::default();
        // A directory keeps no headers: there the web server's configuration sets them.
        if self.dir.is_none() {
            options.attributes =
                Attributes::from_iter([(Attribute::ContentType, kind), (Attribute::CacheControl, cache)]);
        }
        let payload = PutPayload::from_bytes(bytes);
        self.store
            .put_opts(&self.path(path), payload, options)
            .await
            .with_context(|| format!("cannot write {path}"))?;
        Ok(())
    }

    fn path(&self, path: &str) -> Path {
        if self.prefix.is_empty() { Path::from(path) } else { Path::from(format!("{}/{path}", self.prefix)) }
    }
}

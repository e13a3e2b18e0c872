//! `maip admin backup`: a log in one file.

use std::{io::Write as _, path::Path};

use futures::{Stream, StreamExt as _};
use ledger_proto::v1;
use serde_json::json;

use super::{Done, Exit, Failure, Global, Out, global::AdminKey, private_file::PrivateFile};

/// Streams a backup into a file that only its owner reads: it holds what the log does not publish.
pub(super) async fn backup(key: &AdminKey, global: &Global, out: &Out, file: &Path) -> Done {
    if file.exists() {
        return Err(Failure::cannot(format!("{} exists", file.display())).next("choose another name"));
    }
    let nodes = key.nodes(global)?;
    let message = v1::LogRequest { log: global.log.clone() };
    let stream = nodes.admin(message, async |mut c, m| c.backup(m).await).await?;
    let bar = out.progress("bytes", 0);
    let bytes = save(stream, file, |bytes| bar.set_position(bytes)).await?;
    bar.finish_and_clear();
    out.answer(
        &format!("wrote {} ({bytes} bytes)", file.display()),
        &json!({ "ok": true, "file": file, "bytes": bytes }),
    );
    Ok(Exit::Ok)
}

/// Writes what comes; the file has its name only when it is complete and on disk. Says how long it is.
async fn save(
    mut stream: impl Stream<Item = Result<v1::BackupChunk, tonic::Status>> + Unpin,
    file: &Path,
    progress: impl Fn(u64),
) -> Result<u64, Failure> {
    let cannot = |e: std::io::Error| Failure::cannot(format!("{} cannot be written", file.display())).why(e);
    let mut target = PrivateFile::create(file).map_err(cannot)?;
    let mut bytes = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|status| {
            Failure::cannot("the backup broke off").why(status.message()).next("run it again")
        })?;
        target.write_all(&chunk.data).map_err(cannot)?;
        bytes += chunk.data.len() as u64;
        progress(bytes);
    }
    target.finish().map_err(cannot)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::stream;

    use super::*;

    fn chunk(text: &'static str) -> Result<v1::BackupChunk, tonic::Status> {
        Ok(v1::BackupChunk { data: text.as_bytes().into() })
    }

    #[tokio::test]
    async fn a_backup_is_whole_and_its_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("main.tar");
        let chunks = [chunk("a "), Err(tonic::Status::unavailable("gone"))];
        save(stream::iter(chunks), &file, |_| {}).await.unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "half a backup is none");
        let bytes = save(stream::iter([chunk("a "), chunk("log")]), &file, |_| {}).await.unwrap();
        assert_eq!((bytes, fs::read(&file).unwrap()), (5, b"a log".to_vec()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

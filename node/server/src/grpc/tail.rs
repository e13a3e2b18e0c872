//! `Tail`: published entries in order, a checkpoint after the entries it covers, then whatever comes.

use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use ledger_api::blocking;
use ledger_format::{BundleId, TILE_WIDTH, parse_bundle};
use ledger_log::Reader;
use ledger_proto::v1::{GetEntryResponse, TailRequest, TailResponse, tail_response::Item};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::{Services, read, refusal};

/// Answers made ahead of a slow reader.
const AHEAD: usize = 64;
/// How long to wait for a new checkpoint before looking at the reader again.
const PATIENCE: Duration = Duration::from_secs(30);

type Answers = mpsc::Sender<Result<TailResponse, Status>>;

/// Starts a tail. It ends when the caller goes, or the node stops, or the log is a sandbox and reset, or without `follow` at the present checkpoint.
pub(super) fn tail(
    services: &Services,
    request: TailRequest,
) -> Result<impl Stream<Item = Result<TailResponse, Status>> + Send + use<>, Status> {
    let reader = read::log(services, &request.log)?.reader();
    let (answers, stream) = mpsc::channel(AHEAD);
    let stop = services.stop.clone();
    tokio::spawn(async move {
        let outcome = run(reader, request.from, request.follow, &answers, stop).await;
        if let Err(status) = outcome {
            // Gone when the caller has left.
            let _ = answers.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}

async fn run(
    reader: Reader,
    from: u64,
    follow: bool,
    answers: &Answers,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Status> {
    let mut next = from;
    let mut announced = None;
    loop {
        let published = reader.checkpoint();
        if let Some(published) = published.filter(|published| announced != Some(published.checkpoint.size)) {
            while next < published.checkpoint.size {
                let Some(after) = send_bundle(&reader, next, published.checkpoint.size, answers).await?
                else {
                    return Ok(());
                };
                next = after;
            }
            announced = Some(published.checkpoint.size);
            let item = Item::Checkpoint(read::note(&published));
            if answers.send(Ok(TailResponse { item: Some(item) })).await.is_err() {
                return Ok(());
            }
        }
        if !follow {
            return Ok(());
        }
        let wanted = announced.map_or(0, |size| size + 1);
        tokio::select! {
            _ = reader.wait_published(wanted, PATIENCE) => {}
            () = answers.closed() => return Ok(()),
            () = reader.closed(), if !*stop.borrow() => {
                let fix = "read its origin again: a sandbox that was reset goes on as another log, from index 0";
                return Err(refusal::refuse(Code::Aborted, "LOG_ENDED", "log", "this log has ended", fix));
            }
            _ = stop.wait_for(|&stop| stop) => {
                let fix = "tail again from the next index, at another node";
                return Err(refusal::refuse(Code::Unavailable, "STOPPING", "", "this node is stopping", fix));
            }
        }
    }
}

/// Sends the entries from `next` to the end of its bundle or to `size`; the next index, or `None` when nobody listens.
async fn send_bundle(
    reader: &Reader,
    next: u64,
    size: u64,
    answers: &Answers,
) -> Result<Option<u64>, Status> {
    let index = next / TILE_WIDTH;
    let first = index * TILE_WIDTH;
    // At most 256, so it fits.
    let width = (size - first).min(TILE_WIDTH) as u16;
    let from = reader.clone();
    let bundle = blocking(move || from.bundle(BundleId { index, width })).await.map_err(refusal::from_api)?;
    let bundle =
        bundle.ok_or_else(|| Status::internal("an entry bundle below the published size is missing"))?;
    let entries = parse_bundle(&bundle, width)
        .map_err(|error| Status::internal(format!("entry bundle {index}: {error}")))?;
    for (place, entry) in (first..).zip(entries).skip_while(|(place, _)| *place < next) {
        let item = Item::Entry(GetEntryResponse { index: place, entry: Bytes::copy_from_slice(entry) });
        if answers.send(Ok(TailResponse { item: Some(item) })).await.is_err() {
            return Ok(None);
        }
    }
    Ok(Some(first + u64::from(width)))
}

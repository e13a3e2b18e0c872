//! A log of tens of thousands of entries as static files, served over HTTP: what `export` reads, without a cluster.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::Uri};
use ledger_format::{
    BundleId, Checkpoint, Frontier, Hash, Note, NoteSigner, SignatureType, TILE_WIDTH, TileId, encode_tile,
    leaf_hash, push_bundle_entry, tile_root,
};

pub(crate) const ORIGIN: &str = "static.example/log";

/// Path to content.
pub(crate) type Files = HashMap<String, Vec<u8>>;

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SignatureType::Ed25519, [7; 32]).unwrap()
}

/// The files of a log of `size` entries; logs with the same `history` begin alike.
pub(crate) fn files(size: u64, history: &str) -> Files {
    let mut files = Files::new();
    let mut frontier = Frontier::new();
    let mut hashes = Vec::new();
    let mut bundle = Vec::new();
    for index in 0..size {
        let entry = format!("{history} entry {index}").into_bytes();
        push_bundle_entry(&mut bundle, &entry).unwrap();
        hashes.push(leaf_hash(&entry));
        frontier.push(leaf_hash(&entry));
        let width = u16::try_from(index % TILE_WIDTH + 1).unwrap();
        if u64::from(width) == TILE_WIDTH || index + 1 == size {
            let id = BundleId { index: index / TILE_WIDTH, width };
            files.insert(id.path(), std::mem::take(&mut bundle));
        }
    }
    add_tiles(&mut files, 0, &hashes);
    let mut note = Note::new(Checkpoint::new(ORIGIN, size, frontier.root()).to_string());
    let line = signer().sign(note.text());
    note.push(line);
    files.insert("checkpoint".to_owned(), note.to_bytes());
    files
}

/// The tiles of one level and, from its full tiles, of those above.
fn add_tiles(files: &mut Files, level: u8, hashes: &[Hash]) {
    let mut above = Vec::new();
    for (index, tile) in (0..).zip(hashes.chunks(TILE_WIDTH as usize)) {
        let id = TileId { level, index, width: u16::try_from(tile.len()).unwrap() };
        files.insert(id.path(), encode_tile(tile));
        if tile.len() as u64 == TILE_WIDTH {
            above.push(tile_root(tile));
        }
    }
    if !above.is_empty() {
        add_tiles(files, level + 1, &above);
    }
}

/// Serves files until the test's runtime ends.
pub(crate) async fn serve(files: Files) -> SocketAddr {
    async fn file(State(files): State<Arc<Files>>, uri: Uri) -> Result<Vec<u8>, axum::http::StatusCode> {
        files.get(uri.path().trim_start_matches('/')).cloned().ok_or(axum::http::StatusCode::NOT_FOUND)
    }
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let app = Router::new().fallback(file).with_state(Arc::new(files));
    tokio::spawn(async move { axum::serve(socket, app).await });
    address
}

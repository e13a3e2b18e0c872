use axum::http::Request as HttpRequest;
use ledger_format::{NoteSigner, SignatureType, push_bundle_entry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::VerifyConfig;
use crate::logs::{Log, LogSet};
use crate::metrics::Metrics;
use crate::testsite::MaipLog;
use crate::{Memory, Signer, SystemClock, Verifier};

/// How long the test waits for what happens without it. Far above what is ever needed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A verifying witness of a log whose entries are at `url`.
fn witness(maip: &MaipLog, url: &str, dir: &std::path::Path) -> Witness {
    let key = NoteSigner::new("w.example/1", SignatureType::CosignatureV1, [9; 32]).expect("a name");
    let identity = key.vkey().to_string();
    crate::persist::create(dir, &identity).expect("an empty directory");
    let metrics = Arc::new(Metrics::default());
    let memory = Memory::open(dir, &identity, metrics.clone()).expect("a memory");
    let log = Log { entries_urls: vec![url.to_owned()], ..Log::new(&maip.tree.vkey(), None).expect("a log") };
    let verifier = Verifier::new(VerifyConfig::default(), metrics.clone()).expect("a verifier");
    let signer = Signer::new(key, None, Arc::new(SystemClock), 0);
    let logs = LogSet::new([log]).expect("one log");
    Witness::new(logs, memory, signer, Arc::new(SystemClock), dir, Some(verifier), metrics)
        .expect("a directory of its own")
}

/// A caller that hangs up in the middle of the replay: it goes on, and what it leads to is remembered.
#[tokio::test]
async fn a_replay_goes_on_when_the_caller_hangs_up() {
    let maip = MaipLog::new(5);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/log", listener.local_addr().expect("an address"));
    let dir = tempfile::tempdir().expect("a directory");
    let witness = Arc::new(witness(&maip, &url, dir.path()));
    let service = TowerToHyperService::new(app(witness.clone(), Limits::default()));
    let request = HttpRequest::post("/add-checkpoint").body(Body::from(maip.tree.body(0, 5)));
    let caller = tokio::spawn(service.call(request.expect("a request")));
    // The witness asks for the entries: the caller goes away, and only then they come.
    let (mut site, _) = listener.accept().await.expect("a connection");
    caller.abort();
    assert!(caller.await.expect_err("aborted").is_cancelled());
    let mut bundle = Vec::new();
    for entry in &maip.entries {
        push_bundle_entry(&mut bundle, entry).expect("an entry fits");
    }
    let mut head = [0; 1024];
    assert!(site.read(&mut head).await.is_ok_and(|read| read > 0), "the witness still asks");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bundle.len());
    site.write_all(&[answer.as_bytes(), &bundle].concat()).await.expect("the witness reads");
    let cosigned = async {
        while witness.memory().latest(&maip.tree.origin).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, cosigned).await.expect("cosigned without its caller");
}

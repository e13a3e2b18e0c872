//! Links between nodes that can be cut and healed.
//!
//! A proxy stands in front of each node's peer port. A cut is a network that loses everything: bytes wait,
//! connections neither break nor advance, new ones hang. After healing the waiting bytes go on, as TCP's own
//! retransmissions would. Cuts have a direction, so one-way failures can be made too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

/// Bytes moved at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a proxy waits for the node behind it to accept.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// All links of a devnet.
#[derive(Clone, Debug, Default)]
pub struct Links {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Directed links that lose everything: (from, to).
    cut: BTreeSet<(u64, u64)>,
    /// Which process is which node, to tell who a connection is from.
    node_of_pid: BTreeMap<u32, u64>,
    /// Addresses of the proxies, to wake their accept loops at the end.
    fronts: Vec<SocketAddr>,
}

impl Links {
    /// Starts a proxy on `front` for the peer port `back` of `node`.
    pub fn add(&self, node: u64, front: SocketAddr, back: SocketAddr) -> Result<()> {
        let listener = TcpListener::bind(front).with_context(|| format!("cannot listen on {front}"))?;
        self.shared.state().fronts.push(front);
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name(format!("links to node {node}")).spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || shared.serve(stream, node, front, back));
                }
            }
        })?;
        Ok(())
    }

    /// Says that process `pid` is `node`. Call it after every start.
    pub fn register(&self, pid: u32, node: u64) {
        self.shared.state().node_of_pid.insert(pid, node);
    }

    /// Cuts everything from `from` to `to`; the other direction stays.
    pub fn cut(&self, from: u64, to: u64) {
        self.shared.state().cut.insert((from, to));
    }

    /// Cuts both directions between every two nodes of different groups.
    pub fn partition(&self, groups: &[&[u64]]) {
        let mut state = self.shared.state();
        for (i, group) in groups.iter().enumerate() {
            for (j, other) in groups.iter().enumerate() {
                if i != j {
                    state.cut.extend(group.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))));
                }
            }
        }
    }

    /// Ends every cut.
    pub fn heal(&self) {
        self.shared.state().cut.clear();
        self.shared.changed.notify_all();
    }

    /// Ends the proxies.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        let fronts = std::mem::take(&mut self.shared.state().fronts);
        for front in fronts {
            // Only wakes the accept loop; whether it succeeds does not matter.
            drop(TcpStream::connect_timeout(&front, Duration::from_millis(200)));
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: Arc<Self>, client: TcpStream, to: u64, front: SocketAddr, back: SocketAddr) {
        // An unknown caller (a test's own client) is node 0, whose links nobody cuts.
        let from = client.peer_addr().ok().and_then(|peer| self.caller(peer, front)).unwrap_or(0);
        self.wait_for_link(from, to);
        let Ok(server) = TcpStream::connect_timeout(&back, CONNECT_LIMIT) else { return };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let (Ok(client_out), Ok(server_out)) = (client.try_clone(), server.try_clone()) else { return };
        let forth = Arc::clone(&self);
        let back_pump = Arc::clone(&self);
        thread::spawn(move || forth.pump(client, server_out, from, to));
        back_pump.pump(server, client_out, to, from);
    }

    fn pump(&self, mut source: TcpStream, mut sink: TcpStream, from: u64, to: u64) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(read @ 1..) = source.read(&mut buffer) {
            self.wait_for_link(from, to);
            if self.closed.load(Ordering::SeqCst) || sink.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The end of a connection is a packet too: it does not cross a cut link.
        self.wait_for_link(from, to);
        let _ = sink.shutdown(Shutdown::Write);
        let _ = source.shutdown(Shutdown::Read);
    }

    fn wait_for_link(&self, from: u64, to: u64) {
        let mut state = self.state();
        while state.cut.contains(&(from, to)) && !self.closed.load(Ordering::SeqCst) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Which node opened the connection that comes from `peer`, found through the kernel's socket table.
    fn caller(&self, peer: SocketAddr, front: SocketAddr) -> Option<u64> {
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        let socket = format!("socket:[{}]", socket_inode(&table, peer.port(), front.port())?);
        let candidates = self.state().node_of_pid.clone();
        candidates.into_iter().find(|(pid, _)| owns(*pid, &socket)).map(|(_, node)| node)
    }
}

/// Whether process `pid` has `socket` (`socket:[inode]`) open.
fn owns(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
}

/// The inode of the socket whose local and remote ports are these, from the text of `/proc/net/tcp`.
fn socket_inode(table: &str, local_port: u16, remote_port: u16) -> Option<&str> {
    let (local, remote) = (format!(":{local_port:04X}"), format!(":{remote_port:04X}"));
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let found = fields.get(1)?.ends_with(&local) && fields.get(2)?.ends_with(&remote);
        if found { fields.get(9).copied() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..read]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    fn front() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn a_cut_link_holds_bytes_until_it_heals() {
        let links = Links::default();
        let front = front();
        links.add(2, front, echo()).unwrap();
        // This test's process plays node 1.
        links.register(std::process::id(), 1);
        let mut stream = TcpStream::connect(front).unwrap();
        let mut byte = [0];
        stream.write_all(b"a").unwrap();
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"a");

        links.partition(&[&[1], &[2, 3]]);
        stream.write_all(b"b").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(stream.read_exact(&mut byte).is_err(), "a cut link carried a byte");

        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        links.heal();
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"b");
        links.close();
    }

    #[test]
    fn the_socket_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                        0: 0100007F:1F90 0100007F:9C41 01 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n";
        assert_eq!(socket_inode(table, 0x1F90, 0x9C41), Some("4242"));
        assert_eq!(socket_inode(table, 0x9C41, 0x1F90), None);
    }
}

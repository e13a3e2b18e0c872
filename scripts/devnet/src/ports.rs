//! Free loopback ports.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, bail};

/// Ports are taken from here: below the range that Linux hands to outgoing connections (32768 and up), because
/// such a connection could take a node's port while the node is down between kill and restart.
const RANGE: std::ops::Range<u16> = 18_000..32_000;

/// How many ports are tried before we give up.
const TRIES_MAX: u32 = 2_000;

/// What this process has given: a port is free until its node listens, and while that node is down. The devnets of one process,
/// such as those of tests that run side by side, must not meet there.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Hands out loopback ports that were free when asked, each one once in a process.
///
/// Each allocator starts at a random place, so that devnets of processes started at the same time seldom meet; when they do,
/// one of them fails at start with the log line of the process that could not listen.
#[derive(Debug)]
pub struct Ports {
    next: u16,
}

impl Default for Ports {
    fn default() -> Self {
        let width = u64::from(RANGE.end - RANGE.start);
        // RandomState is seeded by the operating system: good enough to spread, and no dependency.
        let offset = RandomState::new().hash_one(std::process::id()) % width;
        Ports { next: RANGE.start + u16::try_from(offset).unwrap_or(0) }
    }
}

impl Ports {
    /// The next free port, as a loopback address.
    pub fn take(&mut self) -> Result<SocketAddr> {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES_MAX {
            let port = self.next;
            self.next = if port + 1 < RANGE.end { port + 1 } else { RANGE.start };
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if !given.contains(&port) && TcpListener::bind(address).is_ok() {
                given.insert(port);
                return Ok(address);
            }
        }
        bail!("no free port between {} and {} on 127.0.0.1", RANGE.start, RANGE.end)
    }
}

#[test]
fn a_port_is_given_once_and_can_be_bound() {
    let mut ports = Ports::default();
    let first = ports.take().unwrap();
    let second = ports.take().unwrap();
    assert_ne!(first, second);
    // What somebody else holds is passed over.
    let held = TcpListener::bind(second).unwrap();
    GIVEN.lock().unwrap().remove(&second.port());
    ports.next = second.port();
    assert_ne!(ports.take().unwrap(), held.local_addr().unwrap());
}

#[test]
fn another_devnet_of_the_process_gets_other_ports() {
    let mut one = Ports::default();
    let mut other = Ports { next: one.next };
    let first = one.take().unwrap();
    // Nobody listens there yet.
    assert_ne!(first, other.take().unwrap());
}

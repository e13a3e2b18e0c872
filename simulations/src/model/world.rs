//! The worlds that are explored: how many nodes and witnesses, and how much bad luck. Each says what is promised in it.

use super::promise::Promise;

/// Bounds of one exploration.
#[derive(Clone, Debug)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Number of nodes.
    pub nodes: usize,
    /// The clusters at the start, as bits. A second one is made from a backup of the first.
    pub clusters: Vec<u8>,
    /// Members after a change, as bits; 0 without one.
    pub new_members: u8,
    /// Number of witnesses.
    pub witnesses: usize,
    /// How many of them make a checkpoint witnessed.
    pub quorum: usize,
    /// Highest term.
    pub terms: u8,
    /// Distinct records.
    pub records: u8,
    /// Longest Raft log.
    pub log: usize,
    /// Crashes, flipped bits, lies, and records sent again.
    pub luck: [u8; 4],
    /// A backup may be made and, once, restored.
    pub backup: bool,
    /// A restore leaves the sign guards as they are, as restoring the log's state does.
    pub guards_stay: bool,
    /// Checkpoints are published through the Raft log (else cosigning is the last step).
    pub publishes: bool,
    /// What is promised here.
    pub promises: Vec<Promise>,
}

/// A cluster of three with one witness, and nothing else.
fn cluster(name: &'static str, about: &'static str) -> World {
    World {
        name,
        about,
        nodes: 3,
        clusters: vec![0b111],
        new_members: 0,
        witnesses: 1,
        quorum: 1,
        terms: 3,
        records: 2,
        log: 5,
        luck: [0; 4],
        backup: false,
        guards_stay: true,
        publishes: false,
        promises: vec![
            Promise::Signed,
            Promise::SignedByOneDisk,
            Promise::NothingAgainstWitnessed,
            Promise::Witnessed,
            Promise::WitnessOnce,
            Promise::NeverShrinks,
            Promise::OwnTree,
            Promise::Acknowledged,
            Promise::OneIndex,
            Promise::ValidPublished,
            Promise::TrueAlarm,
        ],
    }
}

/// What is left to promise when a cluster has been set back to a backup.
fn after_a_restore() -> Vec<Promise> {
    vec![
        Promise::SignedByOneDisk,
        Promise::NothingAgainstWitnessed,
        Promise::Witnessed,
        Promise::WitnessOnce,
        Promise::OneIndex,
        Promise::ValidPublished,
    ]
}

/// Every world that is explored.
pub fn worlds() -> Vec<World> {
    vec![
        World {
            luck: [1, 0, 0, 0],
            log: 4,
            ..cluster("crashes", "three nodes, leaders that change, one crash, one witness")
        },
        World {
            publishes: true,
            luck: [1, 0, 0, 0],
            terms: 2,
            ..cluster("publishing", "three nodes that publish through the Raft log, one crash")
        },
        World {
            luck: [0, 1, 0, 0],
            publishes: true,
            terms: 2,
            log: 4,
            ..cluster("rot", "a bit flips in one node's first entry")
        },
        World {
            luck: [0, 0, 0, 1],
            records: 1,
            ..cluster("retries", "a client sends its record again, to whoever leads")
        },
        World {
            nodes: 4,
            new_members: 0b1001,
            clusters: vec![0b0111],
            terms: 2,
            records: 1,
            ..cluster("members", "two of three nodes leave, a new one comes in")
        },
        World {
            nodes: 1,
            clusters: vec![0b1],
            witnesses: 3,
            quorum: 2,
            records: 2,
            terms: 2,
            log: 6,
            luck: [1, 0, 1, 0],
            publishes: true,
            ..cluster(
                "witnesses",
                "one node, three witnesses of which two suffice, one of them lies or crashes",
            )
        },
        World {
            witnesses: 3,
            quorum: 2,
            nodes: 1,
            clusters: vec![0b1],
            records: 2,
            terms: 3,
            backup: true,
            promises: after_a_restore(),
            ..cluster("restore", "a whole cluster is set back to a backup; its sign guards stay")
        },
        World {
            witnesses: 3,
            quorum: 2,
            nodes: 1,
            clusters: vec![0b1],
            records: 2,
            terms: 3,
            backup: true,
            guards_stay: false,
            promises: after_a_restore().into_iter().filter(|p| *p != Promise::SignedByOneDisk).collect(),
            ..cluster(
                "new machines",
                "a whole cluster is set back to a backup on new disks, without sign guards",
            )
        },
        World {
            witnesses: 3,
            quorum: 1,
            nodes: 1,
            clusters: vec![0b1],
            records: 2,
            terms: 3,
            backup: true,
            guards_stay: false,
            promises: vec![Promise::NothingAgainstWitnessed, Promise::WitnessOnce],
            ..cluster("any of three", "as before, where the word of any one of three witnesses is enough")
        },
        World {
            nodes: 2,
            clusters: vec![0b01, 0b10],
            witnesses: 3,
            quorum: 2,
            records: 1,
            luck: [1, 0, 0, 0],
            terms: 2,
            backup: true,
            promises: vec![
                Promise::SignedByOneDisk,
                Promise::Witnessed,
                Promise::WitnessOnce,
                Promise::OneIndex,
                Promise::ValidPublished,
            ],
            ..cluster("twins", "a second cluster is started from a backup while the first one goes on")
        },
    ]
}

/// A world that goes beyond what the rules can promise, and what is lost in it.
pub fn limits() -> Vec<(World, Promise)> {
    vec![
        (
            World {
                nodes: 2,
                clusters: vec![0b11],
                witnesses: 1,
                backup: true,
                promises: vec![Promise::Signed],
                ..cluster(
                    "unwitnessed",
                    "a cluster restored behind what it has signed and nobody has cosigned",
                )
            },
            Promise::Signed,
        ),
        (
            World {
                nodes: 2,
                clusters: vec![0b01, 0b10],
                terms: 2,
                backup: true,
                promises: vec![Promise::NothingAgainstWitnessed],
                ..cluster("twins sign", "two clusters from one backup, both with the key")
            },
            Promise::NothingAgainstWitnessed,
        ),
    ]
}

//! Suites every engine and the Raft log must pass, and a disk that fails on demand.

//! Ordered bytes on disk and in memory, the Raft log, tile files.

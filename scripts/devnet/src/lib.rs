//! The program maip-devnet: a cluster of real processes on loopback.

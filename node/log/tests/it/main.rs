//! A cluster in one process: real consensus, real disks, an exchangeable network, witnesses that follow the rules unless told
//! otherwise. What only whole processes can show is tested with whole processes elsewhere.

mod alarms;
mod calls;
mod cluster;
mod damaged;
mod generations;
mod harness;
mod leading;
mod limits;
mod own;
mod payloads;
mod present;
mod private;
mod publishing;
mod rotation;
mod rules;
mod seal;
mod snapshots;
mod timeline;
mod tokens;
mod witness;

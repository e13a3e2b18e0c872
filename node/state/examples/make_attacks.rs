//! Writes `vectors/attacks.json` from the scenes of its test; a test holds them equal.
//!
//! `cargo run -p ledger-state --example make_attacks`

#[path = "../tests/attacks/file.rs"]
mod file;
#[path = "../tests/attacks/scenes.rs"]
mod scenes;
#[path = "../tests/world/mod.rs"]
mod world;

fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/attacks.json"), file::text())
}

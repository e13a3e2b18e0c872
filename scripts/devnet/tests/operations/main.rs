//! The procedures of `docs/operating.md`, each done as the manual tells it: the same commands, on real processes.

mod care;
mod erasure;
mod keys;
mod lifecycle;
mod manual;
mod recovery;
mod sandbox;
mod site;

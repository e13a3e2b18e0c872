//! Fuzz targets of `ledger-state`. Run them with `scripts/fuzz`.

pub mod checks;

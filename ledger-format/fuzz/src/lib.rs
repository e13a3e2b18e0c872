//! Fuzz targets of the parsers of `ledger-format`. Run them with `scripts/fuzz`.

pub mod checks;
pub mod damage;

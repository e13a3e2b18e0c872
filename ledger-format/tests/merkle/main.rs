//! The hash tree against independent implementations: `tlog_tiles`, `ct_merkle` and `rs_merkle`.

mod altered;
mod large;
mod small;
mod tiles;
mod trees;

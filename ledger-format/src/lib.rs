//! Every published format of the ledger and all verification: no I/O, no clock.

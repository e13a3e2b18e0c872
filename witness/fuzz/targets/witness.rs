#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledger_witness_fuzz::witness(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ledger_state_fuzz::checks::replay(data));

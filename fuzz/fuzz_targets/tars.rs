#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reg_fuzz::tars(bytes));

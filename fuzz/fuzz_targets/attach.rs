#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| probelet_fuzz_targets::run("attach", data));

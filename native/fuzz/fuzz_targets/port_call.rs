#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    pando_fuzz::targets::port_call::check(input);
});

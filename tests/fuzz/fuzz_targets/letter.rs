#![no_main]

#[path = "../invariants.rs"]
#[expect(dead_code, reason = "each target tries one rule")]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| invariants::letter(input.0, input.1));

#![no_main]

#[path = "../invariants.rs"]
#[expect(dead_code, reason = "each target tries one rule")]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: (std::net::IpAddr, &str)| invariants::forwarded(input.0, input.1));

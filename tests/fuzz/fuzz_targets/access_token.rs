#![no_main]

#[path = "../invariants.rs"]
#[expect(dead_code, reason = "each target tries one rule")]
mod invariants;

// A whole token, or one of ours with another header, other claims or both.
libfuzzer_sys::fuzz_target!(|input: (&str, Option<&str>, Option<&str>)| {
    invariants::access_token(input.0);
    invariants::altered_access_token(input.1, input.2);
});

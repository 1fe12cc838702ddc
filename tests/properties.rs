//! The rules for what strangers send, tried with thousands of inputs that nobody thought of.
//!
//! What must hold is in `fuzz/invariants.rs`, which the fuzz targets share. An input that failed once is kept beside this
//! file and tried first from then on.

#[path = "fuzz/invariants.rs"]
mod invariants;

use std::net::IpAddr;

use proptest::prelude::*;

/// Text that comes close to what the parsers look for.
fn near(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![4 => prop::sample::select(parts).prop_map(str::to_owned), 1 => any::<String>(), 1 => "[ -~]{0,8}"],
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_address_is_one_plain_mailbox(text in near(&[
        "ada", "@", ".", "example", "org", "+", "\"", "<", ">", "(", "\r\n", "\0", "xn--", "ﬀ", "ı", "K", "bücher",
        "[127.0.0.1]", "\u{202e}", " ", ",", "%", "=?utf-8?q?x?=", "\u{ad}", "-",
    ])) {
        invariants::email(&text);
    }

    #[test]
    fn only_our_own_refresh_tokens_are_read(text in near(&["dcrt_", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "=", "A", "-_"])) {
        invariants::refresh_token(&text);
    }

    #[test]
    fn a_bent_refresh_token_is_none(session: u128, counter: u32, place: usize, bend in 1_u8..) {
        invariants::bent_refresh_token(session, counter, place, bend);
    }

    #[test]
    fn only_our_own_access_tokens_are_good(text in near(&["eyJ", "eyJhbGciOiJub25lIn0", ".", "..", "e30", "AAAA", "="])) {
        invariants::access_token(&text);
    }

    #[test]
    fn an_altered_access_token_is_none(
        header in prop::option::of(near(&[
            "{\"alg\":\"", "ES256", "none", "HS256", "\",\"kid\":\"", "reader-1", "management-1", "\",\"typ\":\"JWT", "\"}",
            "\",\"jwk\":{", "\",\"crit\":[\"",
        ])),
        claims in prop::option::of(near(&[
            "{", "}", "\"iss\":\"http://reader.localhost:8080/auth/v1\"", ",", "\"exp\":1790003600", "\"aud\":\"reader\"", "\"sub\":",
        ])),
    ) {
        invariants::altered_access_token(header.as_deref(), claims.as_deref());
    }

    #[test]
    fn a_service_key_has_one_form(text in near(&["doorcode_sk_", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "B", "=", "/"])) {
        invariants::service_key(&text);
    }

    #[test]
    fn a_destination_never_leaves_the_site(wished in near(&[
        "/", "//", "\\", "http:", "https:", "reader.localhost:8080", "evil.example", "@", "#", "?", "..", "%2e", "%2f",
        "\t", "javascript:", "localhost:3000", ".", "[::1]", ":", "books",
    ])) {
        invariants::destination(&wished);
    }

    #[test]
    fn a_path_at_the_gate_means_one_thing(text in near(&[
        "/", "..", ".", "%2e", "%2F", "%5c", "\\", ";", "%25", "profile", "?", "#", "%00", "//", "%c0%af", "sách",
    ])) {
        invariants::gate_target(&text);
    }

    #[test]
    fn a_forwarded_address_is_believed_from_our_proxies_alone(
        peer in prop_oneof![Just("10.0.0.1"), Just("203.0.113.1"), Just("fd00::1"), Just("2001:db8::1")],
        header in near(&["10.0.0.2", "198.51.100.7", ", ", ",", "fd00::2", "unknown", "::ffff:198.51.100.9", ":80", "\""]),
    ) {
        invariants::forwarded(peer.parse::<IpAddr>().expect("an address"), &header);
    }
}

proptest! {
    // Each renders ten letters.
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_name_in_a_mail_stays_text(
        name in near(&["{{7*7}}", "{%", "<script>", "</a>", "<a href=x>", "\r\nBcc: x@y.z", "&lt;", "\"", "'", "Library"]),
        message in near(&["{{code}}", "<img src=x>", "\r\n.\r\n", "<!--", "]]>", "&", "text", "\u{202e}"]),
    ) {
        invariants::letter(&name, &message);
    }
}

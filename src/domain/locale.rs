//! The languages we write in, and which of them a request or an account asks for.
//!
//! Only the choice lives here; the words are in `email-templates/locales` and `pages/locales`, one file a
//! language. Where nothing fits, the answer is `None` and the site's own locale decides.

use fluent_langneg::{LanguageIdentifier, NegotiationStrategy, negotiate_languages};

/// The longest `Accept-Language` that is read, in bytes. Browsers send under 100.
const MAX_ACCEPT_LANGUAGE: usize = 512;

/// A language that every page and every mail exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English, in no region's spelling.
    English,
    /// Vietnamese.
    Vietnamese,
    /// Spanish, in no country's form.
    Spanish,
    /// French.
    French,
    /// German.
    German,
}

impl Locale {
    /// Every language, in the order in which lists show them.
    pub const ALL: [Self; 5] = [Self::English, Self::Vietnamese, Self::Spanish, Self::French, Self::German];

    /// Their tags as an error lists them.
    pub const TAGS: &'static str = "en, vi, es, fr or de";

    /// The BCP 47 tag: `en`, `vi`, `es`, `fr` or `de`. Good for `lang` attributes and for storing.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Vietnamese => "vi",
            Self::Spanish => "es",
            Self::French => "fr",
            Self::German => "de",
        }
    }

    /// Finds the language of exactly this tag of ours.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag() == tag)
    }

    /// Reads one tag, in any case, alone or with a region: `vi`, `vi-VN`, `EN_us`.
    ///
    /// `None` for every other language, and for anything that is no language tag.
    #[must_use]
    pub fn parse(tag: &str) -> Option<Self> {
        if tag.len() > MAX_ACCEPT_LANGUAGE {
            return None;
        }
        let asked = LanguageIdentifier::try_from_bytes(tag.as_bytes()).ok()?;
        Self::ALL.into_iter().find(|locale| asked.language == locale.identifier().language)
    }

    /// The best language for an `Accept-Language` value (RFC 9110 §12.5.4), by lookup (RFC 4647 §3.4).
    ///
    /// The highest weight that fits wins, and among equals the first. A weight of 0 refuses a language, `*`
    /// chooses none. A header that is too long or has bytes no such header may have counts as absent: it is
    /// a wish, so a broken one is worth no error.
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Option<Self> {
        let odd = |byte: u8| !matches!(byte, b' ' | b'\t' | b'!'..=b'~');
        if accept_language.len() > MAX_ACCEPT_LANGUAGE || accept_language.bytes().any(odd) {
            return None;
        }
        let mut ranges: Vec<_> = accept_language.split(',').filter_map(parse_range).collect();
        // The library reads order, not weights; the sort is stable, so equals keep theirs.
        ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let (wanted, refused): (Vec<_>, Vec<_>) = ranges.into_iter().partition(|(_, weight)| *weight > 0);
        let wanted: Vec<_> = wanted.into_iter().map(|(range, _)| range).collect();
        let offered: Vec<_> = Self::ALL
            .map(Self::identifier)
            .into_iter()
            .filter(|ours| refused.iter().all(|(range, _)| range != ours))
            .collect();
        let found = negotiate_languages(&wanted, &offered, None, NegotiationStrategy::Lookup);
        Self::ALL.into_iter().find(|locale| found.first() == Some(&&locale.identifier()))
    }

    fn identifier(self) -> LanguageIdentifier {
        // The tags are ours and valid, which a test holds; an undetermined language would match nothing.
        self.tag().parse().unwrap_or(LanguageIdentifier::UND)
    }
}

/// One member of the list and its weight in thousandths; `None` if it names no language or is malformed.
fn parse_range(member: &str) -> Option<(LanguageIdentifier, u16)> {
    let (tag, weight) = match member.split_once(';') {
        Some((tag, parameter)) => (tag, parse_weight(parameter)?),
        None => (member, 1000),
    };
    let range = LanguageIdentifier::try_from_locale_bytes(tag.trim().as_bytes()).ok()?;
    // `und` would match any language of ours, and so choose where nobody chose.
    (!range.language.is_empty()).then_some((range, weight))
}

/// `q=0.8` as 800: at most three decimals, 0 to 1 (RFC 9110 §12.4.2).
fn parse_weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.trim().split_once('=')?;
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !name.trim().eq_ignore_ascii_case("q") || !digits || !matches!(whole, "0" | "1") {
        return None;
    }
    let weight: u16 = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_reads_back() {
        for locale in Locale::ALL {
            assert_eq!(Locale::parse(locale.tag()), Some(locale));
            assert_eq!(Locale::from_tag(locale.tag()), Some(locale));
            assert_eq!(locale.identifier().to_string(), locale.tag());
        }
    }

    #[test]
    fn an_error_lists_every_tag() {
        let listed: Vec<_> =
            Locale::TAGS.split([',', ' ']).filter(|word| !matches!(*word, "" | "or")).collect();
        assert_eq!(listed, Locale::ALL.map(Locale::tag));
        assert_eq!(Locale::from_tag(Locale::TAGS), None);
        assert_eq!(Locale::from_tag("en-GB"), None);
    }

    #[test]
    fn a_region_and_any_case_are_fine_but_another_language_is_not() {
        assert_eq!(Locale::parse("VI-vn"), Some(Locale::Vietnamese));
        assert_eq!(Locale::parse("en_GB"), Some(Locale::English));
        assert_eq!(Locale::parse("es-419"), Some(Locale::Spanish));
        assert_eq!(Locale::parse("fr_CA"), Some(Locale::French));
        assert_eq!(Locale::parse("de-CH"), Some(Locale::German));
        for tag in ["", "und", "*", "pt", "vie", "eng", "en-", "vi VN", "english", "e", "vi\0", "v\u{131}"] {
            assert_eq!(Locale::parse(tag), None, "{tag:?}");
        }
    }

    #[test]
    fn weights_decide_and_order_breaks_ties() {
        let cases = [
            ("vi", Some(Locale::Vietnamese)),
            ("vi-VN,vi;q=0.9,en-US;q=0.8,en;q=0.7", Some(Locale::Vietnamese)),
            ("en;q=0.7, vi;q=0.701", Some(Locale::Vietnamese)),
            ("en;q=0.5,vi;q=0.5", Some(Locale::English)),
            ("pt-BR, vi;q=0.4", Some(Locale::Vietnamese)),
            ("es-419,es;q=0.9,en;q=0.8", Some(Locale::Spanish)),
            ("ca, es-ES;q=0.9, fr;q=0.9", Some(Locale::Spanish)),
            ("fr-CA, en-CA;q=0.9", Some(Locale::French)),
            ("de-AT-1996, en;q=0.3", Some(Locale::German)),
            ("gsw-CH, de;q=0.8, fr;q=0.6", Some(Locale::German)),
            ("*, vi;q=0.1", Some(Locale::Vietnamese)),
            ("en-GB-oxendict", Some(Locale::English)),
            ("vi-VN-u-ca-gregory", Some(Locale::Vietnamese)),
            ("EN ; Q=1.000", Some(Locale::English)),
            ("en;q=0, vi;q=0.001", Some(Locale::Vietnamese)),
            ("en-US, en;q=0", None),
            ("en;q=0", None),
            ("en-GB;q=0, en", Some(Locale::English)),
            ("en;q=2, vi;q=0.1", Some(Locale::Vietnamese)),
            ("en;q=, ;;, vi", Some(Locale::Vietnamese)),
            ("pt, it;q=0.9", None),
            ("und", None),
            ("*", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Locale::negotiate(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_header_no_browser_sends_counts_as_absent() {
        assert_eq!(Locale::negotiate(&"vi,".repeat(171)), None, "513 bytes");
        assert_eq!(Locale::negotiate("vi\r\nX: y"), None);
        assert_eq!(Locale::negotiate("vi, ti\u{1ebf}ng"), None);
        // Every string of up to three of these, so that no parser below us can panic on one.
        let pieces = ["en", "vi", "-", ";", "q", "=", "0", "1.", ",", " ", "*", "u", "\0", "\u{e9}"];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    let _ = Locale::negotiate(&format!("{a}{b}{c}"));
                    let _ = Locale::negotiate(&format!("vi;{a}{b}{c},en-{a}{b}{c}"));
                    let _ = Locale::parse(&format!("{a}{b}{c}"));
                }
            }
        }
    }
}

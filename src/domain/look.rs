//! How a site shows itself on its pages: colour, logo, footer, and where its libraries live.

use std::fmt;
use std::sync::Arc;

/// The least contrast of text with what it stands on (WCAG 2.2, 1.4.3).
pub const READABLE: f64 = 4.5;

/// What sets the pages of one site apart from those of another.
#[derive(Debug, Clone)]
pub struct Look {
    /// Of buttons and links; readable on white.
    pub color: Color,
    /// Stands beside the name. Without one the name's initial does, in a square of `color`.
    pub logo: Option<Logo>,
    /// A line below every page; maybe none.
    pub footer: String,
    /// Whether the pages are served at all.
    pub pages: bool,
    /// Where a library's own pages are: a path or URL of the site, with `{code}` for the library's code.
    pub library_home: String,
}

impl Look {
    /// Where the pages of the library with this code are. The code is encoded, so that it stays one part.
    #[must_use]
    pub fn home_of(&self, code: &str) -> String {
        let encoded = percent_encoding::utf8_percent_encode(code, percent_encoding::NON_ALPHANUMERIC);
        self.library_home.replace("{code}", &encoded.to_string())
    }
}

/// A colour of the sRGB space, as screens have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// What pages in light colours stand on.
    pub const WHITE: Self = Self([255; 3]);
    const BLACK: Self = Self([0; 3]);

    /// Red, green and blue.
    #[must_use]
    pub const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Reads `#rrggbb`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// The contrast of the two, 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This colour, or as light a shade of it as it takes to be readable on a dark `ground`.
    #[must_use]
    pub fn on_dark(self, ground: Self) -> Self {
        self.shade(Self::WHITE, ground)
    }

    /// This colour, or as dark a shade of it as it takes to be readable on white.
    #[must_use]
    pub fn on_white(self) -> Self {
        self.shade(Self::BLACK, Self::WHITE)
    }

    /// The first of 256 steps towards `end` that is readable on `ground`.
    fn shade(self, end: Self, ground: Self) -> Self {
        let shades = (0..=u8::MAX).map(|step| self.mixed(end, step));
        shades.into_iter().find(|shade| shade.contrast(ground) >= READABLE).unwrap_or(end)
    }

    /// `share` of 255 parts of `other` in this.
    fn mixed(self, other: Self, share: u8) -> Self {
        let mut mixed = self.0;
        for (mine, theirs) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*mine) * u16::from(u8::MAX - share) + u16::from(theirs) * u16::from(share);
            *mine = u8::try_from(sum / u16::from(u8::MAX)).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        red.mul_add(0.2126, green.mul_add(0.7152, blue * 0.0722))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A picture file whose content is what its type says.
#[derive(Clone)]
pub struct Logo {
    media_type: &'static str,
    bytes: Arc<[u8]>,
}

impl Logo {
    /// The largest logo, in bytes. Every page shows it, and a good one has a few thousand.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Tells a PNG, WebP or SVG picture by its content; the name of a file says nothing here. `None` for anything
    /// else, and for one that is too large.
    #[must_use]
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let media_type = match bytes.as_slice() {
            large if large.len() > Self::MAX_BYTES => return None,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            text if is_svg(text) => "image/svg+xml",
            _ => return None,
        };
        Some(Self { media_type, bytes: bytes.into() })
    }

    /// For the `Content-Type` header.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

/// Whether the text begins as an SVG document does, perhaps after a declaration and comments.
fn is_svg(bytes: &[u8]) -> bool {
    let Ok(mut text) = str::from_utf8(bytes) else { return false };
    text = text.trim_start_matches('\u{feff}').trim_start();
    for (start, end) in [("<?xml", "?>"), ("<!--", "-->"), ("<!DOCTYPE svg", ">"), ("<!--", "-->")] {
        while text.starts_with(start) {
            let Some((_, rest)) = text.split_once(end) else { return false };
            text = rest.trim_start();
        }
    }
    text.starts_with("<svg") && text[4..].starts_with(|c: char| c.is_whitespace() || c == '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_hexadecimal_digits() {
        assert_eq!(Color::parse("#1D4ed8").map(|color| color.to_string()).as_deref(), Some("#1d4ed8"));
        for text in ["", "1d4ed8", "#1d4ed", "#1d4ed8f", "#1d4eg8", "#+d4ed8", "red", "#é4ed8"] {
            assert_eq!(Color::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        let contrast = |a: &str| Color::parse(a).unwrap().contrast(Color::WHITE);
        assert!((contrast("#000000") - 21.0).abs() < 0.001 && (contrast("#ffffff") - 1.0).abs() < 0.001);
        // The two greys on either side of 4.5, as every contrast checker shows them.
        assert!(contrast("#767676") > READABLE && contrast("#777777") < READABLE);
    }

    #[test]
    fn every_colour_has_a_readable_shade_on_dark_and_on_white() {
        let ground = Color::rgb(0x19, 0x1d, 0x23);
        let parts = [0, 51, 102, 153, 204, 255];
        for red in parts {
            for green in parts {
                for blue in parts {
                    let color = Color::rgb(red, green, blue);
                    assert!(color.on_dark(ground).contrast(ground) >= READABLE, "{color}");
                    assert!(color.on_white().contrast(Color::WHITE) >= READABLE, "{color}");
                }
            }
        }
        let light = Color::rgb(255, 204, 102);
        assert_eq!(light.on_dark(ground), light, "what is readable stays as it is");
    }

    #[test]
    fn a_logo_is_known_by_its_content() {
        let kind = |bytes: &[u8]| Logo::parse(bytes.to_vec()).map(|logo| logo.media_type());
        assert_eq!(kind(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(kind(b"RIFF\x10\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(kind(b"<?xml version=\"1.0\"?>\n<!-- a -->\n<svg xmlns=\"x\"/>"), Some("image/svg+xml"));
        assert_eq!(kind("\u{feff}<svg>".as_bytes()), Some("image/svg+xml"));
        for other in [&b""[..], b"<svgx", b"<html><svg>", b"GIF89a", b"\x89PNG", b"<!-- <svg>", b"<?xml"] {
            assert_eq!(kind(other), None, "{other:?}");
        }
        let mut large = b"<svg>".to_vec();
        large.resize(Logo::MAX_BYTES, b' ');
        assert!(Logo::parse(large.clone()).is_some());
        large.push(b' ');
        assert!(Logo::parse(large).is_none());
    }

    #[test]
    fn a_library_code_stays_one_part_of_its_home() {
        let mut look = crate::domain::test_site("a", crate::domain::SiteKind::Management).look;
        assert_eq!(look.home_of("HILL"), "/?library=HILL");
        look.library_home = "https://a.example/{code}/desk".to_owned();
        assert_eq!(look.home_of("../x&y?"), "https://a.example/%2E%2E%2Fx%26y%3F/desk");
    }
}

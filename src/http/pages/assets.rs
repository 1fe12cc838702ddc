//! The files that pages load: stylesheet, script, a site's colours, logo and icon.
//!
//! Each is linked with a digest of its content, so a browser may keep it for good: what changes is another file.

use std::borrow::Cow;
use std::sync::LazyLock;

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::look::version;
use crate::domain::words::short_name;
use crate::domain::{Color, Site};

/// The start of their paths.
pub(super) const PATH: &str = "/doorcode";

static STYLE_VERSION: LazyLock<String> = LazyLock::new(|| version(STYLE.as_bytes()));
static SCRIPT_VERSION: LazyLock<String> = LazyLock::new(|| version(SCRIPT.as_bytes()));

const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/style.css"));
const SCRIPT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/page.js"));

/// The surfaces of the stylesheet that leave the least contrast, the darkest light one and the lightest dark one: a
/// colour that is readable on these is so everywhere.
const LIGHT_SURFACE: Color = Color::rgb(0xf3, 0xf4, 0xf6);
const DARK_SURFACE: Color = Color::rgb(0x20, 0x25, 0x2d);

pub(in crate::http) const CSS: &str = "text/css; charset=utf-8";
pub(in crate::http) const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

/// A file to answer with.
pub(in crate::http) struct Asset<'a> {
    media_type: &'static str,
    content: Cow<'a, [u8]>,
    version: Cow<'a, str>,
}

impl<'a> Asset<'a> {
    /// The file of this name, below [`PATH`], as `site` has it.
    pub(super) fn find(name: &str, site: &'a Site) -> Option<Self> {
        let kept = Self::kept;
        let made = |media_type, text: String| Self {
            media_type,
            version: version(text.as_bytes()).into(),
            content: text.into_bytes().into(),
        };
        Some(match name {
            "style.css" => Self::style(),
            "page.js" => kept(SCRIPT_TYPE, SCRIPT.as_bytes(), &SCRIPT_VERSION),
            "site.css" => made(CSS, colors(site)),
            "icon.svg" => made("image/svg+xml", icon(site)),
            "logo" => {
                let logo = site.look.logo.as_ref()?;
                kept(logo.media_type(), logo.bytes(), logo.version())
            }
            _ => return None,
        })
    }

    /// A file that is the same on every site.
    pub(in crate::http) fn kept(media_type: &'static str, content: &'a [u8], version: &'a str) -> Self {
        Self { media_type, content: content.into(), version: version.into() }
    }

    /// The stylesheet.
    pub(in crate::http) fn style() -> Self {
        Self::kept(CSS, STYLE.as_bytes(), &STYLE_VERSION)
    }

    /// Digest of its content, for its address.
    pub(in crate::http) fn version(&self) -> &str {
        &self.version
    }

    /// What is in it.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// The answer to a request that named the version `asked` and holds `known` (`If-None-Match`).
    pub(in crate::http) fn answer(&self, asked: Option<&str>, known: Option<&str>) -> Response {
        let etag = format!("\"{}\"", self.version);
        // A page of another replica, older or newer, may name a version that is not here: that is kept by nobody.
        let keep =
            if asked == Some(&*self.version) { "public, max-age=31536000, immutable" } else { "no-cache" };
        let mut answer = if is_known(known, &etag) {
            Response::builder().status(StatusCode::NOT_MODIFIED).finish()
        } else {
            Response::builder().content_type(self.media_type).body(self.content.to_vec())
        };
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        // An SVG that is opened by itself is a document, and could hold a script.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
            ),
        );
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        answer
    }
}

/// Whether `If-None-Match` names this version (RFC 9110 §13.1.2, which compares weakly).
fn is_known(known: Option<&str>, etag: &str) -> bool {
    let Some(known) = known else { return false };
    known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Where a page finds its files.
#[derive(Serialize)]
pub(super) struct Links {
    style: String,
    script: String,
    site: String,
    icon: String,
    /// Empty where the site has none.
    logo: String,
}

impl Links {
    pub(super) fn to(site: &Site) -> Self {
        let link = |name| {
            let version = Asset::find(name, site).map(|asset| asset.version);
            version.map(|version| format!("{PATH}/{name}?v={version}")).unwrap_or_default()
        };
        Self {
            style: link("style.css"),
            script: link("page.js"),
            site: link("site.css"),
            icon: link("icon.svg"),
            logo: link("logo"),
        }
    }
}

/// The first letter or digit of a site's name.
pub(super) fn initial(site: &Site) -> String {
    let first = short_name(&site.name).chars().find(|c| c.is_alphanumeric());
    first.map(|c| c.to_uppercase().collect()).unwrap_or_default()
}

fn colors(site: &Site) -> String {
    let color = site.look.color;
    let (light, dark) = (color.readable_on(LIGHT_SURFACE), color.readable_on(DARK_SURFACE));
    format!(":root{{--brand:{color};--brand-on-light:{light};--brand-on-dark:{dark}}}\n")
}

/// The initial in a coloured square. A letter or digit needs no escaping.
fn icon(site: &Site) -> String {
    let (color, initial) = (site.look.color, initial(site));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" rx=\"15\" \
         fill=\"{color}\"/><text x=\"32\" y=\"45\" font-family=\"system-ui,sans-serif\" font-size=\"38\" \
         font-weight=\"700\" text-anchor=\"middle\" fill=\"#fff\">{initial}</text></svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Logo, SiteKind, test_site};

    fn header(answer: &Response, name: header::HeaderName) -> &str {
        answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_linked_version_is_kept_for_good_and_any_other_is_asked_for_again() {
        let site = test_site("reader", SiteKind::Reader);
        let asset = Asset::find("style.css", &site).unwrap();
        let fresh = asset.answer(Some(&asset.version), None);
        assert_eq!(header(&fresh, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header(&fresh, header::CONTENT_TYPE), "text/css; charset=utf-8");
        for asked in [None, Some(""), Some("0123456789abcdef")] {
            assert_eq!(header(&asset.answer(asked, None), header::CACHE_CONTROL), "no-cache");
        }
        let etag = header(&fresh, header::ETAG).to_owned();
        for (known, status) in [
            (etag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"x\", W/{etag}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            (etag.replace('"', ""), StatusCode::OK),
        ] {
            assert_eq!(asset.answer(None, Some(&known)).status(), status, "{known}");
        }
    }

    #[test]
    fn a_site_has_its_own_colours_icon_and_logo() {
        let (mut one, other) = (test_site("one", SiteKind::Reader), test_site("two", SiteKind::Reader));
        one.look.color = Color::rgb(0x7c, 0x2d, 0x12);
        let text =
            |name, site| String::from_utf8(Asset::find(name, site).unwrap().content().to_vec()).unwrap();
        assert_eq!(
            text("site.css", &other),
            ":root{--brand:#1d4ed8;--brand-on-light:#1d4ed8;--brand-on-dark:#6687e4}\n"
        );
        assert!(text("site.css", &one).contains("--brand:#7c2d12;"));
        assert!(
            text("icon.svg", &one).contains(">O</text>") && text("icon.svg", &other).contains(">T</text>")
        );
        assert!(Asset::find("logo", &one).is_none() && Links::to(&one).logo.is_empty());

        one.look.logo = Logo::parse(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec());
        let logo = Asset::find("logo", &one).unwrap().answer(None, None);
        assert_eq!(header(&logo, header::CONTENT_TYPE), "image/svg+xml");
        assert!(header(&logo, header::CONTENT_SECURITY_POLICY).contains("sandbox"));
        assert!(Links::to(&one).logo.starts_with("/doorcode/logo?v="));
        assert!(Asset::find("other", &one).is_none());
    }

    /// The colours of the stylesheet by name: of the light scheme, and of the dark one.
    fn schemes() -> [Vec<(&'static str, Color)>; 2] {
        let mut blocks = STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap());
        let mut colors = || {
            let lines = blocks.next().unwrap().lines().filter_map(|line| line.trim().split_once(": "));
            lines
                .filter_map(|(name, value)| Some((name, Color::parse(value.trim_end_matches(';'))?)))
                .collect()
        };
        [colors(), colors()]
    }

    #[test]
    fn every_text_and_every_edge_can_be_told_from_what_it_stands_on() {
        for (scheme, least) in schemes().iter().zip([LIGHT_SURFACE, DARK_SURFACE]) {
            let color = |name: &str| scheme.iter().find(|(other, _)| *other == name).unwrap().1;
            let surfaces =
                ["--ground", "--card", "--well", "--bad-well", "--good-well", "--info-well"].map(color);
            for text in ["--strong", "--text", "--soft", "--bad", "--good"] {
                for surface in surfaces {
                    assert!(color(text).contrast(surface) >= 4.5, "{text} on {surface}");
                }
            }
            // WCAG 2.2, 1.4.11: the edge of a field.
            assert!(["--card", "--well"].map(color).iter().all(|on| color("--edge").contrast(*on) >= 3.0));
            // Links stand on these three.
            assert!(surfaces.contains(&least));
            let brand = Color::rgb(0x76, 0x76, 0x76).readable_on(least);
            assert!(["--ground", "--card", "--well"].map(color).iter().all(|on| brand.contrast(*on) >= 4.5));
        }
    }
}

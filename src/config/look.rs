//! The settings of a site that its pages show: logo, colour, footer, and where its libraries are.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use url::Url;

use super::problems::{Problem, shown};
use super::reader::Reader;
use crate::domain::{Color, Logo, Look, READABLE};

/// The longest footer, in characters.
const MAX_FOOTER: usize = 200;

/// Reads the look of the site at `url`, whose pages may also be at `origins`.
pub(super) fn read(from: &mut Reader<'_>, url: &Url, origins: &[String]) -> Look {
    let footer = format!("at most {MAX_FOOTER} characters on one line");
    let is_footer = |text: &str| text.chars().count() <= MAX_FOOTER && !text.chars().any(char::is_control);
    let home = "a path or URL of the site with {code} in it, such as /?library={code}";
    Look {
        color: read_color(from),
        logo: from.file("logo_file").and_then(|file| read_logo(from, &file)),
        footer: from.checked("footer", &footer, is_footer).trim().to_owned(),
        pages: from.flag("pages"),
        library_home: from.checked("library_home", home, |text| is_home(text, url, origins)),
    }
}

fn read_color(from: &mut Reader<'_>) -> Color {
    let Some(color) = from.parsed("color", "a colour as #rrggbb", Color::parse) else { return Color::WHITE };
    let contrast = color.contrast(Color::WHITE);
    if contrast < READABLE {
        let expected = format!("a colour whose contrast with white is at least {READABLE} (WCAG 2.2, 1.4.3)");
        let problem = Problem::of(&from.path("color"), Some(shown(&color.to_string())), expected);
        // Rounded down, so that 4.49 does not read as enough.
        let contrast = (contrast * 100.0).floor() / 100.0;
        let darker = color.on_white();
        from.add(problem.remedy(format!("it has {contrast:.2}; {darker} is the same colour, dark enough")));
    }
    color
}

fn read_logo(from: &mut Reader<'_>, file: &Path) -> Option<Logo> {
    let logo = read_start(file).map_err(|error| format!("a readable file ({error})")).and_then(|bytes| {
        let most = Logo::MAX_BYTES / 1024;
        Logo::parse(bytes).ok_or_else(|| format!("a PNG, WebP or SVG picture of at most {most} KiB"))
    });
    logo.map_err(|expected| from.blame("logo_file", Some(shown(&file.display().to_string())), expected)).ok()
}

/// The file, or of a file that is too large as much as shows it.
fn read_start(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(Logo::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether `text`, with a code in it, leads to a page of the site and nowhere else.
fn is_home(text: &str, url: &Url, origins: &[String]) -> bool {
    if !text.contains("{code}") || text.chars().any(|c| c.is_control() || c == '\\') {
        return false;
    }
    let is_path = text.starts_with('/');
    // A code is letters and digits for a URL, and must not choose the host.
    let [one, other] = ["a", "b"].map(|code| url.join(&text.replace("{code}", code)).ok());
    let (Some(one), Some(other)) = (one, other) else { return false };
    let origin = one.origin().ascii_serialization();
    let ours = one.origin() == url.origin() || (!is_path && origins.contains(&origin));
    let absolute = is_path || Url::parse(&text.replace("{code}", "a")).is_ok();
    let bare = one.username().is_empty() && one.password().is_none();
    ours && absolute && bare && one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_library_is_on_the_site() {
        let url = Url::parse("https://manage.example").unwrap();
        let origins = ["https://desk.example".to_owned()];
        let fits = |text: &str| is_home(text, &url, &origins);
        for text in ["/?library={code}", "/{code}/desk", "https://manage.example/{code}"] {
            assert!(fits(text), "{text}");
        }
        assert!(fits("https://desk.example/l/{code}#top"));
        for text in [
            "",
            "/desk",
            "{code}",
            "?library={code}",
            "//evil.example/{code}",
            "/\\evil.example/{code}",
            "https://evil.example/{code}",
            "https://{code}.manage.example/",
            "https://manage.example@evil.example/{code}",
            "https://u@manage.example/{code}",
            "javascript:alert({code})",
        ] {
            assert!(!fits(text), "{text}");
        }
    }
}

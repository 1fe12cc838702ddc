//! How a site looks: what is refused, and that a logo is read.

use super::{assert_only, problems, read};

#[test]
fn a_look_that_nobody_could_read_or_show_is_refused() {
    let look = &read("", &[]).unwrap().sites["reader"].look;
    assert_eq!((look.color.to_string().as_str(), look.pages, look.footer.as_str()), ("#1d4ed8", true, ""));
    assert!(look.logo.is_none() && look.library_home == "/?library={code}");

    assert_only(
        "[sites.reader]\ncolor = \"red\"",
        "sites.reader.color = \"red\": expected a colour as #rrggbb",
    );
    assert_only(
        "[sites.reader]\ncolor = \"#777777\"",
        "sites.reader.color = \"#777777\": expected a colour whose contrast with white is at least 4.5 \
         (WCAG 2.2, 1.4.3); it has 4.47; #767676 is the same colour, dark enough",
    );
    let long = "é".repeat(201);
    assert_only(&format!("[sites.reader]\nfooter = \"{long}\""), "sites.reader.footer = ");
    assert!(read(&format!("[sites.reader]\nfooter = \"{}\"", &long[2..]), &[]).is_ok());
    assert_only(
        "[sites.management]\nlibrary_home = \"//elsewhere.example/{code}\"",
        "sites.management.library_home = \"//elsewhere.example/{code}\": expected a path or URL of the site",
    );
}

#[test]
fn a_logo_is_read_at_start_and_must_be_a_picture() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let setting = format!("[sites.reader]\nlogo_file = '{}'", file.path().display());
    std::fs::write(&file, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let logo = read(&setting, &[]).unwrap().sites["reader"].look.logo.clone().unwrap();
    assert_eq!((logo.media_type(), logo.bytes().len()), ("image/svg+xml", 41));

    std::fs::write(&file, "no picture").unwrap();
    let found = problems(&setting, &[]);
    assert!(found[0].contains("expected a PNG, WebP or SVG picture of at most 64 KiB"), "{found:?}");
    assert_only(
        "[sites.reader]\nlogo_file = \"/nowhere/logo.svg\"",
        "sites.reader.logo_file = \"/nowhere/logo.svg\": expected a readable file (",
    );
}

//! Writes every page to a folder, to be looked at in a browser before a user does.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::assets::{self, Asset};
use super::look::Pages;
use super::samples::{PERSON, samples, site};
use super::view::Frame;
use crate::domain::{Locale, SiteKind};

/// Writes each page in each language as `<page>.<language>.html`, the files that they load in a folder a site, and an
/// `index.html` that links them. Makes the folder, replaces files of these names, and returns the paths it wrote, the
/// index first.
///
/// # Errors
/// If a page is broken, or the folder cannot be written to.
pub fn write_all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let pages = Pages::parse().map_err(io::Error::other)?;
    fs::create_dir_all(folder)?;
    let index = folder.join("index.html");
    let mut written = vec![index.clone()];
    for kind in [SiteKind::Reader, SiteKind::Management] {
        written.extend(write_assets(&folder.join(kind.as_str()), kind)?);
    }
    let mut rows = String::new();
    for sample in samples() {
        let site = site(sample.kind).ok_or_else(|| io::Error::other("the sample site is broken"))?;
        for locale in Locale::ALL {
            let frame = Frame {
                site: &site,
                locale,
                here: "/",
                token: "sample",
                person: sample.signed_in.then_some(PERSON),
            };
            let page = pages.render(&frame, &sample.page).map_err(io::Error::other)?;
            // On a disk there is no root of a site: what pages load lies beside them.
            let page = page.replace(&format!("\"{}/", assets::PATH), &format!("\"{}/", sample.kind.as_str()));
            let name = format!("{}.{}.html", sample.name, locale.tag());
            let path = folder.join(&name);
            fs::write(&path, page)?;
            written.push(path);
            // The names are ours and hold nothing that HTML would have to escape.
            writeln!(
                rows,
                "<tr><td>{}<td>{}<td><a href=\"{name}\">{}</a>",
                sample.name,
                site.name,
                locale.tag()
            )
            .map_err(io::Error::other)?;
        }
    }
    fs::write(&index, format!("{INDEX_HEAD}{rows}</table>\n"))?;
    Ok(written)
}

fn write_assets(folder: &Path, kind: SiteKind) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let Some(site) = site(kind) else { return Ok(Vec::new()) };
    let mut written = Vec::new();
    for name in ["style.css", "site.css", "page.js", "icon.svg"] {
        let Some(asset) = Asset::find(name, &site) else { continue };
        let path = folder.join(name);
        fs::write(&path, asset.content())?;
        written.push(path);
    }
    Ok(written)
}

const INDEX_HEAD: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Pages</title>
<link rel=\"stylesheet\" href=\"reader/site.css\">
<link rel=\"stylesheet\" href=\"reader/style.css\">
<body class=\"middle\">
<main><h1>Pages</h1>
<table>
<tr><th>Page<th>Site<th>Language
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_written_in_every_language_with_what_it_loads() {
        let folder = tempfile::tempdir().unwrap();
        let written = write_all(folder.path()).unwrap();
        let index = fs::read_to_string(&written[0]).unwrap();

        assert_eq!(written.len(), 1 + 2 * 4 + samples().len() * Locale::ALL.len());
        for path in written.iter().filter(|path| path.extension().is_some_and(|kind| kind == "html")).skip(1)
        {
            assert!(index.contains(path.file_name().unwrap().to_str().unwrap()), "{path:?} is not linked");
            let page = fs::read_to_string(path).unwrap();
            for loaded in page.split(['"']).filter(|value| value.contains("?v=")) {
                let file = folder.path().join(loaded.split('?').next().unwrap());
                assert!(file.is_file(), "{path:?} loads {file:?}");
            }
        }
    }
}

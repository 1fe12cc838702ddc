//! The files that the console's pages load. They are the same on every host, as there need not be a site.

use std::sync::LazyLock;

use poem::http::{StatusCode, header};
use poem::web::Path;
use poem::{Request, Response, Result, handler};
use serde::Serialize;

use crate::domain::look::version;
use crate::http::Problem;
use crate::http::pages::{Asset, CSS, SCRIPT_TYPE};
use crate::http::site::text;

const STYLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/console/console.css"));
const SCRIPT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/console/console.js"));
const ICON: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/console/icon.svg"));

const REFERENCE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/console/reference.js"));

static STYLE_VERSION: LazyLock<String> = LazyLock::new(|| version(STYLE.as_bytes()));
static SCRIPT_VERSION: LazyLock<String> = LazyLock::new(|| version(SCRIPT.as_bytes()));
static REFERENCE_VERSION: LazyLock<String> = LazyLock::new(|| version(REFERENCE.as_bytes()));
static ICON_VERSION: LazyLock<String> = LazyLock::new(|| version(ICON.as_bytes()));

/// The file of this name.
fn find(name: &str) -> Option<Asset<'static>> {
    Some(match name {
        "style.css" => Asset::style(),
        "console.css" => Asset::kept(CSS, STYLE.as_bytes(), &STYLE_VERSION),
        "console.js" => Asset::kept(SCRIPT_TYPE, SCRIPT.as_bytes(), &SCRIPT_VERSION),
        "reference.js" => Asset::kept(SCRIPT_TYPE, REFERENCE.as_bytes(), &REFERENCE_VERSION),
        "icon.svg" => Asset::kept("image/svg+xml", ICON.as_bytes(), &ICON_VERSION),
        _ => return None,
    })
}

/// Where a page finds its files.
#[derive(Serialize)]
pub(super) struct Links {
    style: String,
    console: String,
    script: String,
    reference: String,
    icon: String,
}

impl Links {
    pub(super) fn new() -> Self {
        let link = |name| {
            let asset = find(name);
            asset.map(|asset| format!("/admin/files/{name}?v={}", asset.version())).unwrap_or_default()
        };
        Self {
            style: link("style.css"),
            console: link("console.css"),
            script: link("console.js"),
            reference: link("reference.js"),
            icon: link("icon.svg"),
        }
    }
}

/// A file.
#[handler]
pub(super) fn show(Path(name): Path<String>, request: &Request) -> Result<Response, Problem> {
    let asset = find(&name)
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such file"))?;
    let asked = request.uri().query().and_then(|query| query.strip_prefix("v="));
    Ok(asset.answer(asked, text(request.headers(), header::IF_NONE_MATCH.as_str())))
}

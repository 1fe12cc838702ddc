//! The first page: how the server is doing.

use poem::{Response, Result, handler};
use serde_json::json;

use super::visit::{Inside, View};

/// The figures.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    inside.show(&View { template: "overview", title: "Overview".to_owned(), values: json!({}) })
}

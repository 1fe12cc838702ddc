//! The OpenAPI document: complete, and a change of it shows in a diff.

use std::path::Path;

use reqwest::Method;

use super::support::TestApp;
use super::support::app::READER;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_the_one_that_was_reviewed() {
    let app = TestApp::on_services().await;
    let answer = app.send(READER, Method::GET, "/openapi.json", &[], None).await;
    let served = serde_json::to_string_pretty(&answer.assert_ok().body).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/openapi.json");
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    if served != reviewed {
        let new = path.with_extension("new.json");
        std::fs::write(&new, &served).unwrap();
        panic!(
            "the API document has changed: look at {} and, if it is meant, put it in place of openapi.json",
            new.display()
        );
    }
    let operations: Vec<_> = answer.body["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(operations.len(), 41, "{operations:?}");
}

//! The OpenAPI document: complete, and a change of it shows in a diff.

use std::path::Path;

use reqwest::Method;

use super::support::TestApp;
use super::support::app::READER;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_are_the_ones_that_were_reviewed() {
    let app = TestApp::on_services().await;
    for (path, snapshot, operations) in
        [("/openapi.json", "openapi.json", 51), ("/admin/openapi.json", "openapi.admin.json", 38)]
    {
        let answer = app.send(READER, Method::GET, path, &[], None).await;
        let served = serde_json::to_string_pretty(&answer.assert_ok().body).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api").join(snapshot);
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        if served != reviewed {
            let new = path.with_extension("new.json");
            std::fs::write(&new, &served).unwrap();
            panic!(
                "an API document has changed: look at {} and, if it is meant, put it in place of {snapshot}",
                new.display()
            );
        }
        let described: Vec<_> = answer.body["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(described.len(), operations, "{described:?}");
    }
}

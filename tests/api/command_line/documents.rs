//! What others read about the program: its help, completions, manual and API documents.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::process::run;

async fn output(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(arguments, &[], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    ended.stdout
}

#[tokio::test]
async fn the_help_is_the_one_that_was_reviewed() {
    let mut help = output(&["--help"]).await;
    for group in ["user", "service-key", "library", "staff", "key", "audit", "import"] {
        write!(help, "\n── {group} ──\n{}", output(&[group, "-h"]).await).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/command_line/help.txt");
    if help != std::fs::read_to_string(&path).unwrap_or_default() {
        let new = path.with_extension("new.txt");
        std::fs::write(&new, &help).unwrap();
        panic!("the help has changed: look at {} and, if it is meant, put it in place", new.display());
    }
}

#[tokio::test]
async fn completions_and_manual_are_there() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = output(&["completions", shell]).await;
        for word in ["service-key", "check-config", "--direct"] {
            assert!(script.contains(word), "{word} in the completions of {shell}");
        }
    }
    let page = output(&["man"]).await;
    assert!(page.contains(".TH doorcode 1") && page.contains("Exit codes"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    output(&["man", folder.path().to_str().unwrap()]).await;
    for name in ["doorcode.1", "doorcode-user-ban.1", "doorcode-import-supabase.1"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn the_api_documents_are_those_of_the_server_and_need_no_store() {
    for (document, snapshot) in [("public", "openapi.json"), ("admin", "openapi.admin.json")] {
        let printed: Value = serde_json::from_str(&output(&["openapi", document]).await).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api").join(snapshot);
        let reviewed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(printed == reviewed, "the {document} document is another one");
    }
}

//! Files that we ship, as a test uses them: with the places replaced that they say are to be.

use std::path::Path;

/// A file of the repository.
pub(crate) fn shipped(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The file with every place replaced that is to be.
pub(crate) fn replaced(file: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(file.to_owned(), |file, (from, to)| {
        assert!(file.contains(from), "the file has no {from}");
        file.replace(from, to)
    })
}

/// A port of this machine that is free now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

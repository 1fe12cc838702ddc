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

/// A port for a server that starts later, and may stop and start again: below those that this machine gives to outgoing
/// connections, one of which could have it by then.
pub(crate) fn free_port() -> u16 {
    loop {
        let [.., high, low] = uuid::Uuid::new_v4().into_bytes();
        let port = 20_000 + u16::from_be_bytes([high, low]) % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

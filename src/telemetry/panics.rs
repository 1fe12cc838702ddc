//! A panic is one line of the log, and one more in a count: where it was, and not what it said.
//!
//! A panic's message may quote what somebody sent. The place in the code is what mends it.

use std::panic::PanicHookInfo;
use std::sync::LazyLock;

use prometheus_client::metrics::counter::Counter;

/// Panics of this process.
pub(super) static PANICS: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Has panics logged instead of printed.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    PANICS.inc();
    let (file, line) = info.location().map_or(("-", 0), |place| (place.file(), place.line()));
    let thread = std::thread::current();
    tracing::error!(
        panic.file = file,
        panic.line = line,
        panic.thread = thread.name().unwrap_or("-"),
        "a panic: a mistake of ours"
    );
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn t40_a_panic_is_one_line_with_its_place_and_without_its_message() {
        let written = Written::default();
        let into = written.clone();
        let lines = tracing_subscriber::fmt().json().with_writer(move || into.clone()).finish();
        let before = PANICS.get();
        // Other tests of this process keep the hook that they know.
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            log_panic(info);
            usual(info);
        }));
        tracing::subscriber::with_default(lines, || {
            let panicked = std::panic::catch_unwind(|| panic!("ada@example.org typed 123456"));
            assert!(panicked.is_err());
        });
        let text = String::from_utf8(written.0.lock().expect("it is there").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["fields"]["panic.file"], file!());
        assert!(!text.contains("ada@") && !text.contains("123456"), "{text}");
        assert!(PANICS.get() > before);
    }
}

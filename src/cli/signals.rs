//! Ctrl-C and SIGTERM: the first asks the server to stop, the second ends it.

use std::io;

/// What a process that was ended by Ctrl-C exits with, as shells have it: 128 and the signal's number.
const EXIT_INTERRUPTED: i32 = 130;

/// The signals, caught from the moment this is made.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Takes the signals over from the system, which would end the process.
    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Takes Ctrl-C over from the system, which would end the process.
    #[cfg(windows)]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Resolves at the next signal, or at one that has come already.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }

    /// Resolves at the next signal. The one after it ends the process at once.
    pub(crate) async fn stop(mut self) {
        self.next().await;
        // In a thread of its own: whoever reads standard error may be stuck, and a stop waits for nobody.
        std::thread::spawn(|| eprintln!("Stopping: finishing what is under way. Once more stops at once."));
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(EXIT_INTERRUPTED);
        });
    }
}

//! The codes that people were mailed, as the mail server of `tests/run` has kept them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::process::code_in;
use crate::services::mail_files;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// All mail to the people of one domain. Ends with its owner.
pub(crate) struct Mailbox {
    mails: Arc<Mutex<HashMap<String, Vec<String>>>>,
    reading: JoinHandle<()>,
}

impl Mailbox {
    pub(crate) fn of(domain: String) -> Self {
        let mails = Arc::<Mutex<HashMap<String, Vec<String>>>>::default();
        let into = Arc::clone(&mails);
        let reading = tokio::spawn(async move {
            loop {
                for (to, code) in read_new(&domain) {
                    lock(&into).entry(to).or_default().push(code);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { mails, reading }
    }

    /// The codes to an address, oldest first.
    pub(crate) fn codes(&self, email: &str) -> Vec<String> {
        lock(&self.mails).get(email).cloned().unwrap_or_default()
    }

    /// Waits for more than so many codes to an address, and gives the newest.
    pub(crate) async fn next_code(&self, email: &str, known: usize, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            let codes = self.codes(email);
            if codes.len() > known {
                return codes.into_iter().next_back();
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Takes the mails to a domain out of the folder: a folder that grows for an hour would be slow to read.
fn read_new(domain: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in mail_files() {
        // Other worlds take their mails out of the same folder.
        let Ok(mail) = std::fs::read_to_string(&file) else { continue };
        let mail: Value = serde_json::from_str(&mail).unwrap();
        let to = mail["to"][0].as_str().unwrap().to_owned();
        if to.ends_with(domain) {
            std::fs::remove_file(&file).unwrap();
            assert!(
                mail["tls"] == true && mail["authenticated"] == true,
                "a mail over a channel that is not safe"
            );
            found.push((to, code_in(mail["text"].as_str().unwrap())));
        }
    }
    found
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

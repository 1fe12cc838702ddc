//! Mails that wait in this process, one after the other.

use std::time::Duration;

use super::MemoryCodes;
use crate::ports::codes::{QueueLook, QueueStanding, QueuedMail};

/// How long a worker waits for the next mail before it looks around.
const MAIL_WAIT: Duration = Duration::from_secs(2);

impl MemoryCodes {
    pub(in crate::ports::codes) async fn next_mail(&self) -> Option<QueuedMail> {
        let take = || self.lock().mail.pop_front();
        if let Some(mail) = take() {
            return Some(mail);
        }
        // A mail that comes between the look and the wait leaves a permit, so it is not slept through.
        let _ = tokio::time::timeout(MAIL_WAIT, self.mail_came.notified()).await;
        take()
    }

    pub(in crate::ports::codes) fn mail_done(&self, mail: &QueuedMail) {
        if let Ok(number) = mail.id.parse() {
            self.lock().unfinished_mail.remove(&number);
        }
    }

    pub(in crate::ports::codes) fn queue(&self) -> QueueStanding {
        let now = self.clock.now();
        let held = self.lock();
        let oldest = held.unfinished_mail.first_key_value();
        QueueStanding {
            depth: held.unfinished_mail.len() as u64,
            oldest_age: oldest.and_then(|(_, (at, _))| (now - *at).to_std().ok()).unwrap_or_default(),
        }
    }

    pub(in crate::ports::codes) fn look_at_mail(&self, most: u16) -> QueueLook {
        let held = self.lock();
        let waiting = held.unfinished_mail.len() as u64;
        QueueLook {
            waiting,
            in_hand: waiting.saturating_sub(held.mail.len() as u64),
            oldest_at: held.unfinished_mail.first_key_value().map(|(_, (at, _))| *at),
            jobs: held.unfinished_mail.values().take(most.into()).map(|(_, job)| job.clone()).collect(),
        }
    }

    pub(in crate::ports::codes) fn mail_give_back(&self, mail: QueuedMail) {
        self.lock().mail.push_front(mail);
        self.mail_came.notify_one();
    }
}

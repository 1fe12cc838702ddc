//! The development inbox: every mail the server would send, kept in memory instead.
//!
//! It holds the newest [`CAPACITY`] mails and forgets them at exit. Search speaks the part of Mailpit's query
//! language that test suites use, so that a suite written for Mailpit finds its codes here. Reading over HTTP
//! is `http::inbox`; what a mail says is decided by whoever calls [`Inbox::insert`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

/// How many mails are kept; the oldest makes room for the newest.
pub const CAPACITY: usize = 500;

/// A display name, possibly empty, and an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, or an empty string.
    pub name: String,
    /// The address without angle brackets.
    pub address: String,
}

/// A mail that would have been sent.
#[derive(Clone)]
pub struct CaughtMail {
    /// Who sends it.
    pub from: Mailbox,
    /// Who gets it.
    pub to: Vec<Mailbox>,
    /// The subject, decoded.
    pub subject: String,
    /// The text part, decoded.
    pub text: String,
    /// The HTML part, decoded; empty if there is none.
    pub html: String,
    /// The whole message as it would go over the wire (RFC 5322).
    pub raw: Vec<u8>,
    /// When the inbox got it.
    pub received_at: DateTime<Utc>,
}

/// A mail in the inbox, with what the inbox knows about it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeptMail {
    /// Names the mail for as long as it is kept; never used again, not even after a restart.
    pub id: String,
    /// Whether someone has opened it.
    pub read: bool,
    /// The mail itself.
    pub mail: Arc<CaughtMail>,
}

/// The mails of one server. A clone is another handle to the same mails.
#[derive(Clone, Default)]
pub struct Inbox {
    shelf: Arc<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// Newest first, at most [`CAPACITY`].
    mails: Mutex<VecDeque<KeptMail>>,
    changes: watch::Sender<u64>,
}

impl Inbox {
    /// Keeps a mail and returns its new id. The oldest mail goes if there are more than [`CAPACITY`].
    #[expect(clippy::must_use_candidate, reason = "a mailer has no use for the id")]
    pub fn insert(&self, mail: CaughtMail) -> String {
        let id = Uuid::new_v4().simple().to_string();
        let kept = KeptMail { id: id.clone(), read: false, mail: Arc::new(mail) };
        self.change(|mails| {
            mails.push_front(kept);
            mails.truncate(CAPACITY);
        });
        id
    }

    /// All mails, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<KeptMail> {
        self.lock().iter().cloned().collect()
    }

    /// The mail with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<KeptMail> {
        self.lock().iter().find(|kept| kept.id == id).cloned()
    }

    /// The mails that match every term of a Mailpit query, newest first; all of them if it has no terms.
    ///
    /// A term is `to:`, `from:`, `addressed:` or `subject:` with a part of what to look for, `is:read`,
    /// `is:unread`, or words to find anywhere. Quotes keep spaces together, a leading `-` or `!` turns a term
    /// around, case is ignored.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<KeptMail> {
        let terms = parse_query(query);
        self.lock().iter().filter(|kept| terms.iter().all(|term| term.matches(kept))).cloned().collect()
    }

    /// Notes that someone has opened the mail. Not a change that [`Inbox::changed`] tells of.
    pub fn mark_read(&self, id: &str) {
        if let Some(kept) = self.lock().iter_mut().find(|kept| kept.id == id) {
            kept.read = true;
        }
    }

    /// Forgets all mails.
    pub fn clear(&self) {
        self.change(VecDeque::clear);
    }

    /// Forgets the mails with these ids; ids it does not have are no error.
    pub fn remove<S: AsRef<str>>(&self, ids: &[S]) {
        self.change(|mails| mails.retain(|kept| !ids.iter().any(|id| id.as_ref() == kept.id)));
    }

    /// Tells of every mail that comes or goes from now on. The number says only that something changed.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shelf.changes.subscribe()
    }

    /// Waits until there are `count` mails (1 or more) to `address`, and returns the `count`-th that came.
    ///
    /// Mails that are here already count, forgotten ones do not. `None` once `within` has passed.
    pub async fn wait_for(&self, address: &str, count: usize, within: Duration) -> Option<CaughtMail> {
        let nth = count.checked_sub(1)?;
        let mut changes = self.changed();
        let arrival = async {
            loop {
                let mail = self.lock().iter().rev().filter(|kept| kept.mail.is_to(address)).nth(nth).cloned();
                if let Some(kept) = mail {
                    return Some(CaughtMail::clone(&kept.mail));
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, arrival).await.ok().flatten()
    }

    fn change(&self, change: impl FnOnce(&mut VecDeque<KeptMail>)) {
        change(&mut self.lock());
        // After the lock is gone: whoever wakes up now can read at once.
        self.shelf.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// A panic elsewhere leaves the list whole, as no change here stops half way.
    fn lock(&self) -> MutexGuard<'_, VecDeque<KeptMail>> {
        self.shelf.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CaughtMail {
    fn is_to(&self, address: &str) -> bool {
        self.to.iter().any(|to| to.address.eq_ignore_ascii_case(address))
    }
}

/// One term of a query: what to look for, in lower case, and whether it must be absent.
struct Term {
    place: Place,
    wanted: String,
    absent: bool,
}

enum Place {
    To,
    From,
    Addressed,
    Subject,
    Read,
    Anywhere,
}

impl Term {
    fn parse(word: &str) -> Self {
        let lower = word.to_lowercase();
        let (absent, rest) = match lower.strip_prefix(['-', '!']) {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, lower.as_str()),
        };
        let (place, wanted) = match rest.split_once(':') {
            Some(("to", wanted)) => (Place::To, wanted),
            Some(("from", wanted)) => (Place::From, wanted),
            Some(("addressed", wanted)) => (Place::Addressed, wanted),
            Some(("subject", wanted)) => (Place::Subject, wanted),
            Some(("is", wanted @ ("read" | "unread"))) => (Place::Read, wanted),
            _ => (Place::Anywhere, rest),
        };
        Self { place, wanted: wanted.trim().to_owned(), absent }
    }

    fn matches(&self, kept: &KeptMail) -> bool {
        let mail = &kept.mail;
        let has = |text: &str| text.to_lowercase().contains(&self.wanted);
        let names = |mailbox: &Mailbox| has(&mailbox.name) || has(&mailbox.address);
        let addressed = || names(&mail.from) || mail.to.iter().any(names);
        let found = match self.place {
            Place::To => mail.to.iter().any(names),
            Place::From => names(&mail.from),
            Place::Addressed => addressed(),
            Place::Subject => has(&mail.subject),
            Place::Read => kept.read == (self.wanted == "read"),
            Place::Anywhere => addressed() || has(&mail.subject) || has(&mail.text),
        };
        found != self.absent
    }
}

/// Splits at spaces outside quotes and drops the quotes, wherever they stand: `to:"a b"` is one term.
fn parse_query(query: &str) -> Vec<Term> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in query.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.iter().filter(|word| !word.is_empty()).map(|word| Term::parse(word)).collect()
}

/// Sizes and the time only: subject and parts carry codes, and an address must not reach a log.
impl fmt::Debug for CaughtMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaughtMail")
            .field("recipients", &self.to.len())
            .field("bytes", &self.raw.len())
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(***)")
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("mails", &self.lock().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, subject: &str, text: &str) -> CaughtMail {
        CaughtMail {
            from: Mailbox { name: "Reader Library".into(), address: "no-reply@library.example".into() },
            to: vec![Mailbox { name: String::new(), address: to.into() }],
            subject: subject.into(),
            text: text.into(),
            html: String::new(),
            raw: Vec::new(),
            received_at: DateTime::UNIX_EPOCH,
        }
    }

    fn subjects(mails: &[KeptMail]) -> Vec<&str> {
        mails.iter().map(|kept| kept.mail.subject.as_str()).collect()
    }

    #[test]
    fn the_newest_mail_comes_first_and_the_oldest_makes_room() {
        let inbox = Inbox::default();
        for n in 0..=CAPACITY {
            inbox.insert(mail("ada@example.org", &n.to_string(), ""));
        }
        let kept = inbox.list();
        assert_eq!(kept.len(), CAPACITY);
        assert_eq!(kept[0].mail.subject, CAPACITY.to_string());
        assert_eq!(kept[CAPACITY - 1].mail.subject, "1");
    }

    #[test]
    fn a_query_finds_what_all_its_terms_match() {
        let inbox = Inbox::default();
        inbox.insert(mail("ada@example.org", "Your sign-in code", "The code is 123456."));
        let opened = inbox.insert(mail("Grace+lib@example.org", "An invitation", "Join the staff at 10:30."));
        inbox.mark_read(&opened);
        let found = |query: &str| subjects(&inbox.search(query)).join(", ");

        assert_eq!(found("to:ada@example.org"), "Your sign-in code");
        assert_eq!(found("to:\"ADA@example.org\""), "Your sign-in code");
        assert_eq!(found("to:grace+lib@example.org"), "An invitation");
        assert_eq!(found("subject:\"sign-in code\" 123456"), "Your sign-in code");
        assert_eq!(found("from:library.example"), "An invitation, Your sign-in code");
        assert_eq!(found("from:library.example -to:ada"), "An invitation");
        assert_eq!(found("addressed:grace !subject:code"), "An invitation");
        assert_eq!(found("10:30"), "An invitation", "an unknown term is text");
        assert_eq!(found("is:unread"), "Your sign-in code");
        assert_eq!(found("is:read"), "An invitation");
        assert_eq!(found("to:ada subject:invitation"), "");
        assert_eq!(inbox.search("  \"\" ").len(), 2);
    }

    #[test]
    fn removed_mails_are_gone_and_unknown_ids_are_no_error() {
        let inbox = Inbox::default();
        let first = inbox.insert(mail("ada@example.org", "first", ""));
        inbox.insert(mail("ada@example.org", "second", ""));
        inbox.remove(&[first.as_str(), "unknown"]);
        assert!(inbox.find(&first).is_none());
        assert_eq!(subjects(&inbox.list()), ["second"]);
        inbox.clear();
        assert!(inbox.list().is_empty());
    }

    #[tokio::test]
    async fn a_waiter_gets_the_nth_mail_to_its_address() {
        let inbox = Inbox::default();
        inbox.insert(mail("ada@example.org", "first", ""));
        let waiter = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.wait_for("Ada@example.org", 2, Duration::from_secs(10)).await }
        });
        tokio::task::yield_now().await;
        inbox.insert(mail("grace@example.org", "not hers", ""));
        inbox.insert(mail("ada@example.org", "second", ""));
        assert_eq!(waiter.await.expect("no panic").expect("in time").subject, "second");
        assert!(inbox.wait_for("ada@example.org", 3, Duration::from_millis(5)).await.is_none());
    }

    #[test]
    fn debug_output_keeps_addresses_and_codes_to_itself() {
        let inbox = Inbox::default();
        inbox.insert(mail("ada@example.org", "123456 is your code", "123456"));
        let printed = format!("{inbox:?} {:?} {:?}", inbox.list(), inbox.list()[0].mail.to);
        assert!(!printed.contains("123456") && !printed.contains("ada@"), "{printed}");
    }
}

//! The audit log: which events there are, and who can be behind one.
//!
//! Both lists are closed. What is written here is what a search can ask for and what the documentation can promise, so a
//! statement or trigger that writes another word fails a test.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use uuid::Uuid;

/// Makes an enum of words with both directions of their spelling.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$what])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in the log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Reads a word as it stands in the log.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Who was behind an event.
    ActorKind {
        /// A person, or a visitor nobody knows yet.
        User = "user",
        /// A program with a service key.
        ServiceKey = "service_key",
        /// A program with a token of the role `service_role`.
        ServiceRole = "service_role",
        /// Whoever runs the server, at its command line or console.
        Operator = "operator",
        /// The server itself.
        System = "system",
    }
}

words! {
    /// What happened.
    AuditAction {
        /// A code was issued and its mail queued.
        CodeAsked = "code_asked",
        /// No code was issued: the address, the site or the mail host has had its mails for now.
        CodeLimited = "code_limited",
        /// A code was to be sent again where none waits: nothing was sent.
        CodeNotWaiting = "code_not_waiting",
        /// A code or link was refused: wrong, or nothing to be right about.
        CodeRefused = "code_refused",
        /// Wrong guesses over all addresses became so many that devices nobody knows get long codes.
        GuessingTripped = "guessing_tripped",
        /// The reader of a mail did not ask for its code: it was ended, and the address gets none for a while.
        CodeDisowned = "code_disowned",
        /// A mailed link was confirmed for a client library, which can now trade a code for a session.
        LinkConfirmed = "link_confirmed",
        /// A proof was right, and led to nothing all the same: the account is banned, or there is none.
        ProofRefused = "proof_refused",
        /// A client had its share and was refused before anything else; one row a minute with their number.
        RequestLimited = "request_limited",
        /// A first session, and the account with it.
        UserSignedUp = "user_signedup",
        /// A session was opened.
        Login = "login",
        /// A refresh token that is not ours was presented; one row a minute with their number.
        RefreshRefused = "refresh_refused",
        /// An old refresh token was used again: its session was ended as stolen.
        RefreshTokenReused = "refresh_token_reused",
        /// A person signed out.
        Logout = "logout",
        /// A person ended some of their sessions.
        SessionsEnded = "sessions_ended",
        /// An account was changed by its owner: metadata, or the address.
        UserModified = "user_modified",
        /// An account was deleted by its owner.
        UserDeleted = "user_deleted",
        /// A change of address was asked for.
        EmailChangeAsked = "email_change_asked",
        /// One of the two addresses of a change was proven.
        EmailChangeProven = "email_change_proven",
        /// A change of address was taken back.
        EmailChangeCancelled = "email_change_cancelled",
        /// A person changed their profile.
        ProfileChanged = "profile_changed",
        /// A person changed their preferences.
        PreferencesChanged = "preferences_changed",
        /// A library was made.
        LibraryAdded = "library_added",
        /// A library's name, code or settings were changed.
        LibraryChanged = "library_changed",
        /// A library was removed.
        LibraryDeleted = "library_deleted",
        /// A library was opened.
        LibraryActive = "library_active",
        /// A library was closed.
        LibraryInactive = "library_inactive",
        /// A library waits to be opened.
        LibraryPending = "library_pending",
        /// Somebody became staff.
        StaffAdded = "staff_added",
        /// A staff record was changed, or marked as removed.
        StaffChanged = "staff_changed",
        /// A staff record is gone.
        StaffDeleted = "staff_deleted",
        /// A staff record was made active.
        StaffActive = "staff_active",
        /// A staff record was made inactive.
        StaffInactive = "staff_inactive",
        /// Somebody was dismissed.
        StaffTerminated = "staff_terminated",
        /// Somebody was invited.
        InvitationAdded = "invitation_added",
        /// An invitation was changed.
        InvitationChanged = "invitation_changed",
        /// An invitation waits again.
        InvitationPending = "invitation_pending",
        /// An invitation was accepted.
        InvitationAccepted = "invitation_accepted",
        /// An invitation was declined.
        InvitationDeclined = "invitation_declined",
        /// An invitation was not answered in time.
        InvitationExpired = "invitation_expired",
        /// An invitation was withdrawn.
        InvitationCancelled = "invitation_cancelled",
        /// Somebody asked for access to a library.
        AccessRequestAdded = "access_request_added",
        /// A request for access was changed.
        AccessRequestChanged = "access_request_changed",
        /// A request for access waits again.
        AccessRequestPending = "access_request_pending",
        /// A request for access was granted.
        AccessRequestApproved = "access_request_approved",
        /// A request for access was refused.
        AccessRequestDeclined = "access_request_declined",
        /// A request for access was taken back.
        AccessRequestWithdrawn = "access_request_withdrawn",
        /// A service key was made.
        ServiceKeyMade = "service_key_made",
        /// A service key was revoked.
        ServiceKeyRevoked = "service_key_revoked",
        /// An administrator ended somebody's session.
        SessionRevoked = "session_revoked",
        /// An administrator made an account.
        UserCreated = "user_created",
        /// An administrator changed an account.
        UserChanged = "user_changed",
        /// An administrator deleted an account.
        UserRemoved = "user_removed",
        /// An administrator invited somebody to an account.
        UserInvited = "user_invited",
        /// An administrator got a code and a link of an account into their own hands.
        LinkGenerated = "link_generated",
        /// A token of the role `service_role` was made.
        ServiceRoleTokenMade = "service_role_token_made",
        /// An administrator lifted the limits on guesses and mails of an address.
        UserUnlocked = "user_unlocked",
        /// Accounts were taken over from elsewhere; one row a batch, since a batch is what is kept or not.
        UsersImported = "users_imported",
        /// Everybody's account was written out.
        UsersExported = "users_exported",
        /// An administrator lets no mail go to an address.
        MailSuppressed = "mail_suppressed",
        /// An administrator lets mail go to an address again.
        MailSuppressionLifted = "mail_suppression_lifted",
        /// A mail server refused an address twice within a day: it gets no mail for the next one.
        MailAddressSuspected = "mail_address_suspected",
        /// A mail was not sent, because its address gets none.
        MailDropped = "mail_dropped",
        /// An administrator had a mail tried again.
        MailRetried = "mail_retried",
        /// A signing key was made and is published.
        SigningKeyMade = "signing_key_made",
        /// An administrator wants the next signing key to sign as soon as it may.
        SigningKeyHastened = "signing_key_hastened",
        /// The private part of a signing key was encrypted anew, under another master secret.
        SigningKeyRewrapped = "signing_key_rewrapped",
        /// A signing key signs from now on.
        SigningKeyActivated = "signing_key_activated",
        /// A signing key signs no more and still verifies.
        SigningKeyRetired = "signing_key_retired",
        /// A signing key verifies no more.
        SigningKeyGone = "signing_key_gone",
        /// A signing key was revoked in an emergency.
        SigningKeyRevoked = "signing_key_revoked",
        /// Events were lost, because too many waited for the database.
        AuditEventsDropped = "audit_events_dropped",
        /// Network addresses and clients of old events were cleared.
        AuditAddressesCleared = "audit_addresses_cleared",
        /// Months of the log that were kept long enough were removed.
        AuditMonthsDropped = "audit_months_dropped",
        /// What named a deleted account in the log was blanked.
        PersonalDataForgotten = "personal_data_forgotten",
    }
}

/// An event to be put on record that no statement of the database was the act of.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// Names it: put on record twice, it is there once.
    pub id: Uuid,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// What kind of actor it was.
    pub actor_kind: ActorKind,
    /// Whose account, if anybody was known.
    pub actor_id: Option<Uuid>,
    /// What happened.
    pub action: AuditAction,
    /// The session that asked, if there was one.
    pub session_id: Option<Uuid>,
    /// Where.
    pub site: Option<String>,
    /// The client's address, or network.
    pub ip: Option<String>,
    /// What the client calls itself.
    pub agent: Option<String>,
    /// What else there is to say: an object.
    pub details: Value,
}

/// An event, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Names it.
    pub id: Uuid,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// What kind of actor it was: a word of [`ActorKind`], or one of a newer version of the server.
    pub actor_kind: String,
    /// Who it was, unless nobody knew, there is but one of the kind, or they were forgotten.
    pub actor_id: Option<Uuid>,
    /// What happened: a word of [`AuditAction`], or one of a newer version of the server.
    pub action: String,
    /// To whom or what.
    pub target_id: Option<Uuid>,
    /// The session concerned.
    pub session_id: Option<Uuid>,
    /// Where.
    pub site: Option<String>,
    /// The client's address, until it is cleared.
    pub ip: Option<String>,
    /// What the client called itself, until it is cleared.
    pub agent: Option<String>,
    /// What else there is to say.
    pub details: Value,
}

/// Which events somebody looks for. What is not set is not asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By whom.
    pub actor: Option<Uuid>,
    /// By which kind of actor.
    pub actor_kind: Option<ActorKind>,
    /// What.
    pub action: Option<AuditAction>,
    /// To whom or what.
    pub target: Option<Uuid>,
    /// Where.
    pub site: Option<String>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// A place in the log: what comes next, going back in time, comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// When the last event seen happened.
    pub created_at: DateTime<Utc>,
    /// Which it was.
    pub id: Uuid,
}

impl AuditCursor {
    /// Reads a cursor as it was handed out. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            created_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            id: Uuid::from_slice(id).ok()?,
        })
    }

    /// The cursor for its holder to send back.
    #[must_use]
    pub fn encode(&self) -> String {
        let micros = self.created_at.timestamp_micros().to_be_bytes();
        BASE64URL_NOPAD.encode(&[micros.as_slice(), self.id.as_bytes()].concat())
    }
}

/// A part of the log, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPart {
    /// The events.
    pub items: Vec<AuditRecord>,
    /// Where to go on; `None` at the end.
    pub next: Option<AuditCursor>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_one_of_its_own_and_reads_back() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), Some(*action));
        }
        for kind in ActorKind::ALL {
            assert_eq!(ActorKind::parse(kind.as_str()), Some(*kind));
        }
        let words: BTreeSet<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), AuditAction::ALL.len());
        assert_eq!((AuditAction::parse("Login"), ActorKind::parse("")), (None, None));
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_handed_out_and_nothing_else_is_one() {
        let at = DateTime::from_timestamp_micros(1_795_220_476_123_456).unwrap();
        let cursor = AuditCursor { created_at: at, id: Uuid::from_u128(9) };
        let text = cursor.encode();
        assert_eq!(AuditCursor::parse(&text), Some(cursor));
        for other in ["", "x", &text[1..], &format!("{text}AA")] {
            assert_eq!(AuditCursor::parse(other), None, "{other}");
        }
    }
}

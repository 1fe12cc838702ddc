//! What labels may say: closed sets, so that no metric grows with what people send, and none tells of a person.
//!
//! Beside these words a label holds a site's id, the id of an operation of the API, an HTTP status, or the name of a
//! statement: all of them written down in code or configuration.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// A closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The word in the label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    };
}

words! {
    /// The method of a request. Anybody may invent one, so what is not listed is `other`.
    Method {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// PATCH
        Patch = "PATCH",
        /// DELETE
        Delete = "DELETE",
        /// OPTIONS
        Options = "OPTIONS",
        /// Any other.
        Other = "other",
    }
}

impl Method {
    /// The label of a method as it was sent.
    #[must_use]
    pub fn of(sent: &str) -> Self {
        Self::ALL.iter().copied().find(|method| method.as_str() == sent).unwrap_or(Self::Other)
    }
}

words! {
    /// What became of the wish for a code.
    CodeIssue {
        /// A six-digit code was kept and its mail queued.
        Short = "short",
        /// A long code was, because the address has had its wrong guesses for the day.
        Long = "long",
        /// The sending was counted, and no code followed.
        Counted = "counted",
        /// There was none to replace.
        Nothing = "nothing",
        /// The address has had its mails for now.
        TooSoon = "too_soon",
        /// Its owner did not ask for the codes of before: strangers get none for a while.
        Cooling = "cooling",
        /// The site has sent its mails for this hour.
        SiteBudget = "site_budget",
        /// The mail host has had its mails for this hour.
        HostBudget = "host_budget",
        /// The client, or its network, has asked for its codes.
        Client = "client",
        /// The code store did not do it.
        Failed = "failed",
    }
}

words! {
    /// What became of a proof that was presented.
    CodeCheck {
        /// It was right, and nobody else was about to use it.
        Accepted = "accepted",
        /// Wrong, spent, expired or never issued.
        Refused = "refused",
        /// The client, or its network, has presented too many that were wrong.
        Limited = "limited",
        /// The code store did not answer.
        Failed = "failed",
    }
}

words! {
    /// What became of a refresh.
    Refresh {
        /// The session goes on.
        Refreshed = "refreshed",
        /// The text was no token of this site.
        BadToken = "bad_token",
        /// The session had been ended.
        NoSession = "no_session",
        /// It paused for too long, or reached its longest life.
        Expired = "expired",
        /// The account is banned.
        Banned = "banned",
        /// An old token came back: the session was ended as stolen.
        Reused = "reused",
        /// Another client was faster.
        Overtaken = "overtaken",
        /// The client refreshed too often.
        Limited = "limited",
        /// A dependency failed, or there was no key to sign with.
        Failed = "failed",
    }
}

words! {
    /// Why sessions ended.
    SessionEnd {
        /// Their owner signed out on that site.
        SignOut = "sign_out",
        /// Their owner ended them from the list of all.
        Owner = "owner",
        /// An old refresh token came back.
        Stolen = "stolen",
    }
}

words! {
    /// Where mails wait.
    Queue {
        /// In the code store: mails with a code.
        Codes = "codes",
        /// In the database: mails about a change there.
        Outbox = "outbox",
    }
}

words! {
    /// What became of a try to send a mail.
    MailTry {
        /// The mail server has it.
        Sent = "sent",
        /// Not now: it is tried again.
        Retried = "retried",
        /// The mail server will never take it.
        Refused = "refused",
        /// It was not sent, and never will be: its code is dead, it is too old, or it cannot be written.
        Dropped = "dropped",
    }
}

words! {
    /// A limit that somebody met.
    Limit {
        /// Requests for a code from a client address.
        ClientCodeRequests = "client_code_requests",
        /// Verifications from a client address.
        ClientVerifies = "client_verifies",
        /// Refreshes from a client address.
        ClientRefreshes = "client_refreshes",
        /// Mails to an address.
        AddressMails = "address_mails",
        /// Mails to an address whose owner did not ask for those of before.
        AddressCooling = "address_cooling",
        /// Wrong guesses of an address in a day: from here on its codes are long.
        AddressGuesses = "address_guesses",
        /// Mails of a site in an hour.
        SiteMails = "site_mails",
        /// Mails to a mail host in an hour.
        HostMails = "host_mails",
        /// Codes asked for by a client or its network, at all replicas.
        NetworkSends = "network_sends",
        /// Wrong proofs of a client or its network, at all replicas.
        NetworkWrong = "network_wrong",
    }
}

words! {
    /// A call of the code store in Redis.
    StoreCall {
        /// Issue a code, or count its sending.
        Issue = "issue",
        /// Keep a proof.
        Keep = "keep",
        /// Claim a proof.
        Claim = "claim",
        /// End a code that its owner did not ask for.
        Stop = "stop",
        /// End a claim.
        Release = "release",
        /// Take back a claim whose answer was lost.
        Withdraw = "withdraw",
        /// Is this code still the one?
        Current = "current",
        /// May a rare mail go out now?
        Once = "once",
        /// Are wrong guesses too many?
        Tripped = "tripped",
        /// Bring back or mark wrong guesses that are remembered elsewhere.
        Remember = "remember",
        /// Lift the limits of an address.
        Unlock = "unlock",
        /// Finish, renew or give back a mail.
        Mail = "mail",
        /// How long is the mail queue?
        Queue = "queue",
        /// Take events that wait to be put on record, or forget them.
        Events = "events",
        /// Does it answer?
        Ping = "ping",
    }
}

words! {
    /// What the server leans on.
    Dependency {
        /// PostgreSQL.
        Database = "database",
        /// Redis, or the store in this process.
        CodeStore = "code_store",
        /// The mail server.
        MailServer = "mail_server",
    }
}

words! {
    /// How a dependency failed.
    Failure {
        /// It did not answer, or cannot now.
        Unavailable = "unavailable",
        /// It did not answer as our code expects.
        Unexpected = "unexpected",
    }
}

/// Label sets, by the names that the labels have.
macro_rules! label_sets {
    ($($name:ident { $($label:ident: $kind:ty),* })*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub(super) struct $name {
                $(pub(super) $label: $kind,)*
            }
        )*
    };
}

label_sets! {
    Answered { operation: &'static str, method: Method, status: u16 }
    Operation { operation: &'static str }
    Issued { site: String, purpose: &'static str, outcome: CodeIssue }
    Checked { site: String, purpose: &'static str, outcome: CodeCheck }
    Opened { site: String, account: &'static str }
    Refreshed { site: String, outcome: Refresh }
    Ended { reason: SessionEnd }
    Tried { queue: Queue, outcome: MailTry }
    InQueue { queue: Queue }
    Hit { limit: Limit }
    Statement { statement: &'static str }
    Call { call: StoreCall }
    Failed { dependency: Dependency, failure: Failure }
    On { dependency: Dependency }
    OfSite { site: String }
    Build { version: &'static str, embedded: bool }
}

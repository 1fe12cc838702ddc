//! The rules, and nothing else: no I/O, no async, no clock and no randomness of their own.
//!
//! Whatever a rule needs from outside comes in as an argument, so that each has one home and a plain unit test.

mod account;
mod admin;
mod audit;
pub mod audit_chain;
mod browser;
mod client;
mod clock_skew;
mod code;
mod destination;
mod device;
mod email;
pub mod fields;
mod figures;
mod gate;
mod guesses;
mod import;
pub mod keys;
mod known_device;
mod library;
mod locale;
pub mod look;
mod mail;
mod pkce;
mod profile;
mod session;
pub mod signing_key;
mod site;
mod user;
pub mod words;

pub use account::{
    Account, AccountChange, AccountPlan, AccountSearch, AddressPrefix, AppMetadata, AppMetadataError,
    AuditEntry, AuditQuestion, Ban, NumberedPage,
};
pub use admin::{Administrator, AdministratorKind, Scope, ServiceKey, ServiceKeyRecord};
pub use audit::{ActorKind, AuditAction, AuditCursor, AuditEvent, AuditFilter, AuditPart, AuditRecord};
pub use browser::{BrowserId, SessionCookie};
pub use client::{SharedNetworks, client_ip, client_line, client_network};
pub use clock_skew::{ClockSkew, ClockVerdict};
pub use code::{ChallengeId, CodeKind, SignInCode, Slot};
pub use device::Device;
pub use email::{EmailAddress, EmailError};
pub use figures::{Figure, HourCount, Hours, SiteFigures};
pub use gate::{
    Demand, Gate, PERMISSIONS, Required, Rule, RuleError, StaffRights, Target, TargetError, Verdict,
};
pub use guesses::{RememberedGuesses, SpentAddress, WrongGuess};
pub use import::{ImportRecord, ImportRules, LeftOut, Newcomer, Outcome, SourceId, Tally};
pub use keys::{AddressTag, KeyRing, LimitTag};
pub use known_device::KnownDevice;
pub use library::{
    AccessRequest, Invitation, Library, LibraryRecord, MAX_PAGE, Offer, Page, Role, StaffChange, StaffEntry,
    StaffRecord,
};
pub use locale::Locale;
pub use look::{Color, Logo, Look, READABLE};
pub use mail::{MailFailure, MailFailureRecord, MailQueue, MailSuppression};
pub use pkce::{CodeChallenge, CodeChallengeError};
pub use profile::{Change, Preferences, Profile, PublicProfile};
pub use session::{OwnSession, RefreshToken, RefreshTokenError, SessionId, SignOutScope};
pub use signing_key::{KeyRules, KeyState, KeyStep, SigningKey};
#[cfg(test)]
pub(crate) use site::tests::site as test_site;
pub use site::{Claim, MailLink, Site, SiteError, SiteKind, Sites, TokenAlgorithm};
pub use user::{MAX_METADATA, MetadataError, PendingEmail, User, UserId, UserMetadata};

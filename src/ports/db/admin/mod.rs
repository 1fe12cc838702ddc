//! What administrators read and change. Each change is one statement that also writes its audit row.

mod access_requests;
mod creation;
mod figures;
mod keeper;
mod libraries;
mod mail;
mod service_keys;
mod sessions;
mod staff;
mod users;
mod wire;

pub use self::creation::{Creation, CreationTx, Repeated};
pub use self::libraries::{LibraryChange, LibraryFilter, NewLibrary};
pub use self::service_keys::{LiveServiceKey, NewServiceKey};
pub use self::staff::{StaffFilter, StaffUpdate};
pub use self::users::{AddressMark, ChangeUser, NewUser};
pub use self::wire::InviteUser;
use crate::domain::Administrator;

/// Who acts, as the audit log names them.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The administrator.
    pub administrator: &'a Administrator,
    /// Where the request came from; `None` on the machine itself.
    pub ip: Option<std::net::IpAddr>,
    /// What the client calls itself.
    pub agent: Option<&'a str>,
}

impl Actor<'_> {
    fn kind(&self) -> &'static str {
        self.administrator.kind.as_str()
    }

    fn id(&self) -> Option<uuid::Uuid> {
        self.administrator.kind.id()
    }

    fn ip(&self) -> Option<String> {
        self.ip.map(|ip| ip.to_string())
    }
}

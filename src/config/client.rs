//! What a command needs that calls a running server: where it is, and the key to call it with.

use secrecy::SecretString;

/// The variable that names the server.
pub const SERVER: &str = "DOORCODE_SERVER";
/// The variable that holds the service key.
pub const SERVICE_KEY: &str = "DOORCODE_SERVICE_KEY";

/// A server to call. None of it is in a configuration file: that one is the server's own.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Where it is, such as `https://accounts.example.org`.
    pub server: Option<String>,
    /// The service key. Never an argument: those are seen by every user of a machine.
    pub service_key: Option<SecretString>,
}

impl ClientSettings {
    /// From [`SERVER`] and [`SERVICE_KEY`]; an empty variable counts as absent.
    #[must_use]
    pub fn from_environment() -> Self {
        let read = |name| {
            let text = std::env::var_os(name)?.into_string().ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Self { server: read(SERVER), service_key: read(SERVICE_KEY).map(SecretString::from) }
    }
}

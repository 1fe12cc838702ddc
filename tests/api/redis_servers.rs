//! Redis as people run it, and what it does to them: what the server keeps to while its Redis fails, is full, or is
//! somebody else's.

mod access;
mod failover;
mod outage;

use super::support::process::Process;
use super::support::{OwnRedis, Services};

/// A server on its own Redis, that waits for it no longer than by default.
async fn serve(
    redis: &OwnRedis,
    services: &Services,
    more: &[(&str, &str)],
    folder: &std::path::Path,
) -> Process {
    Process::start(&settings(redis, services, more), folder).await
}

fn settings(redis: &OwnRedis, services: &Services, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let ours = [
        ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E="),
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("REDIS__URL", redis.url.as_str()),
        ("REDIS__TIMEOUT_MS", "300"),
        // Everybody comes from one address here.
        ("LIMITS__CODE_REQUESTS", "100000"),
        ("LIMITS__VERIFIES", "100000"),
        ("LIMITS__CLIENT_SENDS_PER_10MIN", "100000"),
        ("LIMITS__CLIENT_SENDS_PER_HOUR", "100000"),
        ("LIMITS__NETWORK_SENDS_PER_HOUR", "100000"),
        ("LIMITS__CLIENT_WRONG_PER_10MIN", "100000"),
        ("LIMITS__NETWORK_WRONG_PER_HOUR", "100000"),
    ];
    let mut settings = services.settings();
    settings.extend(ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

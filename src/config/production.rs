//! What production refuses: settings that are right for trying the server out and wrong with real people.

use url::Url;

use super::Config;
use super::layers::Layers;
use super::mail::{MailTransport, SmtpTls, is_local_name};
use super::names::is_printable;
use super::problems::{Problem, shown};
use super::sites::SiteConfig;
use super::stores::is_local_or_verified;
use crate::domain::MailLink;

/// Notes everything in `config` that a production server must not run with.
pub(super) fn judge(config: &Config, layers: &mut Layers) {
    let mut refusals = Refusals(Vec::new());
    refusals.judge_server(config);
    let known: Vec<String> =
        layers.default_site_values("publishable_key").into_iter().map(str::to_owned).collect();
    for (name, site) in &config.sites {
        refusals.judge_site(name, site, &known);
    }
    refusals.0.into_iter().for_each(|problem| layers.problems.add(problem));
}

struct Refusals(Vec<Problem>);

impl Refusals {
    fn refuse(&mut self, key: &str, found: &str, expected: &str) {
        let found = is_printable(key).then(|| shown(found));
        self.0.push(Problem::of(key, found, format!("{expected} in production")));
    }

    fn judge_server(&mut self, config: &Config) {
        for host in &config.server.shared_hosts {
            if host_of(host).is_some_and(|host| is_local_name(&host)) {
                self.refuse("server.shared_hosts", host, "no name or address of this machine");
            }
        }
        if config.secrets.master.is_none() && config.secrets.master_file.is_none() {
            let expected = "a master secret, or a secrets.master_file,";
            self.refuse("secrets.master", "", expected);
        }
        if config.database.is_embedded() {
            self.refuse("database.url", "", "postgres://… and not the embedded database");
        }
        let database = &config.database;
        let urls =
            [("database.url", Some(&database.url)), ("database.owner_url", database.owner_url.as_ref())];
        for (key, url) in urls {
            let known = database.allow_unverified || url.is_none_or(is_local_or_verified);
            if !known && !database.is_embedded() {
                let expected = "?sslmode=verify-full at its end (and sslrootcert for an authority of your own), unless PostgreSQL \
                     is local or database.allow_unverified is true,";
                self.refuse(key, "", expected);
            }
        }
        if config.redis.is_memory() {
            self.refuse("redis.url", "", "redis://…, rediss://… or another of its kind, and not memory");
        }
        if config.audit.retention_days < config.audit.ip_days {
            let expected = "at least audit.ip_days: an address cannot outlive its event,";
            self.refuse("audit.retention_days", &config.audit.retention_days.to_string(), expected);
        }
        if config.audit.retention_days < 90 {
            let expected = "90 days or more: what an attack began with is looked for after months,";
            self.refuse("audit.retention_days", &config.audit.retention_days.to_string(), expected);
        }
        let mail = &config.mail;
        if mail.transport == MailTransport::Inbox {
            self.refuse("mail.transport", "inbox", "smtp");
        } else if mail.smtp_tls == SmtpTls::None && !mail.is_relay_local() && !mail.allow_plaintext_relay {
            let expected =
                "starttls or tls, unless the relay is local or mail.allow_plaintext_relay is true,";
            self.refuse("mail.smtp_tls", "none", expected);
        }
    }

    fn judge_site(&mut self, name: &str, site: &SiteConfig, known_keys: &[String]) {
        let key = |key: &str| format!("sites.{name}.{key}");
        if site.url.scheme() != "https" {
            self.refuse(&key("url"), &site.origin(), "https");
        }
        for origin in site.origins.iter().filter(|origin| !origin.starts_with("https://")) {
            self.refuse(&key("origins"), origin, "only https");
        }
        if let MailLink::Url(url) = &site.mail_link
            && url.scheme() != "https"
        {
            self.refuse(&key("mail_link"), url.as_str(), "https");
        }
        if known_keys.contains(&site.publishable_key) {
            let expected = "a key of your own and not the one of the defaults";
            self.refuse(&key("publishable_key"), &site.publishable_key, expected);
        }
        if !is_deliverable(site.sender_address.as_str()) {
            self.refuse(
                &key("sender_address"),
                site.sender_address.as_str(),
                "an address under a domain of yours",
            );
        }
    }
}

/// The host of a Host value, without the port.
fn host_of(host: &str) -> Option<String> {
    Url::parse(&format!("http://{host}")).ok()?.host_str().map(str::to_owned)
}

/// Whether mail could come from there: not from localhost, nor from example.com and its likes, which are
/// reserved (RFC 2606 section 3). Names under the top-level domain example pass, for tests to use.
fn is_deliverable(address: &str) -> bool {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
    let mut labels = domain.trim_end_matches('.').rsplit('.');
    let (top, second) = (labels.next().unwrap_or_default(), labels.next());
    top != "localhost" && second != Some("example")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_under_reserved_domains_are_told() {
        for address in ["a@localhost", "a@reader.localhost", "a@example.com", "a@Mail.Example.ORG."] {
            assert!(!is_deliverable(address), "{address}");
        }
        for address in ["a@library.example", "a@myexample.com", "a@example.co.uk", "a@bib.vn"] {
            assert!(is_deliverable(address), "{address}");
        }
    }
}

//! The sections about sites, and how sites must differ from each other.

use std::collections::BTreeMap;

use url::Url;

use super::look;
use super::problems::{Problem, Problems, shown};
use super::reader::{Reader, Word};
use crate::domain::{EmailAddress, Gate, Locale, Look, MailLink, Rule, SiteKind, TokenAlgorithm};

/// Stands in for a sender that cannot be read.
const NOBODY: &str = "nobody@localhost.invalid";

impl Word for SiteKind {
    const WORDS: &'static str = "reader or management";
    const STAND_IN: Self = Self::Reader;
}

impl Word for TokenAlgorithm {
    const WORDS: &'static str = "ES256 or RS256";
    const STAND_IN: Self = Self::Es256;
}

/// `[sites.NAME]`, for a site that is enabled. Variables are called as `DOORCODE__SITES__READER__URL`.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    /// Whose site it is.
    pub kind: SiteKind,
    /// What people call it, 1 to 60 characters.
    pub name: String,
    /// Where browsers reach it: `http` or `https`, host and port, no path. [`SiteConfig::origin`] writes it
    /// without the slash that a URL ends in.
    pub url: Url,
    /// Further browser origins, as a browser writes them: lower case, no slash at the end, no default port.
    pub origins: Vec<String>,
    /// The public key by which clients name the site, 8 to 128 characters.
    pub publishable_key: String,
    /// The `aud` of its tokens, 1 to 128 characters.
    pub audience: String,
    /// Whether a new address gets an account by signing in; never on a management site.
    pub sign_up: bool,
    /// Whether clients are told that an address has no account.
    pub reveal_unknown_accounts: bool,
    /// From: the name, 1 to 60 characters.
    pub sender_name: String,
    /// From: the address.
    pub sender_address: EmailAddress,
    /// Language of its mails where nothing better is known.
    pub locale: Locale,
    /// The signature of its access tokens.
    pub token_algorithm: TokenAlgorithm,
    /// Life of an access token, 300 to 86400.
    pub access_token_secs: u64,
    /// A session ends when unused for this long, 300 to `session_max_secs`.
    pub session_idle_secs: u64,
    /// A session ends this long after signing in, 300 to 63072000.
    pub session_max_secs: u64,
    /// Most mails an hour, 1 to 1000000.
    pub mails_per_hour: u32,
    /// The link that a code mail carries beside the code; a page's address without query and fragment.
    pub mail_link: MailLink,
    /// `logo_file`, `color`, `footer`, `pages` and `library_home`.
    pub look: Look,
    /// Who may pass to which path of it behind a proxy; `staff` and above on a management site only.
    pub gate: Gate,
}

impl SiteConfig {
    /// `None` for a site that is not enabled; the rest of it is not judged.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        if !from.flag("enabled") {
            from.skip();
            return None;
        }
        let url = from.parsed("url", "http(s)://host without a path", parse_origin);
        let link = from.parsed("mail_link", "page, none or an http(s) URL without ? and #", parse_mail_link);
        let sender = from.parsed("sender_address", "a mail address", |text| EmailAddress::parse(text).ok());
        let locale = from.parsed("locale", Locale::TAGS, Locale::from_tag);
        let url = url.unwrap_or_else(|| Url::parse("http://localhost").expect("a URL in the source"));
        let origins = from.list("origins", "http(s)://host:port without a path", |text| {
            parse_origin(text).map(|url| url.origin().ascii_serialization())
        });
        let look = look::read(from, &url, &origins);
        let site = Self {
            kind: from.word("kind"),
            name: from.checked("name", "1 to 60 characters", is_name),
            url,
            origins,
            publishable_key: from.checked("publishable_key", "8 to 128 of A-Z, a-z, 0-9, _ and -", is_key),
            audience: from.checked("audience", "1 to 128 visible ASCII characters", is_audience),
            sign_up: from.flag("sign_up"),
            reveal_unknown_accounts: from.flag("reveal_unknown_accounts"),
            sender_name: from.checked("sender_name", "1 to 60 characters", is_name),
            sender_address: sender
                .unwrap_or_else(|| EmailAddress::parse(NOBODY).expect("an address in the source")),
            locale: locale.unwrap_or(Locale::English),
            token_algorithm: from.word("token_algorithm"),
            access_token_secs: from.number("access_token_secs", 300..=86_400, "seconds"),
            session_idle_secs: from.number("session_idle_secs", 300..=63_072_000, "seconds"),
            session_max_secs: from.number("session_max_secs", 300..=63_072_000, "seconds"),
            mails_per_hour: from.number("mails_per_hour", 1..=1_000_000, "an hour"),
            mail_link: link.unwrap_or(MailLink::None),
            look,
            gate: read_gate(from),
        };
        if site.kind == SiteKind::Reader && from.is_unblamed("kind") {
            for rule in site.gate.rules().filter(|rule| rule.is_for_staff()) {
                let expected = "public or signed_in: nobody is staff on a reader site, so nobody could pass";
                from.blame("gate", Some(shown(&rule.to_string())), expected);
            }
        }
        if site.kind == SiteKind::Management && site.sign_up {
            from.blame("sign_up", Some("true".to_owned()), "false: staff are invited to a management site");
        }
        let lives_known = from.is_unblamed("session_idle_secs") && from.is_unblamed("session_max_secs");
        if site.session_idle_secs > site.session_max_secs && lives_known {
            let (idle, max) = (site.session_idle_secs, site.session_max_secs);
            let expected = format!("300 to {max} seconds, which is session_max_secs");
            from.blame("session_idle_secs", Some(idle.to_string()), expected);
        }
        Some(site)
    }

    /// The site's own origin as a browser writes it, `https://www.library.example`. Issuer and links begin
    /// with it.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The Host value of the site: the port stands in it unless it is the scheme's own.
    #[must_use]
    pub fn host(&self) -> String {
        let origin = self.origin();
        origin.split_once("://").map_or_else(String::new, |(_, host)| host.to_owned())
    }
}

/// Notes where two enabled sites could be taken for each other, and that there is at least one.
pub(super) fn judge_together(sites: &BTreeMap<String, SiteConfig>, problems: &mut Problems) {
    if sites.is_empty() {
        let problem = Problem::of("sites", None, "at least one site that is enabled");
        problems.add(problem.remedy("set enabled = true for one"));
    }
    // The host stands for the url: two urls without a path that share it cannot be told apart by a request.
    let mut first: BTreeMap<(&str, String), &str> = BTreeMap::new();
    for (name, site) in sites {
        let identities = [
            ("url", site.host()),
            ("publishable_key", site.publishable_key.clone()),
            ("audience", site.audience.clone()),
        ];
        for identity in identities {
            let path = format!("sites.{name}.{}", identity.0);
            if !problems.is_sound(&path) {
                continue;
            }
            match first.get(&identity) {
                Some(other) => {
                    let expected = format!("another value than that of sites.{other}");
                    problems.add(Problem::of(&path, Some(shown(&identity.1)), expected));
                }
                None => drop(first.insert(identity, name)),
            }
        }
    }
}

/// The rules, without those lines that are none: each of them is noted with what it should be.
fn read_gate(from: &mut Reader<'_>) -> Gate {
    let mut rules = Vec::new();
    for line in from.list("gate", "a list of lines", |line| Some(line.to_owned())) {
        match Rule::parse(&line) {
            Ok(rule) => rules.push(rule),
            Err(error) => from.blame("gate", Some(shown(&line)), error.to_string()),
        }
    }
    Gate::new(rules)
}

/// A URL that is scheme, host and port and nothing else; a slash at the end does no harm.
fn parse_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(is_web)?;
    (url.path() == "/" && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

fn parse_mail_link(text: &str) -> Option<MailLink> {
    match text {
        "page" => return Some(MailLink::Page),
        "none" => return Some(MailLink::None),
        _ => {}
    }
    let url = Url::parse(text).ok().filter(is_web)?;
    (url.query().is_none() && url.fragment().is_none()).then_some(MailLink::Url(url))
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
}

fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.chars().count()) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn is_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (8..=128).contains(&text.len()) && text.chars().all(allowed)
}

fn is_audience(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_link_is_a_word_or_a_bare_page() {
        assert_eq!(parse_mail_link("page"), Some(MailLink::Page));
        assert_eq!(parse_mail_link("none"), Some(MailLink::None));
        let url = Url::parse("https://app.example/auth/confirm").unwrap();
        assert_eq!(parse_mail_link(url.as_str()), Some(MailLink::Url(url)));
        for text in ["", "Page", "/confirm", "https://a/?b", "https://a/#b", "https://u@a/", "javascript:x"] {
            assert_eq!(parse_mail_link(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_alone() {
        let origin = |text: &str| parse_origin(text).map(|url| url.origin().ascii_serialization());
        assert_eq!(origin("HTTPS://App.Example:443/").as_deref(), Some("https://app.example"));
        assert_eq!(origin("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        assert_eq!(origin("https://bücher.example").as_deref(), Some("https://xn--bcher-kva.example"));
        for text in
            ["*", "null", "a.example", "https://a/b", "https://a?b", "https://a#", "https://u@a", "ftp://a"]
        {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}

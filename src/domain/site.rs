//! Sites: web properties with sessions, tokens and rules of their own, and how a request is told to be for one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{EmailAddress, Gate, Locale, Look};

/// What a site is for. Only a token of a management site can use staff rights, whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// For everybody; may make accounts.
    Reader,
    /// For staff; never makes an account.
    Management,
}

impl SiteKind {
    /// The word for it in tokens and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Management => "management",
        }
    }
}

/// How a site signs its access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenAlgorithm {
    /// ECDSA on P-256 (RFC 7518 §3.4): small and fast.
    Es256,
    /// RSA (RFC 7518 §3.3): for clients that verify nothing else.
    Rs256,
}

impl TokenAlgorithm {
    /// Reads its name. `None` for one that no site can have.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Es256, Self::Rs256].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Its name in a JWK (RFC 7518 §3.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// The link that sign-in mails carry beside the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailLink {
    /// To the site's own hosted page.
    Page,
    /// To a page of an application.
    Url(Url),
    /// None.
    None,
}

/// One configured site. Immutable while the server runs.
#[derive(Debug, Clone)]
pub struct Site {
    /// Short stable id: in tokens, session rows, keys. Changing it ends the site's sessions.
    pub id: String,
    /// What the site is for.
    pub kind: SiteKind,
    /// The name people know it by.
    pub name: String,
    /// Its home page; the issuer of its tokens is derived from it.
    pub url: Url,
    /// Browser origins that may call us for this site; the site's own is among them.
    pub origins: Vec<String>,
    /// Names the site in the `apikey` header. Public: it is in every page.
    pub publishable_key: String,
    /// The `aud` of its tokens.
    pub audience: String,
    /// Whether a code for an unknown address makes an account.
    pub sign_up: bool,
    /// Whether asking without the right to make an account tells an unknown address from a known one.
    pub reveal_unknown_accounts: bool,
    /// Whom its mails come from.
    pub sender_name: String,
    /// The address its mails come from.
    pub sender: EmailAddress,
    /// Language of its mails where nothing better is known.
    pub locale: Locale,
    /// How its tokens are signed.
    pub algorithm: TokenAlgorithm,
    /// Life of an access token.
    pub access_token_life: Duration,
    /// A session that was not refreshed for this long is over.
    pub session_idle: Duration,
    /// A session is over this long after its sign-in, whatever happened since.
    pub session_max: Duration,
    /// Code mails an hour, over all addresses.
    pub mails_per_hour: u32,
    /// Which page takes a mailed link.
    pub mail_link: MailLink,
    /// How its pages look, and whether there are any.
    pub look: Look,
    /// Who may pass to which of its paths, for a proxy that asks.
    pub gate: Gate,
}

impl Site {
    /// The `iss` of its tokens, which is also the address clients call (RFC 7519 §4.1.1).
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/auth/v1", self.origin())
    }

    /// Scheme, host and port of its home page.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Host and, unless it is the scheme's own, port: the `Host` header of a request to it.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The page that takes the links of this site's mails, if they carry any.
    #[must_use]
    pub fn confirm_page(&self) -> Option<Url> {
        match &self.mail_link {
            MailLink::Page if self.look.pages => self.hosted_confirm_page(),
            MailLink::Url(url) => Some(url.clone()),
            MailLink::Page | MailLink::None => None,
        }
    }

    /// The hosted page that asks a person before a link does anything.
    #[must_use]
    pub fn hosted_confirm_page(&self) -> Option<Url> {
        self.url.join("/confirm").ok()
    }

    /// The page for whoever gets a code that they did not ask for, if the site has pages.
    #[must_use]
    pub fn disown_page(&self) -> Option<Url> {
        self.look.pages.then(|| self.url.join("/not-me").ok()).flatten()
    }

    /// Whether a browser page of `origin` may call us for this site: an exact match, nothing else.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }
}

/// What a request says about the site it is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claim<'a> {
    /// The `apikey` header.
    pub api_key: Option<&'a str>,
    /// The `Host` header, lower case.
    pub host: Option<&'a str>,
    /// The `Origin` header, which only browsers send.
    pub origin: Option<&'a str>,
}

/// Why no site could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// The key is no site's.
    #[error("the apikey header is not the publishable key of a site")]
    UnknownKey,
    /// The host is neither a site's own nor one that sites share.
    #[error("this server does not answer for that host")]
    UnknownHost,
    /// Nothing in the request names a site.
    #[error("the request does not say which site it is for")]
    Unnamed,
    /// Key, host and origin name different sites.
    #[error("the request names two different sites")]
    Contradiction,
}

/// All configured sites.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    all: Vec<Arc<Site>>,
    by_key: HashMap<String, Arc<Site>>,
    by_host: HashMap<String, Arc<Site>>,
    shared_hosts: Vec<String>,
}

impl Sites {
    /// The sites of this installation, and the hosts on which any of them can be called by its key.
    #[must_use]
    pub fn new(sites: Vec<Site>, shared_hosts: &[String]) -> Self {
        let all: Vec<_> = sites.into_iter().map(Arc::new).collect();
        Self {
            by_key: all.iter().map(|site| (site.publishable_key.clone(), Arc::clone(site))).collect(),
            by_host: all.iter().map(|site| (site.host(), Arc::clone(site))).collect(),
            shared_hosts: shared_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            all,
        }
    }

    /// Every site, in order of configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.all.iter()
    }

    /// The site with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Site>> {
        self.all.iter().find(|site| site.id == id)
    }

    /// Whether any site can be called on this host (lower case) by its key.
    #[must_use]
    pub fn is_shared_host(&self, host: &str) -> bool {
        self.shared_hosts.iter().any(|shared| shared == host)
    }

    /// A site that makes accounts, to point people to from one that does not.
    #[must_use]
    pub fn sign_up_site(&self) -> Option<&Arc<Site>> {
        self.all.iter().find(|site| site.sign_up)
    }

    /// The site where staff work: in its name people hear of what an administrator did to their records.
    #[must_use]
    pub fn staff_site(&self) -> Option<&Arc<Site>> {
        self.all.iter().find(|site| site.kind == SiteKind::Management).or(self.all.first())
    }

    /// Whether any site lists this browser origin: what a preflight, which carries no key, is answered by.
    #[must_use]
    pub fn any_allows_origin(&self, origin: &str) -> bool {
        self.all.iter().any(|site| site.allows_origin(origin))
    }

    /// The site a request is for: by its key, else its host, else its origin.
    ///
    /// # Errors
    /// A [`SiteError`] where nothing names a site, something names none of ours, or two things name different ones.
    pub fn resolve(&self, claim: &Claim<'_>) -> Result<&Arc<Site>, SiteError> {
        let by_key = match claim.api_key {
            Some(key) => Some(self.by_key.get(key).ok_or(SiteError::UnknownKey)?),
            None => None,
        };
        let by_host = match claim.host {
            Some(host) if self.is_shared_host(host) => None,
            Some(host) => Some(self.by_host.get(host).ok_or(SiteError::UnknownHost)?),
            None => None,
        };
        if let (Some(key), Some(host)) = (by_key, by_host)
            && key.id != host.id
        {
            return Err(SiteError::Contradiction);
        }
        if let Some(site) = by_key.or(by_host) {
            // An origin that only another site lists contradicts. One that nobody lists is for the caller's own
            // rule: it may read public things, and change nothing.
            return match claim.origin {
                Some(origin) if !site.allows_origin(origin) && self.any_allows_origin(origin) => {
                    Err(SiteError::Contradiction)
                }
                _ => Ok(site),
            };
        }
        let origin = claim.origin.ok_or(SiteError::Unnamed)?;
        let mut listing = self.all.iter().filter(|site| site.allows_origin(origin));
        match (listing.next(), listing.next()) {
            (Some(site), None) => Ok(site),
            _ => Err(SiteError::Unnamed),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::Color;

    /// A site for tests, at `http://{id}.localhost:8080`.
    pub(crate) fn site(id: &str, kind: SiteKind) -> Site {
        let url: Url = format!("http://{id}.localhost:8080").parse().expect("a URL");
        Site {
            id: id.to_owned(),
            kind,
            name: id.to_owned(),
            origins: vec![url.origin().ascii_serialization(), format!("https://{id}.example")],
            url,
            publishable_key: format!("key_{id}"),
            audience: id.to_owned(),
            sign_up: kind == SiteKind::Reader,
            reveal_unknown_accounts: false,
            sender_name: id.to_owned(),
            sender: EmailAddress::parse("no-reply@example.org").expect("an address"),
            locale: Locale::English,
            algorithm: TokenAlgorithm::Es256,
            access_token_life: Duration::from_secs(3600),
            session_idle: Duration::from_secs(3600),
            session_max: Duration::from_secs(7200),
            mails_per_hour: 100,
            mail_link: MailLink::None,
            look: Look {
                color: Color::rgb(0x1d, 0x4e, 0xd8),
                logo: None,
                footer: String::new(),
                pages: true,
                library_home: "/?library={code}".to_owned(),
            },
            gate: Gate::default(),
        }
    }

    fn resolve(key: Option<&str>, host: Option<&str>, origin: Option<&str>) -> Result<String, SiteError> {
        let sites = Sites::new(
            vec![site("reader", SiteKind::Reader), site("manage", SiteKind::Management)],
            &["127.0.0.1:8080".to_owned()],
        );
        sites.resolve(&Claim { api_key: key, host, origin }).map(|site| site.id.clone())
    }

    #[test]
    fn key_then_host_then_origin_names_the_site() {
        let (shared, own) = (Some("127.0.0.1:8080"), Some("manage.localhost:8080"));
        assert_eq!(resolve(Some("key_reader"), shared, None), Ok("reader".into()));
        assert_eq!(resolve(None, own, None), Ok("manage".into()));
        assert_eq!(resolve(None, shared, Some("https://reader.example")), Ok("reader".into()));
        assert_eq!(resolve(Some("key_manage"), own, Some("https://manage.example")), Ok("manage".into()));
        assert_eq!(resolve(Some("key_reader"), None, Some("https://nobody.example")), Ok("reader".into()));
    }

    #[test]
    fn a_contradiction_or_an_unknown_name_is_refused() {
        let (shared, own) = (Some("127.0.0.1:8080"), Some("manage.localhost:8080"));
        assert_eq!(resolve(Some("key_reader"), own, None), Err(SiteError::Contradiction));
        assert_eq!(resolve(None, own, Some("https://reader.example")), Err(SiteError::Contradiction));
        assert_eq!(
            resolve(Some("key_reader"), shared, Some("https://manage.example")),
            Err(SiteError::Contradiction)
        );
        assert_eq!(resolve(Some("wrong"), own, None), Err(SiteError::UnknownKey));
        assert_eq!(resolve(None, Some("evil.example"), None), Err(SiteError::UnknownHost));
        assert_eq!(resolve(Some("key_reader"), Some("evil.example"), None), Err(SiteError::UnknownHost));
        assert_eq!(resolve(None, shared, None), Err(SiteError::Unnamed));
        assert_eq!(resolve(None, shared, Some("https://nobody.example")), Err(SiteError::Unnamed));
    }

    #[test]
    fn mails_link_to_the_hosted_page_if_there_is_one_or_to_the_page_of_an_application() {
        let mut reader = site("reader", SiteKind::Reader);
        let page = |site: &Site| site.confirm_page().map(String::from);
        assert_eq!(page(&reader), None);
        reader.mail_link = MailLink::Page;
        assert_eq!(page(&reader).as_deref(), Some("http://reader.localhost:8080/confirm"));
        reader.look.pages = false;
        assert_eq!(page(&reader), None);
        reader.mail_link = MailLink::Url("https://reader.example/auth/confirm".parse().expect("a URL"));
        assert_eq!(page(&reader).as_deref(), Some("https://reader.example/auth/confirm"));
    }

    #[test]
    fn issuer_and_host_follow_from_the_url() {
        let mut reader = site("reader", SiteKind::Reader);
        assert_eq!(reader.issuer(), "http://reader.localhost:8080/auth/v1");
        assert_eq!(reader.host(), "reader.localhost:8080");
        reader.url = "https://books.example/".parse().expect("a URL");
        assert_eq!(reader.issuer(), "https://books.example/auth/v1");
        assert_eq!(reader.host(), "books.example");
    }
}

//! The configuration as a whole: the files that we ship, every class of problem, and no secret printed.

use secrecy::ExposeSecret as _;

use crate::domain::{SiteKind, TokenAlgorithm};

use super::layers::DEFAULTS;
use super::*;

mod look;

const MASTER: &str = "q3Jm0u8T1yCw7nXzE5aKbLh2PvRfDgSo9iYt4UkMxAc=";

fn shipped(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn variables(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(name, value)| (format!("DOORCODE__{name}"), (*value).to_owned())).collect()
}

/// The configuration of a file's text and of variables, named without their prefix.
fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let mut layers = Layers::new();
    assert!(layers.lay_file("test.toml", file));
    layers.lay_environment(variables(environment));
    Config::read(layers)
}

fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let problems = read(file, environment).expect_err("this configuration has problems");
    problems.as_slice().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_only(file: &str, beginning: &str) {
    let found = problems(file, &[]);
    assert!(found.len() == 1 && found[0].starts_with(beginning), "{found:#?}");
}

#[test]
fn the_defaults_are_a_valid_development_configuration() {
    let config = Config::layered(None, []).unwrap();
    assert_eq!(config.server.environment, Environment::Development);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.shared_hosts, ["127.0.0.1:8080", "localhost:8080"]);
    assert!(config.database.is_embedded() && config.redis.is_memory() && config.secrets.master.is_none());
    assert_eq!((config.codes.ttl_secs, config.codes.tries, config.codes.wrong_per_day), (600, 5, 20));
    assert_eq!(config.mail.transport, MailTransport::Inbox);
    assert_eq!(config.sites.keys().collect::<Vec<_>>(), ["management", "reader"]);
    let (reader, management) = (&config.sites["reader"], &config.sites["management"]);
    assert_eq!((reader.kind, management.kind), (SiteKind::Reader, SiteKind::Management));
    assert_eq!(reader.origin(), "http://reader.localhost:8080");
    assert_eq!(reader.host(), "reader.localhost:8080");
    assert!(reader.sign_up && !management.sign_up);
    assert_eq!(management.access_token_secs, 900);
    assert_eq!(reader.token_algorithm, TokenAlgorithm::Es256);
}

#[test]
fn the_shipped_development_file_is_accepted() {
    let config = Config::layered(Some(&shipped("development.toml")), []).unwrap();
    assert_eq!(config.log.filter, "info,doorcode=debug");
}

#[test]
fn the_shipped_production_file_is_accepted_once_the_secrets_are_given() {
    let file = shipped("production.example.toml");
    let environment = variables(&[
        ("SECRETS__MASTER", MASTER),
        (
            "DATABASE__URL",
            "postgres://doorcode:pw@postgres.library.example:5432/doorcode?sslmode=verify-full",
        ),
        ("REDIS__URL", "rediss://doorcode:pw@redis.library.example:6379/0"),
        ("MAIL__SMTP_USER", "doorcode"),
        ("MAIL__SMTP_PASSWORD", "pw"),
    ]);
    let config = Config::layered(Some(&file), environment).unwrap();
    assert!(config.server.is_production());
    assert_eq!(config.database.redacted_url(), "postgres://doorcode@postgres.library.example:5432/doorcode");
    assert_eq!(config.redis.redacted_url(), "rediss://doorcode@redis.library.example:6379/0");

    let without = Config::layered(Some(&file), []).unwrap_err();
    let keys: Vec<_> = without.as_slice().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["secrets.master"]);
}

#[test]
fn default_toml_explains_every_range_as_it_is_enforced() {
    let (mut section, mut comment, mut in_comment) = (String::new(), String::new(), false);
    let mut explained = 0;
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some(text) = line.strip_prefix('#') {
            if !in_comment {
                comment.clear();
            }
            comment.push_str(text);
            in_comment = true;
            continue;
        } else if let Some((key, value)) = line.split_once(" = ")
            && value.parse::<i64>().is_ok()
            // Its comments say only how it differs from the reader site.
            && section != "sites.management"
        {
            let variable = format!("{section}.{key}").replace('.', "__").to_ascii_uppercase();
            let problem = read("", &[(&variable, "-1")]).unwrap_err().as_slice()[0].clone();
            assert!(comment.contains(&problem.expected), "{section}.{key}: {}", problem.expected);
            explained += 1;
        }
        in_comment = false;
    }
    assert!(explained >= 40, "only {explained} settings were looked at");
}

#[test]
fn all_problems_come_at_once() {
    let file = r#"
        [codes]
        ttl_secs = 5
        trys = 3
        [server]
        listen = "nowhere"
        trusted_proxies = ["10.0.0.0/99", "::1", "x"]
        [sites.reader]
        locale = "xx"
    "#;
    let environment = [("LOG__FORMAT", "yaml"), ("LIMITS__VERIFIES", "many"), ("REDIS__KEY_PREFIX", "Ä")];
    let found = problems(file, &environment);
    let found: Vec<_> = found.iter().filter_map(|problem| problem.split_once("; ")).collect();
    let (said, remedies): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let expected = [
        "codes.trys: expected a setting that config/default.toml lists",
        r#"limits.verifies = "many": expected a whole number"#,
        r#"server.listen = "nowhere": expected an IP address with a port, such as 127.0.0.1:8080"#,
        r#"server.trusted_proxies = "10.0.0.0/99": expected a network such as 10.0.0.0/8, or an address"#,
        r#"server.trusted_proxies = "x": expected a network such as 10.0.0.0/8, or an address"#,
        r#"log.format = "yaml": expected text, json or auto"#,
        r#"redis.key_prefix = "Ä": expected 1 to 32 of a-z, 0-9, _ and -"#,
        "codes.ttl_secs = 5: expected 60 to 600 seconds",
        r#"sites.reader.locale = "xx": expected en, vi, es, fr or de"#,
    ];
    assert_eq!(said, expected);
    assert_eq!(remedies[0], "did you mean codes.tries?");
    assert_eq!(remedies[8], "set it in the file or as DOORCODE__SITES__READER__LOCALE");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_beside_those_of_the_environment() {
    let environment = variables(&[("CODES__TTL", "1"), ("SERVER__ENVIRONMENT", "production")]);
    let found = Config::layered(Some(Path::new("/nowhere/doorcode.toml")), environment).unwrap_err();
    assert_eq!(found.as_slice().len(), 2);
    assert!(found.as_slice()[0].to_string().starts_with("/nowhere/doorcode.toml: expected a readable"));
    assert_eq!(found.as_slice()[1].key, "DOORCODE__CODES__TTL");
}

#[test]
fn both_ends_of_a_range_are_inside() {
    for (value, accepted) in [("59", false), ("60", true), ("600", true), ("601", false)] {
        assert_eq!(read("", &[("CODES__TTL_SECS", value)]).is_ok(), accepted, "{value}");
    }
    assert_eq!(read("[mail]\nsmtp_port = 65535", &[]).unwrap().mail.smtp_port, 65535);
}

#[test]
fn addresses_of_one_proxy_and_networks_are_both_trusted() {
    let config = read("", &[("SERVER__TRUSTED_PROXIES", "10.0.0.0/8,192.168.1.1,fd00::/8")]).unwrap();
    let proxies: Vec<_> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.168.1.1/32", "fd00::/8"]);
}

#[test]
fn a_further_site_must_have_what_makes_it_itself() {
    let found = problems("[sites.kids]\nkind = \"reader\"", &[]);
    for (problem, key) in found.iter().zip(["url", "publishable_key", "audience"]) {
        assert!(problem.starts_with(&format!("sites.kids.{key} = (nothing): expected a value of its own;")));
    }
    assert_eq!(found.len(), 3);
    let own = "url = \"http://kids.localhost:8080\"\npublishable_key = \"pub_kids_1\"\naudience = \"kids\"";
    assert_only(&format!("[sites.kids]\n{own}"), "sites.kids.kind = (nothing): expected a value of its own;");
    let config = read(&format!("[sites.kids]\nkind = \"reader\"\n{own}"), &[]).unwrap();
    assert_eq!(config.sites["kids"].session_idle_secs, 2_592_000);
}

#[test]
fn a_site_that_is_not_enabled_is_gone_and_not_judged() {
    let file = "[sites.reader]\nenabled = false\nlocale = \"xx\"\n[sites.old]\nenabled = false";
    assert_eq!(read(file, &[]).unwrap().sites.keys().collect::<Vec<_>>(), ["management"]);
    let none = "[sites]\nreader.enabled = false\nmanagement.enabled = false";
    assert_only(none, "sites: expected at least one site that is enabled;");
}

#[test]
fn sites_that_could_be_taken_for_each_other_are_refused() {
    let file = r#"
        [sites.reader]
        url = "https://Manage.localhost:8080/"
        publishable_key = "doorcode_pub_manage_dev"
        audience = "management"
    "#;
    let found = problems(file, &[]);
    assert_eq!(found.len(), 3);
    let all = ["url = \"manage.localhost:8080\"", "publishable_key = ", "audience = \"management\""];
    for (problem, part) in found.iter().zip(all) {
        assert!(problem.starts_with(&format!("sites.reader.{part}")), "{problem}");
        assert!(problem.contains("another value than that of sites.management"), "{problem}");
    }
}

#[test]
fn what_does_not_fit_together_in_a_site_is_refused() {
    assert_only("[sites.management]\nsign_up = true", "sites.management.sign_up = true: expected false");
    assert_only(
        "[sites.reader]\nsession_max_secs = 86400",
        "sites.reader.session_idle_secs = 2592000: expected 300 to 86400 seconds",
    );
    // The maximum is what is wrong here; nothing is known about the other.
    assert_only("[sites.reader]\nsession_max_secs = 1", "sites.reader.session_max_secs = 1: expected 300 to");
    assert_only("[sites.reader]\norigins = [\"https://a/b\"]", "sites.reader.origins = \"https://a/b\":");
    assert_only(
        "[sites.reader]\nurl = \"http://a/b\"",
        "sites.reader.url = \"http://a/b\": expected http(s)",
    );
    assert_only("[sites.reader]\nmail_link = \"/x\"", "sites.reader.mail_link = \"/x\": expected page, none");
}

#[test]
fn origins_are_kept_as_a_browser_writes_them() {
    let config = read("[sites.reader]\norigins = [\"HTTPS://App.Example:443/\"]", &[]).unwrap();
    assert_eq!(config.sites["reader"].origins, ["https://app.example"]);
}

#[test]
fn smtp_needs_a_host_and_both_halves_of_a_login() {
    let smtp = "[mail]\ntransport = \"smtp\"\n";
    assert_only(smtp, "mail.smtp_host = \"\": expected the relay's name");
    assert_only(&format!("{smtp}smtp_host = \"h:25\""), "mail.smtp_host = \"h:25\": expected a host name");
    let smtp = format!("{smtp}smtp_host = \"h\"\n");
    assert_only(&format!("{smtp}smtp_user = \"u\""), "mail.smtp_password: expected a password");
    assert_only(&format!("{smtp}smtp_password = \"p\""), "mail.smtp_user: expected a name");
    assert_only(
        &format!("{smtp}smtp_ca_file = \"/nowhere/ca.pem\""),
        "mail.smtp_ca_file = \"/nowhere/ca.pem\": expected a readable file",
    );
}

#[test]
fn a_master_secret_must_be_one_also_in_a_file_and_also_an_older_one() {
    let config = read("", &[("SECRETS__MASTER", MASTER), ("SECRETS__PREVIOUS", MASTER)]).unwrap();
    assert_eq!(config.secrets.master.unwrap().expose_secret(), MASTER);
    assert_eq!(config.secrets.previous.len(), 1);
    assert_only(
        "[secrets]\nmaster = \"c2hvcnQ=\"",
        "secrets.master: expected base64 of 32 random bytes, but it",
    );
    assert_only(
        "[secrets]\nprevious = [\"x!\"]",
        "secrets.previous: expected base64 of 32 random bytes, but",
    );
    assert_only(
        &format!("[secrets]\nprevious = [\"{}\"]", [MASTER; 4].join("\", \"")),
        "secrets.previous: expected at most 3 secrets, not 4",
    );
    assert_only(
        "[secrets]\nmaster_file = \"/nowhere/master\"",
        "secrets.master_file = \"/nowhere/master\": expected a readable file",
    );
    assert_only(
        &format!("[secrets]\nmaster_file = \"x\"\nmaster = \"{MASTER}\""),
        "secrets.master: expected to be empty where master_file is set",
    );
    // Any file whose text is no master secret will do.
    let manifest = format!("[secrets]\nmaster_file = \"{}/Cargo.toml\"", env!("CARGO_MANIFEST_DIR"));
    assert_only(&manifest, "secrets.master_file: expected base64 of 32 random bytes");
}

#[test]
fn production_refuses_every_development_default_at_once() {
    let found = problems("", &[("SERVER__ENVIRONMENT", "production")]);
    let keys: Vec<_> = found.iter().map(|p| p.split([':', ' ']).next().unwrap_or_default()).collect();
    let mut expected =
        vec!["server.shared_hosts", "server.shared_hosts", "secrets.master", "database.url", "redis.url"];
    expected.push("mail.transport");
    let site = ["url", "origins", "publishable_key", "sender_address"];
    let sites: Vec<_> =
        ["management", "reader"].iter().flat_map(|s| site.map(|key| format!("sites.{s}.{key}"))).collect();
    expected.extend(sites.iter().map(String::as_str));
    assert_eq!(keys, expected);
    assert!(
        found.iter().all(|problem| problem.contains("in production; set it in the file or as DOORCODE__"))
    );
}

/// What is wrong with the shipped production file after `environment` has changed it.
fn production(environment: &[(&str, &str)]) -> Vec<String> {
    let mut environment = variables(environment);
    environment.extend(variables(&[("SECRETS__MASTER", MASTER)]));
    let found = Config::layered(Some(&shipped("production.example.toml")), environment).err();
    found.iter().flat_map(Problems::as_slice).map(ToString::to_string).collect()
}

#[test]
fn production_takes_a_plaintext_relay_only_if_it_is_local_or_allowed() {
    assert!(
        production(&[("MAIL__SMTP_TLS", "none")])[0]
            .starts_with("mail.smtp_tls = \"none\": expected starttls")
    );
    assert!(production(&[("MAIL__SMTP_TLS", "none"), ("MAIL__SMTP_HOST", "127.0.0.1")]).is_empty());
    assert!(production(&[("MAIL__SMTP_TLS", "none"), ("MAIL__ALLOW_PLAINTEXT_RELAY", "true")]).is_empty());
}

#[test]
fn production_takes_a_database_that_nobody_verifies_only_if_that_is_allowed() {
    let unverified = ("DATABASE__URL", "postgres://doorcode:pw@10.0.0.1/doorcode");
    assert!(production(&[unverified])[0].starts_with("database.url: expected ?sslmode=verify-full"));
    assert!(production(&[unverified, ("DATABASE__ALLOW_UNVERIFIED", "true")]).is_empty());
    assert!(production(&[("DATABASE__URL", "postgres://doorcode:pw@127.0.0.1/doorcode")]).is_empty());
}

#[test]
fn production_refuses_each_of_these() {
    for (variable, value) in [
        ("SERVER__SHARED_HOSTS", "auth.localhost"),
        ("SERVER__SHARED_HOSTS", "[::1]:8080"),
        ("DATABASE__URL", "embedded"),
        ("DATABASE__URL", "postgres://doorcode:pw@10.0.0.1/doorcode?sslmode=require"),
        ("DATABASE__OWNER_URL", "postgres://owner:pw@10.0.0.1/doorcode"),
        ("DATABASE__REPLICA_URL", "postgres://doorcode:pw@10.0.0.2/doorcode"),
        ("REDIS__URL", "memory"),
        ("MAIL__TRANSPORT", "inbox"),
        ("SITES__READER__URL", "http://www.library.example"),
        ("SITES__READER__ORIGINS", "http://localhost:3000"),
        ("SITES__READER__MAIL_LINK", "http://www.library.example/confirm"),
        ("SITES__READER__PUBLISHABLE_KEY", "doorcode_pub_manage_dev"),
        ("SITES__MANAGEMENT__SENDER_ADDRESS", "no-reply@example.com"),
    ] {
        let found = production(&[(variable, value)]);
        let key = variable.replace("__", ".").to_ascii_lowercase();
        assert!(found.len() == 1 && found[0].starts_with(&key), "{variable}: {found:#?}");
    }
}

#[test]
fn a_stand_in_is_not_refused_in_production() {
    let found = production(&[("SITES__READER__URL", "ftp://x"), ("MAIL__TRANSPORT", "pigeon")]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("mail.transport = \"pigeon\": expected inbox or smtp;"));
    assert!(found[1].starts_with("sites.reader.url = \"ftp://x\": expected http(s)"));
}

#[test]
fn what_can_only_fail_later_is_told_now() {
    let url = ("DATABASE__URL", "postgres://u:p@h/d");
    let wrong = read("", &[url, ("LOG__FILTER", "info,=")]).unwrap_err();
    let keys: Vec<_> = wrong.as_slice().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["log.filter", "database.owner_url"], "{wrong}");
    assert!(read("", &[url, ("DATABASE__MIGRATE_AT_START", "false")]).is_ok());
}

#[test]
fn no_secret_is_printed() {
    let given = [
        ("SECRETS__MASTER", MASTER),
        ("SECRETS__PREVIOUS", MASTER),
        ("DATABASE__URL", "postgres://u:hunter2@h/d"),
        ("DATABASE__OWNER_URL", "postgres://o:hunter2@h/d"),
        ("DATABASE__REPLICA_URL", "postgres://r:hunter2@h/d"),
        ("REDIS__URL", "redis://:hunter2@h"),
        ("REDIS__SENTINEL_PASSWORD", "hunter2"),
        ("MAIL__SMTP_USER", "u"),
        ("MAIL__SMTP_PASSWORD", "hunter2"),
    ];
    let config = read("", &given).unwrap();
    let printed =
        format!("{config:?}{config:#?}{}{}", config.database.redacted_url(), config.redis.redacted_url());
    assert!(!printed.contains("hunter2") && !printed.contains(MASTER));

    let wrong = r#"
        secrets = { master = ["hunter2"], mastr = "hunter2", previous = "hunter2" }
        database = { url = "mysql://u:hunter2@h", owner_url = "hunter2", replica_url = "hunter2" }
        redis = { url = "hunter2", sentinel_user = "u", sentinel_password = ["hunter2"] }
        mail.smtp_password = ["hunter2"]
        sites.reader.url = "https://u:hunter2@h"
    "#;
    let wrong = read(wrong, &[]).unwrap_err();
    assert_eq!(wrong.as_slice().len(), 10, "{wrong}");
    assert!(!format!("{wrong}{wrong:?}").contains("hunter2"), "{wrong}");
}

#[test]
fn the_rules_of_a_gate_are_read_and_every_line_that_is_none_is_told() {
    let config = Config::layered(None, []).unwrap();
    let lines = |site: &str| config.sites[site].gate.rules().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(lines("reader"), ["signed_in /profile/**", "signed_in /borrowing/**", "public /**"]);
    assert_eq!(lines("management"), ["public /health", "staff /**"]);
    let found = problems(
        "[sites.management]\ngate = [\"public /**/a\", \"library /x\", \"admin /\", \"staff\", \"staff /ok\"]",
        &[("SITES__READER__GATE", "public /, permission:view_reports /x")],
    );
    let expected = [
        "sites.management.gate = \"public /**/a\": expected a path of plain segments",
        "sites.management.gate = \"library /x\": expected a pattern with {library} in it",
        "sites.management.gate = \"admin /\": expected a line that begins with public, signed_in",
        "sites.management.gate = \"staff\": expected a demand and a path pattern",
        "sites.reader.gate = \"permission:view_reports /x\": expected public or signed_in: nobody is staff",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_key_is_published_for_longer_than_anybody_keeps_the_key_set_of_before() {
    assert_only(
        "[keys]\npublish_ahead_secs = 659",
        "keys.publish_ahead_secs = 659: expected 660 to 86400 seconds;",
    );
    let config = read("[keys]\npublish_ahead_secs = 660\nrotate_days = 0", &[]).unwrap();
    assert_eq!((config.keys.publish_ahead_secs, config.keys.rotate_days), (660, 0));
}

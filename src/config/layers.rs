//! Puts the layers on top of each other: the compiled-in defaults, a file, the environment.
//!
//! The defaults are the schema. Each value of a later layer must have a key that they have, and the type that
//! the value has there; what does not is a problem and is left out. Ranges and meanings are left to the
//! sections, which read the result.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::names::{PREFIX, distance, is_printable, is_site_name, variable};
use super::problems::{Problem, Problems, shown};
use super::reader::Reader;
use super::values::{Given, parse, type_name};

/// The lowest layer, and with it the list of every setting.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// What makes a site itself, so that a further site takes none of it from the default site of its kind. Two
/// sites may list the same origin, but nobody should get one by saying nothing.
const OWN: [&str; 4] = ["url", "publishable_key", "audience", "origins"];

/// Settings by section, `server` or `sites.reader`.
type Sections = BTreeMap<String, Table>;

/// The layers put together so far, and what was wrong with them.
pub(super) struct Layers {
    defaults: Sections,
    merged: Sections,
    /// What a layer above the defaults has set.
    given: BTreeSet<String>,
    pub(super) problems: Problems,
}

impl Layers {
    /// The defaults alone.
    pub(super) fn new() -> Self {
        let mut defaults = Sections::new();
        for (name, value) in parse(DEFAULTS).expect("the tests read the defaults that are compiled in") {
            match (name.as_str(), value) {
                ("sites", Value::Table(sites)) => {
                    let tables = sites.into_iter().filter_map(|(site, value)| match value {
                        Value::Table(table) => Some((format!("sites.{site}"), table)),
                        _ => None,
                    });
                    defaults.extend(tables);
                }
                (_, Value::Table(table)) => drop(defaults.insert(name, table)),
                _ => {}
            }
        }
        Self { merged: defaults.clone(), defaults, given: BTreeSet::new(), problems: Problems::default() }
    }

    /// Lays a file's text over what there is; `name` is how problems call it. False if it is not TOML.
    pub(super) fn lay_file(&mut self, name: &str, text: &str) -> bool {
        let table = match parse(text) {
            Ok(table) => table,
            Err((line, message)) => {
                let place = format!("{name} line {line}");
                let problem = Problem::of(&place, None, format!("TOML ({message})"));
                self.problems.add(problem.remedy("correct that line"));
                return false;
            }
        };
        for (section, value) in table {
            match value {
                Value::Table(sites) if section == "sites" => {
                    for (site, value) in sites {
                        match value {
                            Value::Table(table) => self.lay_section(&format!("sites.{site}"), table),
                            _ => self.refuse_unknown(&format!("sites.{site}"), str::to_owned),
                        }
                    }
                }
                Value::Table(table) => self.lay_section(&section, table),
                _ => self.refuse_unknown(&section, str::to_owned),
            }
        }
        true
    }

    fn lay_section(&mut self, section: &str, table: Table) {
        // An empty section sets nothing, but a wrong name deserves to be heard of all the same.
        if table.is_empty() && self.schema(section).is_none() {
            self.refuse_unknown(section, str::to_owned);
        }
        for (key, value) in table {
            self.lay(section, &key, Given::Typed(value), str::to_owned);
        }
    }

    /// Lays the variables that begin with [`PREFIX`] over what there is, in the order of their names.
    pub(super) fn lay_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        let ours = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        for (name, text) in ours.collect::<BTreeMap<_, _>>() {
            let path = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            // In lower case too, a variable could be given twice, and then nobody knows which one counts.
            if name != name.to_ascii_uppercase() {
                let problem = Problem::of(&name, None, "capital letters");
                self.problems.add(problem.remedy(format!("rename it to {}", variable(&path))));
                continue;
            }
            match path.rsplit_once('.') {
                Some((section, key)) => self.lay(section, key, Given::Text(text), variable),
                None => self.refuse_unknown(&path, variable),
            }
        }
    }

    /// Lays one value; `call` turns a key into what this layer calls it.
    fn lay(&mut self, section: &str, key: &str, given: Given, call: fn(&str) -> String) {
        let path = format!("{section}.{key}");
        let Some(default) = self.schema(section).and_then(|table| table.get(key)) else {
            return self.refuse_unknown(&path, call);
        };
        match given.typed_as(default) {
            Ok(value) => {
                self.merged.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
                self.given.insert(path);
            }
            Err(found) => {
                let problem = Problem::of(&path, found.filter(|_| is_printable(&path)), type_name(default));
                self.problems.add(problem);
            }
        }
    }

    /// What `section` may contain. Every site may contain what the default sites do.
    fn schema(&self, section: &str) -> Option<&Table> {
        self.defaults.get(section).or_else(|| {
            let site = section.strip_prefix("sites.")?;
            is_site_name(site).then(|| self.defaults.get("sites.reader"))?
        })
    }

    /// Notes that no setting is called `path`, and which one comes nearest.
    fn refuse_unknown(&mut self, path: &str, call: fn(&str) -> String) {
        let (section, _) = path.rsplit_once('.').unwrap_or((path, ""));
        if let Some(site) = section.strip_prefix("sites.")
            && self.schema(section).is_none()
        {
            let expected = "a site name: 1 to 32 of a-z, 0-9 and single _ inside, a letter first";
            let problem = Problem::of(&call(section), Some(shown(site)), expected);
            return self.problems.add(problem.remedy("rename the site"));
        }
        // A site's own name stands in what is suggested for it.
        let mut known: BTreeSet<String> = self.merged.keys().cloned().collect();
        known.insert(section.to_owned());
        let known = known.iter().filter_map(|name| Some((name, self.schema(name)?)));
        let nearest = known
            .flat_map(|(name, table)| table.keys().map(move |key| format!("{name}.{key}")))
            .min_by_key(|known| distance(path, known))
            .filter(|known| distance(path, known) <= path.len() / 2);
        let remedy = match nearest {
            Some(nearest) => format!("did you mean {}?", call(&nearest)),
            None => "remove it, or see config/default.toml for what there is".to_owned(),
        };
        let problem = Problem::of(&call(path), None, "a setting that config/default.toml lists");
        self.problems.add(problem.remedy(remedy));
    }

    /// Gives each further site what it takes from the default site of its kind. Comes after the last layer,
    /// as any layer may say the kind.
    pub(super) fn inherit(&mut self) {
        for (name, table) in &mut self.merged {
            if self.defaults.contains_key(name) {
                continue;
            }
            let kind = table.get("kind").cloned();
            let sites = || self.defaults.iter().filter(|(name, _)| name.starts_with("sites."));
            // Without a kind any site will do: the missing kind is a problem of its own when it is read.
            let same_kind = sites().find(|(_, site)| site.get("kind") == kind.as_ref());
            let Some((_, parent)) = same_kind.or_else(|| sites().next()) else { continue };
            for (key, value) in parent.iter().filter(|(key, _)| *key != "kind") {
                let value = match key.as_str() {
                    "origins" => Value::Array(Vec::new()),
                    own if OWN.contains(&own) => continue,
                    _ => value.clone(),
                };
                table.entry(key.clone()).or_insert(value);
            }
        }
    }

    /// Takes back what is a default of production alone. Comes after the last layer, as any layer may say the environment.
    pub(super) fn relax(&mut self) {
        let Some(server) = self.merged.get_mut("server") else { return };
        if server.get("environment").and_then(Value::as_str) != Some("development") {
            return;
        }
        // Nobody sends requests to a server that was just told to stop, and whoever tries it out waits for it.
        if !self.given.contains("server.grace_secs") {
            server.insert("grace_secs".to_owned(), Value::Integer(0));
        }
        // There is nobody else's account to get into.
        if !self.given.contains("admin.generate_link")
            && let Some(admin) = self.merged.get_mut("admin")
        {
            admin.insert("generate_link".to_owned(), Value::Boolean(true));
        }
    }

    /// Names of the sites, enabled or not.
    pub(super) fn sites(&self) -> Vec<String> {
        self.merged.keys().filter_map(|section| section.strip_prefix("sites.")).map(str::to_owned).collect()
    }

    /// The values of `key` at the default sites.
    pub(super) fn default_site_values(&self, key: &str) -> BTreeSet<&str> {
        let sites = self.defaults.iter().filter(|(section, _)| section.starts_with("sites."));
        sites.filter_map(|(_, table)| table.get(key)?.as_str()).collect()
    }

    /// Takes a section out and reads it.
    pub(super) fn read<T>(&mut self, section: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let table = self.merged.remove(section).unwrap_or_default();
        let mut reader = Reader::new(section, table, &mut self.problems);
        let value = read(&mut reader);
        reader.finish();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(file: &str, environment: &[(&str, &str)]) -> Layers {
        let mut layers = Layers::new();
        layers.lay_file("test.toml", file);
        layers.lay_environment(environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        layers.inherit();
        layers
    }

    fn problems(layers: &Layers) -> Vec<String> {
        layers.problems.as_slice().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
        let layers = lay("[codes]\nttl_secs = 90\ntries = 3", &[("DOORCODE__CODES__TTL_SECS", "120")]);
        assert!(problems(&layers).is_empty());
        let codes = &layers.merged["codes"];
        assert_eq!(codes["ttl_secs"].as_integer(), Some(120));
        assert_eq!(codes["tries"].as_integer(), Some(3));
        assert_eq!(codes["wrong_per_day"].as_integer(), Some(20));
    }

    #[test]
    fn a_variable_takes_the_type_of_the_default() {
        let layers = lay(
            "",
            &[
                ("DOORCODE__DATABASE__MIGRATE_AT_START", "false"),
                ("DOORCODE__LIMITS__VERIFIES", " 7 "),
                ("DOORCODE__MAIL__SMTP_PASSWORD", "true"),
                ("DOORCODE__SERVER__SHARED_HOSTS", "a.example, b.example:1,"),
                ("DOORCODE__SERVER__TRUSTED_PROXIES", ""),
                ("DOORCODE__SITES__READER__URL", "https://x.example"),
                ("DOORCODE_PORT", "tcp://10.0.0.1:8080"),
                ("HOME", "/root"),
            ],
        );
        assert!(problems(&layers).is_empty());
        assert_eq!(layers.merged["database"]["migrate_at_start"].as_bool(), Some(false));
        assert_eq!(layers.merged["limits"]["verifies"].as_integer(), Some(7));
        assert_eq!(layers.merged["mail"]["smtp_password"].as_str(), Some("true"));
        let hosts = layers.merged["server"]["shared_hosts"].as_array().unwrap();
        assert_eq!(hosts.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["a.example", "b.example:1"]);
        assert_eq!(layers.merged["server"]["trusted_proxies"].as_array().map(Vec::len), Some(0));
        assert_eq!(layers.merged["sites.reader"]["url"].as_str(), Some("https://x.example"));
    }

    #[test]
    fn a_value_of_another_type_is_a_problem_and_changes_nothing() {
        let file = r#"
            codes.ttl_secs = "90"
            server.shared_hosts = [1]
            log.filter.x = 1
            secrets.master = 4711
        "#;
        let environment = [("DOORCODE__CODES__TRIES", "three"), ("DOORCODE__SITES__READER__SIGN_UP", "yes")];
        let layers = lay(file, &environment);
        let found = problems(&layers);
        assert!(
            found.iter().any(|p| p.starts_with("codes.ttl_secs = \"90\": expected a whole number; set it"))
        );
        assert!(
            found.iter().any(|p| p.starts_with("server.shared_hosts = [1]: expected a list of strings;"))
        );
        assert!(found.iter().any(|p| p.starts_with("log.filter = a table: expected a string;")));
        assert!(found.iter().any(|p| p.starts_with("secrets.master: expected a string;")));
        assert!(found.iter().any(|p| p.starts_with("codes.tries = \"three\": expected a whole number;")));
        assert!(
            found.iter().any(|p| p.starts_with("sites.reader.sign_up = \"yes\": expected true or false;"))
        );
        assert_eq!(found.len(), 6);
        assert_eq!(layers.merged["codes"]["ttl_secs"].as_integer(), Some(600));
    }

    #[test]
    fn an_unknown_key_is_a_problem_and_the_nearest_is_suggested() {
        let suggestion = |file: &str| problems(&lay(file, &[])).join("\n");
        assert!(suggestion("[codes]\nttl_sec = 1").ends_with("did you mean codes.ttl_secs?"));
        assert!(suggestion("[codes]\nttl = 1").ends_with("did you mean codes.ttl_secs?"));
        assert!(suggestion("[code]\nttl_secs = 1").ends_with("did you mean codes.ttl_secs?"));
        assert!(suggestion("[sites.reader]\nulr = 1").ends_with("did you mean sites.reader.url?"));
        assert!(suggestion("[sites.kids]\norigin = 1").ends_with("did you mean sites.kids.origins?"));
        assert!(
            suggestion("[quite_other]\nthing = 1").ends_with("see config/default.toml for what there is")
        );
        assert!(suggestion("listen = 1").starts_with("listen: expected a setting that"));
        assert!(suggestion("[cods]").starts_with("cods: expected a setting that"));
        assert!(suggestion("[sites]\nreader = 1").starts_with("sites.reader: expected a setting that"));
    }

    #[test]
    fn an_unknown_variable_is_a_problem_in_its_own_spelling() {
        let unknown = |name| problems(&lay("", &[(name, "x")])).join("\n");
        assert!(
            unknown("DOORCODE__CODES__TTL_SEC").starts_with("DOORCODE__CODES__TTL_SEC: expected a setting")
        );
        assert!(unknown("DOORCODE__CODES__TTL_SEC").ends_with("did you mean DOORCODE__CODES__TTL_SECS?"));
        assert!(unknown("DOORCODE__codes__tries").ends_with("rename it to DOORCODE__CODES__TRIES"));
        assert!(unknown("DOORCODE__CODES").starts_with("DOORCODE__CODES: expected a setting"));
        assert!(unknown("DOORCODE__").starts_with("DOORCODE__: expected a setting"));
    }

    #[test]
    fn a_variable_that_is_not_utf8_is_a_problem() {
        let text = String::from_utf8_lossy(b"pass\xFFword").into_owned();
        let layers = lay("", &[("DOORCODE__LOG__FILTER", &text)]);
        assert!(problems(&layers)[0].starts_with("log.filter = text that is not UTF-8: expected a string;"));
    }

    #[test]
    fn a_file_that_is_no_toml_is_a_problem_with_its_line_and_without_its_text() {
        let mut layers = Layers::new();
        let values = [
            "\"hunter2",
            "hunter2",
            "\"x\" hunter2",
            "'hunter2\\q",
            "\"\\hunter2\"",
            "[\"hunter2\"",
            "2hunter2",
        ];
        for value in values {
            assert!(!layers.lay_file("x.toml", &format!("[secrets]\n\nmaster = {value}\n\n[log]")));
        }
        let found = problems(&layers);
        assert!(found[0].starts_with("x.toml line 3: expected TOML ("), "{found:?}");
        assert_eq!(found.len(), values.len());
        assert!(!found.join("").contains("hunter2"), "{found:#?}");
    }

    #[test]
    fn a_further_site_takes_from_the_default_of_its_kind_all_but_what_makes_it_itself() {
        let layers = lay("[sites.kids]\nkind = \"reader\"", &[("DOORCODE__SITES__DESK__KIND", "management")]);
        assert!(problems(&layers).is_empty());
        assert_eq!(layers.sites(), ["desk", "kids", "management", "reader"]);
        let (desk, kids) = (&layers.merged["sites.desk"], &layers.merged["sites.kids"]);
        assert_eq!(desk["access_token_secs"].as_integer(), Some(900));
        assert_eq!(kids["access_token_secs"].as_integer(), Some(3600));
        assert_eq!(kids["origins"].as_array().map(Vec::len), Some(0));
        assert!(["url", "publishable_key", "audience"].iter().all(|own| !kids.contains_key(*own)));
    }
}

//! `weighbridge keys`: makes virtual keys. Nothing is stored: the hash goes into the configuration, the key to whoever
//! calls.

use super::CliError;
use crate::auth::{hash_text, new_key};
use clap::{Args, Subcommand};
use std::io::Write;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Keys {
    /// Makes a key: prints it once, with the line for the configuration
    #[command(after_help = EXAMPLES)]
    Create(Create),
}

impl Keys {
    /// Does it, writing to `out`.
    pub(super) fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        match self {
            Self::Create(create) => create.run(out),
        }
    }
}

/// Arguments of `keys create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The key's name in records, metrics and reports; unique in the file
    #[arg(long, value_name = "NAME", default_value = "my-key", value_parser = name)]
    name: String,
    /// The team that pays; an entry of `teams:`
    #[arg(long, value_name = "TEAM", default_value = "my-team", value_parser = name)]
    team: String,
}

impl Create {
    fn run(self, out: &mut impl Write) -> Result<(), CliError> {
        let (key, hash) = new_key().map_err(CliError::Randomness)?;
        let hash = hash_text(&hash);
        let Self { name, team } = self;
        writeln!(out, "key:  {}", key.expose())?;
        writeln!(out, "hash: {hash}")?;
        writeln!(out)?;
        writeln!(out, "The key is shown this once and stored nowhere: give it to the application.")?;
        writeln!(out, "Put this line under `keys:` in the configuration and restart the gateway:")?;
        writeln!(out)?;
        writeln!(out, "  - {{ name: \"{name}\", team: \"{team}\", hash: \"{hash}\" }}")?;
        Ok(out.flush()?)
    }
}

/// A name that needs no escaping, neither in YAML's quotes nor in a metric's label.
fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/@+".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
        return Err("a name has 1 to 128 of the characters `A-Za-z0-9._-/@+`".to_owned());
    }
    Ok(text.to_owned())
}

const EXAMPLES: &str = "\
Examples:
  weighbridge keys create
  weighbridge keys create --name search-ci --team search";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::hash_of;

    #[test]
    fn a_new_key_is_printed_once_with_its_hash_and_the_line_for_the_file() {
        let mut out = Vec::new();
        let create = Create { name: "search-ci".to_owned(), team: "search".to_owned() };
        Keys::Create(create).run(&mut out).expect("a buffer takes it");
        let text = String::from_utf8(out).expect("text");
        let key = text.lines().find_map(|line| line.strip_prefix("key:  ")).expect("the key");
        assert_eq!(text.matches(key).count(), 1, "{text}");
        let hash = hash_text(&hash_of(key.as_bytes()));
        assert!(text.contains(&format!("hash: {hash}\n")), "{text}");
        let line = text.lines().find(|line| line.starts_with("  - ")).expect("the line");
        let rows: Vec<std::collections::BTreeMap<String, String>> = serde_yaml::from_str(line).expect("yaml");
        let row = rows.first().expect("one row");
        assert_eq!((&*row["name"], &*row["team"], &row["hash"]), ("search-ci", "search", &hash));
    }

    #[test]
    fn a_name_that_would_break_the_line_is_refused() {
        for bad in ["", "a b", "a\"b", "a\nb", "a{b", &"n".repeat(129)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(name("search-ci.v2@eu").is_ok());
    }
}

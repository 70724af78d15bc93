//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// One mistake: the file, the line, the key path, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file; `None` for the embedded configuration and for text.
    pub file: Option<Arc<PathBuf>>,
    /// Line in the file, from 1; `None` where no line can be named.
    pub line: Option<usize>,
    /// Key path: `models.fast.targets[0].provider`.
    pub path: String,
    /// What is wrong, and what to do: one sentence, values in backticks; never a secret.
    pub message: String,
}

impl std::error::Error for ConfigError {}

/// `conf/weighbridge.yaml:12: models.fast.targets[0].provider: there is no provider `opena1`; did you mean `openai`?`
impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{}:", file.display())?;
        }
        if let Some(line) = self.line {
            write!(out, "{line}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            out.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)
    }
}

/// Every mistake that was found, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::error::Error for ConfigErrors {}

/// One mistake a line.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            error.fmt(out)?;
        }
        Ok(())
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// The valid name that `word` was probably meant to be, if one is near enough.
pub fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let near = (word.chars().count() / 3).max(2);
    valid
        .into_iter()
        .map(|name| (strsim::osa_distance(&word, &plain(name)), name))
        .filter(|(distance, name)| *distance <= near && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to add to a message about a name that does not exist: the nearest valid one, else all of them.
pub(super) fn hint<'a>(word: &str, valid: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(word, valid.clone()) {
        return format!("; did you mean `{name}`?");
    }
    let names: Vec<_> = valid.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("; valid is {one}"),
        _ if names.len() > MAX_LISTED => String::new(),
        many => format!("; valid are {}", many.join(", ")),
    }
}

/// More names than this make a message unreadable.
const MAX_LISTED: usize = 30;

#[cfg(test)]
mod tests {
    use super::{ConfigError, ConfigErrors, nearest};

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let valid = ["max_body_bytes", "max_buffered_bytes", "listen", "threads", "input"];
        let cases = [
            ("max_body_byte", Some("max_body_bytes")),
            ("max-body-bytes", Some("max_body_bytes")),
            ("Listen", Some("listen")),
            ("lisetn", Some("listen")),
            ("thread", Some("threads")),
            ("inptu", Some("input")),
            ("workers", None),
            ("a", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, valid), want, "{word}");
        }
    }

    #[test]
    fn errors_print_one_a_line() {
        let error = |line, path: &str| ConfigError {
            file: Some(std::sync::Arc::new("w.yaml".into())),
            line,
            path: path.to_owned(),
            message: "is wrong".to_owned(),
        };
        let errors = ConfigErrors(vec![error(Some(3), "server.threads"), error(None, "")]);
        assert_eq!(errors.to_string(), "w.yaml:3: server.threads: is wrong\nw.yaml: is wrong");
    }
}

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

//! From a file to a checked [`Config`]: reads, resolves, finds every mistake.

use super::check::Checker;
use super::file::ConfigFile;
use super::resolve::resolve;
use super::shape::read_all;
use super::tree::{Node, Places, Value, parse};
use super::{Config, ConfigError, ConfigErrors, Secret};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Config {
    /// Reads and checks a file. Relative paths in it are taken from the file's own directory.
    ///
    /// # Errors
    ///
    /// Every mistake that was found, each with line and key path.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = Some(Arc::new(path.to_path_buf()));
        let told = |message: String| ConfigError { file, line: None, path: String::new(), message };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(&text, Some(path)),
            Err(error) => Err(told(format!("cannot read the file: {error}")).into()),
        }
    }

    /// Reads and checks text, as if it stood in `file`; relative paths are taken from its directory, or from the
    /// working directory.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_text(text: &str, file: Option<&Path>) -> Result<Self, ConfigErrors> {
        Self::from_text_with(text, file, &|name| std::env::var(name).ok())
    }

    /// As [`Config::from_text`], with the environment that `${env:NAME}` is looked up in.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn from_text_with(
        text: &str,
        file: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let (tree, places, mut errors) = parse(text, "", file.map(|path| Arc::new(PathBuf::from(path))));
        let Some(mut tree) = tree else { return Err(sorted(errors)) };
        errors.append(&mut resolve(&mut tree, &places, base, env));
        let written = tree.clone();
        let Some(read) = read_all::<ConfigFile>(&mut tree, &places, &mut errors) else { return Err(sorted(errors)) };
        let mut checker = Checker::new(&written, &tree, Arc::new(places), base, errors);
        let config = checker.config(read);
        match config {
            Some(config) if checker.errors.is_empty() => Ok(config),
            _ => Err(sorted(checker.errors)),
        }
    }
}

/// The state directory that `path` names, read without the rest: who asks for a report may not have the
/// environment that the providers' keys come from.
///
/// # Errors
///
/// When the file cannot be read, is no YAML, or `state.dir` cannot be resolved.
pub fn state_dir(path: &Path) -> Result<PathBuf, ConfigErrors> {
    let dir = Paths::read(path)?.of("state")?;
    Ok(dir.unwrap_or_else(|| PathBuf::from(super::check::STATE_DIR)))
}

/// The directory of records that `path` names, read likewise; `None`: there are no files of records.
///
/// # Errors
///
/// As [`state_dir`], of `records.dir` too.
pub fn records_dir(path: &Path) -> Result<Option<PathBuf>, ConfigErrors> {
    let paths = Paths::read(path)?;
    Ok(match paths.of("records")? {
        Some(dir) => Some(dir).filter(|dir| dir.file_name().is_none_or(|name| name != "off")),
        None => Some(paths.of("state")?.unwrap_or_else(|| PathBuf::from(super::check::STATE_DIR)).join("records")),
    })
}

/// A file of which only directories are read.
struct Paths {
    tree: Node,
    places: Places,
    base: PathBuf,
}

impl Paths {
    fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let file = Some(Arc::new(path.to_path_buf()));
        let told = |message: String| ConfigError { file: file.clone(), line: None, path: String::new(), message };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigErrors::from(told(format!("cannot read the file: {error}"))))?;
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let (tree, places, errors) = parse(&text, "", file.clone());
        let Some(tree) = tree else { return Err(sorted(errors)) };
        Ok(Self { tree, places, base })
    }

    /// `dir` of a section, if it is written.
    fn of(&self, section: &str) -> Result<Option<PathBuf>, ConfigErrors> {
        let written = self.tree.get(section).and_then(|section| section.get("dir"));
        let Some(mut dir) = written.cloned() else { return Ok(None) };
        let errors = resolve(&mut dir, &self.places, &self.base, &|name| std::env::var(name).ok());
        match &dir.value {
            Value::Scalar(scalar) if errors.is_empty() => Ok(Some(self.base.join(&scalar.text))),
            _ if errors.is_empty() => Err(self.places.error(&format!("{section}.dir"), "must be a path").into()),
            _ => Err(sorted(errors)),
        }
    }
}

/// Where the admin API of a configuration is, and with which token.
#[derive(Debug)]
pub struct AdminAccess {
    /// `admin.listen`; `None`: off.
    pub listen: Option<SocketAddr>,
    /// `admin.token`, else `admin.viewer_token`.
    pub token: Option<Secret>,
}

/// What a client of the admin API needs of the file that `path` names, read without the rest: whoever manages keys may
/// not have the environment that the providers' credentials come from.
///
/// # Errors
///
/// When the file cannot be read, is no YAML, or `admin` cannot be resolved.
pub fn admin_access(path: &Path) -> Result<AdminAccess, ConfigErrors> {
    let file = Some(Arc::new(path.to_path_buf()));
    let told = |message: String| ConfigError { file: file.clone(), line: None, path: String::new(), message };
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigErrors::from(told(format!("cannot read the file: {error}"))))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let (tree, places, errors) = parse(&text, "", file.clone());
    let Some(tree) = tree else { return Err(sorted(errors)) };
    let read = |key: &str| -> Result<Option<String>, ConfigErrors> {
        let Some(mut node) = tree.get("admin").and_then(|admin| admin.get(key)).cloned() else { return Ok(None) };
        let errors = resolve(&mut node, &places, base, &|name| std::env::var(name).ok());
        match &node.value {
            Value::Scalar(scalar) if errors.is_empty() => Ok(Some(scalar.text.to_string())),
            _ if errors.is_empty() => Err(places.error(&format!("admin.{key}"), "must be text").into()),
            _ => Err(sorted(errors)),
        }
    };
    let listen = match read("listen")?.as_deref() {
        Some("off") => None,
        Some(text) => Some(text.parse().map_err(|_| places.error("admin.listen", "is no address"))?),
        None => Some(SocketAddr::from(([127, 0, 0, 1], 9090))),
    };
    let token = match read("token") {
        Ok(Some(token)) => Some(token),
        // Who may only read may not know the other one.
        other => read("viewer_token")?.or(other?),
    };
    Ok(AdminAccess { listen, token: token.map(Secret::new) })
}

fn sorted(mut errors: Vec<ConfigError>) -> ConfigErrors {
    errors.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
    // What a model says for all its targets is found wrong once with each of them.
    errors.dedup();
    ConfigErrors(errors)
}

#[cfg(test)]
mod tests;

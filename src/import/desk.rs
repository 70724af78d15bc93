//! What is noted while reading: notes for people, and the variables that secrets went into.

use super::amount::Amount;
use super::read::{Fields, Node};
use super::write::{Out, one_line};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// A place, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    path: String,
    what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", one_line(&self.path), one_line(&self.what))
    }
}

/// Notes and variables.
pub(super) struct Desk {
    pub(super) notes: Vec<Note>,
    /// Names that the configuration uses.
    used: BTreeSet<String>,
    /// Names that the input refers to itself: no literal secret takes one of these.
    reserved: BTreeSet<String>,
    /// The variable that a literal went into. Never shown.
    literals: HashMap<String, String>,
    /// Names that literals went into.
    taken: BTreeSet<String>,
}

impl Desk {
    pub(super) fn new(root: &Node) -> Self {
        let mut reserved = BTreeSet::new();
        root.each_text(&mut |text| {
            reserved.extend(text.strip_prefix(REFERENCE).map(str::to_owned));
        });
        Self { notes: Vec::new(), used: BTreeSet::new(), reserved, literals: HashMap::new(), taken: BTreeSet::new() }
    }

    pub(super) fn variables(&self) -> Vec<String> {
        self.used.iter().cloned().collect()
    }

    /// Notes `what` of `path`, once.
    pub(super) fn note(&mut self, path: &str, what: impl Into<String>) {
        let note = Note { path: path.to_owned(), what: what.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes everything of `fields` that nobody asked for.
    pub(super) fn left(&mut self, fields: &Fields<'_>, advice: &str) {
        for node in fields.left() {
            self.note(&node.path, format!("not carried over; {advice}"));
        }
    }

    /// A value that is no secret: a reference to the environment stays one.
    pub(super) fn plain(&mut self, node: &Node) -> Option<Out> {
        let text = node.text()?;
        Some(match text.strip_prefix(REFERENCE) {
            Some(name) => self.variable(&node.path, name),
            None => Out::text(text),
        })
    }

    /// A secret: a literal goes into a variable, `preferred` or like it.
    pub(super) fn secret(&mut self, node: &Node, preferred: &str) -> Option<Out> {
        let text = node.text()?;
        if let Some(name) = text.strip_prefix(REFERENCE) {
            return Some(self.variable(&node.path, name));
        }
        if let Some(name) = self.literals.get(text) {
            let name = name.clone();
            self.note(&node.path, format!("a secret stands in the file; set {name} to it"));
            return Some(Out::Variable(name));
        }
        let preferred = variable_name(preferred);
        let mut name = preferred.clone();
        let mut number = 2;
        while self.taken.contains(&name) || self.reserved.contains(&name) {
            name = format!("{preferred}_{number}");
            number += 1;
        }
        self.taken.insert(name.clone());
        self.literals.insert(text.to_owned(), name.clone());
        self.used.insert(name.clone());
        self.note(&node.path, format!("a secret stands in the file; set {name} to it"));
        Some(Out::Variable(name))
    }

    /// An address. One that holds credentials or a query goes into a variable as a whole.
    pub(super) fn address(&mut self, node: &Node, preferred: &str) -> Option<Out> {
        let text = node.text()?;
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        if text.starts_with(REFERENCE) || !(authority.contains('@') || rest.contains(['?', '#'])) {
            return self.plain(node);
        }
        self.secret(node, preferred)
    }

    /// The variable that LiteLLM reads where a setting is missing.
    pub(super) fn usual(&mut self, name: &str) -> Out {
        self.used.insert(name.to_owned());
        Out::Variable(name.to_owned())
    }

    fn variable(&mut self, path: &str, name: &str) -> Out {
        let fits = variable_name(name);
        if fits != name {
            self.note(path, format!("names a variable that is none here; set {fits} instead"));
        }
        self.used.insert(fits.clone());
        Out::Variable(fits)
    }

    /// A number, or a note that it is none.
    pub(super) fn number(&mut self, fields: &Fields<'_>, key: &str) -> Option<Amount> {
        let node = fields.get(key)?;
        let number = node.text().and_then(Amount::read);
        if number.is_none() {
            self.note(&node.path, "not carried over: it is no number that can be read; write it by hand");
        }
        number
    }
}

/// What LiteLLM begins a reference to the environment with: <https://docs.litellm.ai/docs/proxy/configs>.
const REFERENCE: &str = "os.environ/";

/// `text` as the name of a variable.
fn variable_name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let name: String = text.chars().map(fits).take(100).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

/// `text` as a name of ours: `A-Z a-z 0-9 . _ : / @ -`, at most 128.
pub(super) fn fit_name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._:/@-".contains(c) { c } else { '-' };
    text.chars().map(fits).take(128).collect()
}

/// `wanted`, or like it if it is taken already; and taken from now on.
pub(super) fn unique(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let base: String =
        if wanted.is_empty() { "unnamed".to_owned() } else { fit_name(wanted).chars().take(120).collect() };
    let mut name = base.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

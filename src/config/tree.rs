//! The file as a tree in which every value knows its line and its key path.
//!
//! Built from the parser's events, so that a number keeps the text it was written with, and a key that stands twice is
//! seen. It knows nothing of what the keys mean.

use super::ConfigError;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One value of the file. Its text may be a secret: there is no `Debug`.
#[derive(Clone)]
pub(super) struct Node {
    /// Line, from 1: that of the key, or of the item in a list.
    pub(super) line: usize,
    /// Key path: `models.fast.targets[0].provider`; empty for the whole file.
    pub(super) path: String,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
    /// An item of a list that was found wrong and is left out of what is checked further.
    Cut,
}

#[derive(Clone)]
pub(super) struct Scalar {
    /// The text as written, or what the reference stands for.
    pub(super) text: String,
    /// Written without quotes.
    pub(super) plain: bool,
    /// The text before `${…}` was resolved, if there was any: the only thing of it that may be shown.
    pub(super) reference: Option<String>,
}

impl Scalar {
    /// Whether nothing was written: `key:`, `key: ~` or `key: null`.
    pub(super) fn is_null(&self) -> bool {
        self.plain && self.reference.is_none() && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}

/// The lines of all key paths of one file, and the file.
#[derive(Debug, Default)]
pub(super) struct Places {
    file: Option<Arc<PathBuf>>,
    lines: HashMap<String, usize>,
}

impl Places {
    /// An error at `path`: with the line of that key, or of the nearest one above it that is written.
    pub(super) fn error(&self, path: &str, message: impl Into<String>) -> ConfigError {
        let mut known = path;
        let line = loop {
            match self.lines.get(known) {
                Some(line) => break Some(*line),
                None if known.is_empty() => break None,
                None => known = parent(known),
            }
        };
        ConfigError { file: self.file.clone(), line, path: path.to_owned(), message: message.into() }
    }

    /// The directory of the file, that relative paths are taken from.
    pub(super) fn directory(&self) -> &Path {
        self.file.as_deref().and_then(|file| file.parent()).unwrap_or(Path::new(""))
    }

    /// An error at a line that the caller knows.
    pub(super) fn error_at(&self, line: usize, path: &str, message: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.clone(), line: Some(line), path: path.to_owned(), message: message.into() }
    }
}

fn parent(path: &str) -> &str {
    path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or_default()
}

/// The key path of `key` below `path`. A key that could be mistaken for a path is quoted.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && !key.contains(['.', '[', ']', '"', ' ']);
    let key = if bare { key.to_owned() } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl Node {
    /// The value of `key`, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries, if this is a mapping.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar(_) | Value::List(_) | Value::Cut => &[],
        }
    }

    /// The node at `path`.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        if self.path == path {
            return Some(self);
        }
        match &self.value {
            Value::Map(entries) => entries.iter().find_map(|(_, node)| node.find(path)),
            Value::List(items) => items.iter().find_map(|node| node.find(path)),
            Value::Scalar(_) | Value::Cut => None,
        }
    }

    /// Takes the value at `path` out: a key disappears, an item of a list leaves its place empty. Tells whether there was
    /// anything to take.
    pub(super) fn cut(&mut self, path: &str) -> bool {
        match &mut self.value {
            Value::Map(entries) => {
                let before = entries.len();
                entries.retain(|(_, node)| node.path != path);
                entries.len() != before || entries.iter_mut().any(|(_, node)| node.cut(path))
            }
            Value::List(items) => items.iter_mut().any(|node| {
                if node.path != path {
                    return node.cut(path);
                }
                !matches!(std::mem::replace(&mut node.value, Value::Cut), Value::Cut)
            }),
            Value::Scalar(_) | Value::Cut => false,
        }
    }

    /// Calls `change` with every scalar, and cuts those for which it tells an error.
    pub(super) fn each_scalar(&mut self, change: &mut dyn FnMut(&str, &mut Scalar) -> bool) {
        match &mut self.value {
            Value::Scalar(scalar) => {
                if !change(&self.path, scalar) {
                    self.value = Value::Cut;
                }
            }
            Value::List(items) => items.iter_mut().for_each(|node| node.each_scalar(change)),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|(_, node)| node.each_scalar(change));
                entries.retain(|(_, node)| !matches!(node.value, Value::Cut));
            }
            Value::Cut => {}
        }
    }

    fn place(&mut self, path: String, lines: &mut HashMap<String, usize>) {
        match &mut self.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    node.place(join(&path, key), lines);
                }
            }
            Value::List(items) => {
                for (index, node) in items.iter_mut().enumerate() {
                    node.place(format!("{path}[{index}]"), lines);
                }
            }
            Value::Scalar(_) | Value::Cut => {}
        }
        lines.insert(path.clone(), self.line);
        self.path = path;
    }
}

/// Reads YAML text, one document. `root` is the key path of the whole text.
///
/// # Errors
///
/// What is no YAML, tags, too much nesting, and every key that stands twice.
pub(super) fn parse(text: &str, root: &str, file: Option<Arc<PathBuf>>) -> (Option<Node>, Places, Vec<ConfigError>) {
    let mut places = Places { file, lines: HashMap::new() };
    let mut builder = Builder::default();
    let mut broken = None;
    for event in Parser::new_from_str(text) {
        let read = match event {
            Ok((event, span)) => builder.take(event, span.start.line()),
            Err(error) => Err((error.marker().line().max(1), format!("no valid YAML: {}", error.info()))),
        };
        if let Err(stop) = read {
            broken = Some(stop);
            break;
        }
    }
    if broken.is_none() && builder.root.is_none() {
        broken = Some((1, "the file is empty".to_owned()));
    }
    let mut tree = builder.root;
    if let Some(tree) = &mut tree {
        tree.place(root.to_owned(), &mut places.lines);
    }
    let twice = builder.twice.into_iter().map(|(line, key, first)| {
        places.error_at(line, &key, format!("this key stands here a second time; the first is on line {first}"))
    });
    let stop = broken.iter().map(|(line, message)| places.error_at(*line, "", message.clone()));
    let errors = twice.chain(stop).collect();
    (tree.filter(|_| broken.is_none()), places, errors)
}

/// Levels of nesting; the deepest setting stands at 7.
const MAX_DEPTH: usize = 32;
/// Values in one file, each use of an alias counted: a small file cannot become a huge tree.
const MAX_NODES: usize = 500_000;

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    twice: Vec<(usize, String, usize)>,
}

struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(String, usize)>,
    /// Keys of this mapping so far, and their lines.
    seen: HashMap<String, usize>,
    nodes_before: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), (usize, String)> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err((line, "a second document begins here: one file holds one configuration".to_owned()))
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err((line, "YAML tags (`!…`) mean nothing here; leave it out, or quote the text".to_owned()))
            }
            Event::Scalar(text, style, anchor, None) => {
                let plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), plain, reference: None };
                self.close(Node { line, path: String::new(), value: Value::Scalar(scalar) }, anchor, self.nodes)
            }
            Event::SequenceStart(anchor, None) => self.start(Value::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, None) => self.start(Value::Map(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.close(open.node, open.anchor, open.nodes_before),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((mut node, size)) => {
                    node.line = line;
                    self.nodes = self.nodes.saturating_add(size);
                    self.close(node, 0, self.nodes)
                }
                None => Err((line, "this alias stands inside of what it names".to_owned())),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn start(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), (usize, String)> {
        if self.open.len() >= MAX_DEPTH {
            return Err((line, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        let node = Node { line, path: String::new(), value };
        self.open.push(Open { node, anchor, key: None, seen: HashMap::new(), nodes_before: self.nodes });
        Ok(())
    }

    /// Puts a whole value where it belongs. `nodes_before` is how many there were before it began.
    fn close(&mut self, mut node: Node, anchor: usize, nodes_before: usize) -> Result<(), (usize, String)> {
        self.nodes = self.nodes.saturating_add(1);
        let size = self.nodes.saturating_sub(nodes_before);
        if self.nodes > MAX_NODES {
            return Err((node.line, format!("more than {MAX_NODES} values, aliases included")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        if let Some((line, first)) = self.repeats() {
            let key = self.path();
            self.twice.push((line, key, first));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match (parent.key.take(), node.value) {
                (None, Value::Scalar(key)) => parent.key = Some((key.text, node.line)),
                (None, _) => return Err((node.line, "a key must be one word, not a list or a mapping".to_owned())),
                (Some((key, line)), value) => {
                    if !parent.seen.contains_key(&key) {
                        parent.seen.insert(key.clone(), line);
                        (node.line, node.value) = (line, value);
                        entries.push((key, node));
                    }
                }
            },
            Value::Scalar(_) | Value::Cut => {}
        }
        Ok(())
    }

    /// The line of the key whose value comes next, and that of the same key before it.
    fn repeats(&self) -> Option<(usize, usize)> {
        let open = self.open.last()?;
        let (key, line) = open.key.as_ref()?;
        Some((*line, *open.seen.get(key)?))
    }

    /// The key path of what comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            path = match (&open.node.value, &open.key) {
                (Value::List(items), _) => format!("{path}[{}]", items.len()),
                (_, Some((key, _))) => join(&path, key),
                (_, None) => path,
            };
        }
        path
    }
}

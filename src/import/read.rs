//! What is read: YAML, JSON and CSV as one tree in which a number keeps the text that it was written with, and every
//! value knows its path. It knows nothing of what the keys mean.
//!
//! It is laxer than our own configuration's reader: merge keys (`<<: *name`) are taken as PyYAML takes them.

use super::ImportError;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One value. Its text may be a secret: there is no `Debug`.
#[derive(Clone)]
pub(super) struct Node {
    /// `model_list[0].litellm_params.model`.
    pub(super) path: String,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

static NOTHING: Node = Node { path: String::new(), value: Value::Null };

/// Levels of nesting and values of one file: a small file of aliases cannot become a huge tree.
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 500_000;

impl Node {
    fn bare(value: Value) -> Self {
        Self { path: String::new(), value }
    }

    /// A text, unless nothing was written.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null | Value::Text(_) | Value::Map(_) => &[],
        }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Text(_) | Value::List(_) => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The texts of a list, or the one text that stands in its place; also of PostgreSQL's `{a,"b c"}` and of JSON in a
    /// text, as tables are exported.
    pub(super) fn texts(&self) -> Vec<String> {
        match &self.value {
            Value::Text(text) if text.starts_with('{') && text.ends_with('}') => array(text),
            Value::Text(text) if text.starts_with('[') => serde_json::from_str(text).unwrap_or_default(),
            Value::Text(text) => vec![text.clone()],
            Value::List(items) => items.iter().filter_map(|item| item.text().map(str::to_owned)).collect(),
            Value::Null | Value::Map(_) => Vec::new(),
        }
    }

    /// Calls `see` with every text.
    pub(super) fn each_text(&self, see: &mut dyn FnMut(&str)) {
        match &self.value {
            Value::Null => {}
            Value::Text(text) => see(text),
            Value::List(items) => items.iter().for_each(|item| item.each_text(see)),
            Value::Map(entries) => entries.iter().for_each(|(_, node)| node.each_text(see)),
        }
    }

    /// Itself, or what stands in its text as JSON.
    pub(super) fn unfolded(&self) -> Self {
        let json = self.text().filter(|text| text.starts_with(['{', '[']));
        let read = json.and_then(|text| serde_json::from_str::<&RawValue>(text).ok()).and_then(|raw| json_node(raw, 0));
        match read {
            Some(mut node) => {
                node.place(self.path.clone());
                node
            }
            None => self.clone(),
        }
    }

    fn place(&mut self, path: String) {
        match &mut self.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    node.place(if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
                }
            }
            Value::List(items) => {
                items.iter_mut().enumerate().for_each(|(index, node)| node.place(format!("{path}[{index}]")));
            }
            Value::Null | Value::Text(_) => {}
        }
        self.path = path;
    }
}

/// PostgreSQL's text form of an array of texts.
fn array(text: &str) -> Vec<String> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let (mut items, mut item, mut quoted, mut escaped, mut any) = (Vec::new(), String::new(), false, false, false);
    for c in inner.chars() {
        any = true;
        match c {
            _ if escaped => {
                item.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    if any {
        items.push(item);
    }
    items
}

/// The entries of a mapping, and which of them were asked for: what nobody asks for is told at the end.
pub(super) struct Fields<'a> {
    pub(super) node: &'a Node,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self { node, asked: RefCell::default() }
    }

    pub(super) fn of_key(&self, key: &str) -> Fields<'a> {
        Fields::of(self.get(key).unwrap_or(&NOTHING))
    }

    /// The value of `key`, unless it is empty.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.node.get(key).filter(|node| !node.is_null())
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Node::text)
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.get(key).map(Node::texts).unwrap_or_default()
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| matches!(&*text.to_ascii_lowercase(), "true" | "t" | "yes" | "on" | "1"))
    }

    /// Where `key` stands, whether or not it is there.
    pub(super) fn path(&self, key: &str) -> String {
        if self.node.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.node.path) }
    }

    /// What was not asked for and is not empty.
    pub(super) fn left(&self) -> Vec<&'a Node> {
        let asked = self.asked.borrow();
        self.node
            .entries()
            .iter()
            .filter(|(key, node)| !asked.contains(key) && !node.is_null())
            .map(|(_, n)| n)
            .collect()
    }
}

/// Reads one YAML document.
pub(super) fn yaml(text: &str, file: &str) -> Result<Node, ImportError> {
    let wrong = |line: usize, why: String| ImportError::Input(format!("{file}:{line}: {why}"));
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| wrong(error.marker().line().max(1), error.info().to_owned()))?;
        builder.take(event).map_err(|why| wrong(span.start.line(), why.to_owned()))?;
    }
    let mut root = builder.root.ok_or_else(|| wrong(1, "the file is empty".to_owned()))?;
    root.place(String::new());
    Ok(root)
}

#[derive(Default)]
struct Builder {
    open: Vec<(Node, usize, Option<String>)>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err("a second document begins here; give one at a time"),
            Event::Scalar(text, style, anchor, _) => {
                let empty =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL" | "None");
                let value = if empty { Value::Null } else { Value::Text(text.into_owned()) };
                self.close(Node::bare(value), anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(Value::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.start(Value::Map(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((node, anchor, _)) => self.close(node, anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, size)) => {
                    self.nodes = self.nodes.saturating_add(size);
                    self.close(node, 0)
                }
                None => Err("this alias stands inside of what it names"),
            },
            _ => Ok(()),
        }
    }

    fn start(&mut self, value: Value, anchor: usize) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("too many levels of nesting");
        }
        self.open.push((Node::bare(value), anchor, None));
        Ok(())
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err("too many values, aliases included");
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size(&node)));
        }
        let Some((parent, _, key)) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match (key.take(), node.value) {
                (None, Value::Text(text)) => *key = Some(text),
                (None, Value::Null) => *key = Some("null".to_owned()),
                (None, _) => return Err("a key must be one word, not a list or a mapping"),
                (Some(key), value) if key == "<<" => merge(entries, value),
                // As PyYAML has it: the last one counts, also over what was merged.
                (Some(key), value) => match entries.iter_mut().find(|(name, _)| *name == key) {
                    Some((_, old)) => *old = Node::bare(value),
                    None => entries.push((key, Node::bare(value))),
                },
            },
            Value::Null | Value::Text(_) => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    let below = match &node.value {
        Value::Null | Value::Text(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
    };
    below.saturating_add(1)
}

/// What stands in `from` and not yet in `entries`; of several, the first that has it.
fn merge(entries: &mut Vec<(String, Node)>, from: Value) {
    match from {
        Value::Map(more) => {
            for (key, node) in more {
                if !entries.iter().any(|(known, _)| *known == key) {
                    entries.push((key, node));
                }
            }
        }
        Value::List(items) => items.into_iter().for_each(|item| merge(entries, item.value)),
        Value::Null | Value::Text(_) => {}
    }
}

fn json_node(raw: &RawValue, depth: usize) -> Option<Node> {
    if depth > MAX_DEPTH {
        return None;
    }
    let text = raw.get();
    let value = match text.as_bytes().first()? {
        b'{' => {
            let entries: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
            let entries = entries.into_iter().map(|(key, raw)| Some((key, json_node(&raw, depth + 1)?)));
            Value::Map(entries.collect::<Option<_>>()?)
        }
        b'[' => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
            Value::List(items.iter().map(|raw| json_node(raw, depth + 1)).collect::<Option<_>>()?)
        }
        b'"' => Value::Text(serde_json::from_str(text).ok()?),
        b'n' => Value::Null,
        _ => Value::Text(text.to_owned()),
    };
    Some(Node::bare(value))
}

/// The tables of a database export, by their names.
pub(super) type Tables = BTreeMap<String, Vec<Node>>;

/// Adds what the export `text` holds to `tables`. `name` is the file's name, which names the table of a CSV, of a list
/// of rows and of a row a line.
pub(super) fn tables(text: &str, name: &str, tables: &mut Tables) -> Result<(), ImportError> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let wrong = |why: String| ImportError::Input(format!("{name}: {why}"));
    let text = text.trim_start_matches('\u{feff}').trim();
    let table = table_of(stem);
    if !text.starts_with(['{', '[']) {
        let rows = rows(text).map_err(wrong)?;
        return add(tables, table, name, rows);
    }
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
        let node = json_node(raw, 0).ok_or_else(|| wrong("too many levels of nesting".to_owned()))?;
        return match node.value {
            Value::List(rows) => add(tables, table, name, rows),
            Value::Map(entries) if entries.iter().all(|(_, node)| matches!(node.value, Value::List(_))) => {
                for (key, node) in entries {
                    let Value::List(rows) = node.value else { continue };
                    add(tables, table_of(&key), &key, rows)?;
                }
                Ok(())
            }
            _ => add(tables, table, name, vec![node]),
        };
    }
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = serde_json::from_str::<&RawValue>(line).ok().and_then(|raw| json_node(raw, 0));
        found.push(read.ok_or_else(|| wrong(format!("line {} is no JSON", index + 1)))?);
    }
    add(tables, table, name, found)
}

/// `LiteLLM_TeamTable` of `2026-11-28-litellm_teamtable`, `public.LiteLLM_TeamTable` and the like.
fn table_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    TABLES.iter().find(|table| name.contains(&table.to_ascii_lowercase())).copied()
}

/// Tables that something is made of, or told about.
const TABLES: &[&str] = &[
    "LiteLLM_VerificationToken",
    "LiteLLM_TeamTable",
    "LiteLLM_BudgetTable",
    "LiteLLM_UserTable",
    "LiteLLM_OrganizationTable",
    "LiteLLM_EndUserTable",
    "LiteLLM_ProxyModelTable",
    "LiteLLM_TeamMembership",
    "LiteLLM_CredentialsTable",
    "LiteLLM_ModelTable",
    "LiteLLM_TagTable",
    "LiteLLM_Config",
];

fn add(tables: &mut Tables, table: Option<&'static str>, name: &str, rows: Vec<Node>) -> Result<(), ImportError> {
    let Some(table) = table else {
        let like = "such as `LiteLLM_VerificationToken.csv`";
        return Err(ImportError::Input(format!(
            "{name}: is named after no table of LiteLLM's that is known; name it {like}"
        )));
    };
    let known = tables.entry(table.to_owned()).or_default();
    for mut row in rows {
        row.place(format!("{table}[{}]", known.len()));
        known.push(row);
    }
    Ok(())
}

/// The rows of a CSV with a line of names; an empty field is null.
fn rows(text: &str) -> Result<Vec<Node>, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        // The reader's own words may hold a field.
        let record = record.map_err(|error| match error.position() {
            Some(at) => format!("line {} has another number of fields than the first, or is no UTF-8", at.line()),
            None => "is no CSV".to_owned(),
        })?;
        let value = |text: &str| if text.is_empty() { Value::Null } else { Value::Text(text.to_owned()) };
        let fields = names.iter().zip(record.iter()).map(|(name, text)| (name.to_owned(), Node::bare(value(text))));
        rows.push(Node::bare(Value::Map(fields.collect())));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::{Fields, Node, Tables, array, tables, yaml};

    fn shown(node: &Node) -> String {
        let list = |items: Vec<String>| items.join(",");
        match (node.text(), node.items(), node.entries()) {
            (Some(text), ..) => text.to_owned(),
            (_, [], []) => "-".to_owned(),
            (_, [], entries) => {
                format!("{{{}}}", list(entries.iter().map(|(key, node)| format!("{key}={}", shown(node))).collect()))
            }
            (_, items, _) => format!("[{}]", list(items.iter().map(shown).collect())),
        }
    }

    #[test]
    fn merge_keys_are_taken_and_numbers_stay_as_written() {
        let text = "base: &b {rpm: 1e-06, tpm: 007}\nit:\n  <<: *b\n  rpm: 2.50\n  none: ~\n";
        let node = yaml(text, "x").expect("YAML");
        assert_eq!(shown(node.get("it").expect("it")), "{rpm=2.50,tpm=007,none=-}");
        assert_eq!(node.get("it").and_then(|it| it.get("tpm")).expect("tpm").path, "it.tpm");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        let Err(told) = yaml(&text, "x") else { panic!("it was taken") };
        assert!(told.to_string().contains("too many values"), "{told}");
    }

    #[test]
    fn arrays_of_postgresql_are_read() {
        let cases = [("{}", vec![]), ("{a,b}", vec!["a", "b"]), (r#"{"a,b","c\"d"}"#, vec!["a,b", "c\"d"])];
        for (text, want) in cases {
            assert_eq!(array(text), want, "{text}");
        }
    }

    #[test]
    fn tables_are_found_in_each_form_of_export() {
        let mut all = Tables::new();
        let json = r#"{"LiteLLM_TeamTable": [{"team_id": "a", "max_budget": 1e-05}], "litellm_usertable": []}"#;
        let forms = [
            ("dump.json", json),
            ("LiteLLM_TeamTable.csv", "team_id,models,metadata\nb,\"{x,y}\",\"{\"\"k\"\": 1}\"\n"),
            ("litellm_teamtable.jsonl", "{\"team_id\": \"c\"}\n{\"team_id\": \"d\"}\n"),
            ("public.LiteLLM_TeamTable.json", "[{\"team_id\": \"e\"}]"),
        ];
        for (name, text) in forms {
            assert!(tables(text, name, &mut all).is_ok(), "{name}");
        }
        let teams = &all["LiteLLM_TeamTable"];
        let ids: Vec<_> = teams.iter().filter_map(|row| Fields::of(row).text("team_id")).collect();
        assert_eq!(ids, ["a", "b", "c", "d", "e"]);
        assert_eq!(Fields::of(&teams[0]).text("max_budget"), Some("1e-05"));
        assert_eq!(Fields::of(&teams[1]).texts("models"), ["x", "y"]);
        assert_eq!(shown(&teams[1].get("metadata").expect("there").unfolded()), "{k=1}");
        assert!(tables("a,b\n1,2\n", "users.csv", &mut all).is_err(), "named after no table");
        let told = tables("a,b\nsk-planted,2,3\n", "LiteLLM_UserTable.csv", &mut all).expect_err("uneven").to_string();
        assert!(!told.contains("planted"), "{told}");
    }
}

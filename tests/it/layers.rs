//! The layers of the crate: imports point down, as STYLE draws them; files and functions stay readable.
//!
//! The compiler allows rings of modules inside one crate; this test does not.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Each module of the crate, and the modules that it may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sse", &[]),
    ("config", &["model"]),
    ("catalogue", &["model"]),
    ("tokens", &["model"]),
    ("telemetry", &["model", "config"]),
    ("dialect", &["model", "sse"]),
    ("outbound", &["model", "config", "telemetry"]),
    ("otel", &["model", "config", "telemetry", "outbound"]),
    ("auth", &["model", "config", "telemetry", "outbound"]),
    ("limits", &["model", "config", "telemetry", "catalogue"]),
    ("alerts", &["model", "config", "telemetry", "outbound"]),
    ("guard", &["model", "config", "telemetry", "outbound"]),
    ("cache", &["model", "config", "telemetry"]),
    ("routing", &["model", "config", "telemetry", "catalogue"]),
    ("providers", &["model", "config", "telemetry", "catalogue", "outbound", "sse"]),
    ("ledger", &["model", "config", "telemetry", "catalogue"]),
    ("files", &["model", "config"]),
    ("records", &["model", "telemetry"]),
    (
        "proxy",
        &[
            "model",
            "sse",
            "config",
            "catalogue",
            "tokens",
            "telemetry",
            "dialect",
            "auth",
            "limits",
            "guard",
            "cache",
            "routing",
            "providers",
            "ledger",
            "files",
            "records",
        ],
    ),
    (
        "admin",
        &[
            "model",
            "config",
            "catalogue",
            "telemetry",
            "auth",
            "limits",
            "guard",
            "cache",
            "routing",
            "providers",
            "ledger",
            "records",
        ],
    ),
    ("dashboard", &["model", "config", "telemetry", "auth", "ledger", "records", "admin"]),
    // Written from the providers' references and not from our own codecs.
    ("simulate", &["model", "sse"]),
    // Text in, text out.
    ("import", &[]),
    (
        "app",
        &[
            "model",
            "sse",
            "config",
            "catalogue",
            "tokens",
            "telemetry",
            "dialect",
            "outbound",
            "otel",
            "auth",
            "limits",
            "guard",
            "cache",
            "routing",
            "providers",
            "ledger",
            "files",
            "records",
            "alerts",
            "proxy",
            "admin",
            "dashboard",
            "simulate",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "sse",
            "config",
            "catalogue",
            "tokens",
            "telemetry",
            "dialect",
            "outbound",
            "otel",
            "auth",
            "limits",
            "guard",
            "cache",
            "routing",
            "providers",
            "ledger",
            "files",
            "records",
            "alerts",
            "proxy",
            "admin",
            "dashboard",
            "simulate",
            "import",
            "app",
        ],
    ),
];

/// Where Pingora may be named.
const PINGORA: [&str; 3] = ["proxy", "app", "admin/server.rs"];

/// Names that say that the idea was not found.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "types", "manager", "misc"];

/// A file is split at this.
const MAX_FILE_LINES: usize = 500;
/// No function is longer.
const MAX_FUNCTION_LINES: usize = 80;

/// A file of `src/`.
struct Source {
    /// Path below `src/`, with `/`.
    path: String,
    /// Lines without comments; strings are left in.
    lines: Vec<String>,
}

impl Source {
    /// All files of `src/`.
    fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).expect("src is there") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    dirs.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    files.push(Self::read(&root, path));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 20, "the crate was found");
        files
    }

    fn read(root: &Path, path: PathBuf) -> Self {
        let text = read_to_string(&path).expect("readable");
        let name = path.strip_prefix(root).expect("below src").to_string_lossy().replace('\\', "/");
        let code = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
        Self { path: name, lines: text.lines().map(code).collect() }
    }

    /// The top module that the file belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether it holds nothing but tests.
    fn is_test(&self) -> bool {
        let stem = self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let inside = ["/tests/", "_tests/"].iter().any(|dir| self.path.contains(dir));
        stem == "tests" || stem.ends_with("_tests") || inside
    }

    /// Lines up to the tests at its end.
    fn code(&self) -> &[String] {
        // Tests that stand in files of their own end nothing: what follows them is code.
        let inside =
            |pair: &[String]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
        let end = self.lines.windows(2).position(inside);
        &self.lines[..end.unwrap_or(self.lines.len())]
    }

    /// The top modules that it names behind `crate::`.
    fn imports(&self) -> BTreeSet<String> {
        let text = self.lines.join("\n");
        let mut found = BTreeSet::new();
        for (at, _) in text.match_indices("crate::") {
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &text[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group)),
                None => found.extend(first_word(rest)),
            }
        }
        found
    }
}

fn first_word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first words of the items of `{a::b, c::{d, e}}`, without its opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut heads = Vec::new();
    let mut item = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            heads.extend(first_word(item.trim()));
            item.clear();
            if depth == 0 {
                break;
            }
        } else {
            item.push(c);
        }
    }
    heads
}

#[test]
fn imports_only_point_down() {
    let mut wrong = Vec::new();
    for file in Source::all() {
        let module = file.module();
        if module == "main" || module == "lib" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: the module `{module}` has no line in LAYERS", file.path));
            continue;
        };
        for import in file.imports() {
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{}: `{module}` may not import `{import}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_itself_has_no_ring() {
    for (at, (name, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let below = LAYERS.iter().position(|(other, _)| other == import);
            assert!(below.is_some_and(|below| below < at), "`{name}` imports `{import}`, which must stand above it");
        }
    }
}

#[test]
fn nothing_is_imported_by_a_star_or_from_two_floors_up() {
    let mut wrong = Vec::new();
    for file in Source::all() {
        for (number, line) in file.lines.iter().enumerate() {
            let text = line.trim();
            let star_export = text.starts_with("pub use ") && text.ends_with("::*;");
            let bad = text.contains("use crate::*") || star_export || text.contains("super::super");
            if bad {
                wrong.push(format!("{}:{}: {text}", file.path, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pingora_is_named_only_where_the_sockets_are() {
    let mut wrong = Vec::new();
    for file in Source::all() {
        if PINGORA.iter().any(|place| file.module() == *place || file.path == *place) {
            continue;
        }
        for (number, line) in file.code().iter().enumerate() {
            // Its sketches count what is untrusted; they know no socket.
            let sketch = file.module() == "limits" && line.contains("pingora_limits::");
            if !sketch && (line.contains("pingora::") || line.contains("pingora_") && line.contains("use ")) {
                wrong.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_split_before_they_grow_too_long() {
    let long: Vec<String> = Source::all()
        .iter()
        .filter(|file| !file.is_test() && file.code().len() > MAX_FILE_LINES)
        .map(|file| format!("{}: {} lines without its tests", file.path, file.code().len()))
        .collect();
    assert!(long.is_empty(), "more than {MAX_FILE_LINES} lines: {long:#?}");
}

#[test]
fn functions_fit_on_a_screen_or_two() {
    let mut long = Vec::new();
    for file in Source::all().iter().filter(|file| !file.is_test()) {
        let code = file.code();
        for (begin, line) in code.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let indent = line.len() - line.trim_start().len();
            let close = format!("{}}}", " ".repeat(indent));
            let length = code[begin..].iter().position(|line| *line == close).map_or(0, |end| end + 1);
            if length > MAX_FUNCTION_LINES {
                long.push(format!("{}:{}: {length} lines", file.path, begin + 1));
            }
        }
    }
    assert!(long.is_empty(), "more than {MAX_FUNCTION_LINES} lines: {long:#?}");
}

/// Whether a function with a body of several lines begins here (rustfmt closes it at the same indent).
fn is_function(line: &str) -> bool {
    let text = line.trim_start();
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe ", "extern \"C\" "];
    let mut rest = text;
    while let Some(cut) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = cut;
    }
    rest.starts_with("fn ") && !text.ends_with(';') && !text.ends_with('}')
}

#[test]
fn names_say_what_is_inside() {
    let files = Source::all();
    let empty = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    let wrong: Vec<&str> =
        files.iter().filter(|file| file.path.split('/').any(empty)).map(|file| &*file.path).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_module_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<String> = Source::all()
        .iter()
        .filter(|file| !file.is_test())
        .filter(|file| !read_to_string(root.join(&file.path)).expect("readable").starts_with("//!"))
        .map(|file| file.path.clone())
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top: {silent:?}");
}

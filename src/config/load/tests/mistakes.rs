//! What every mistake in a configuration says.
//!
//! `mistakes.txt` is the table: `## name`, the file as it is written, and after `=>` what is said of it.

use super::load;

#[test]
fn every_mistake_names_file_line_key_path_and_what_to_do() {
    let rows: Vec<Row> = include_str!("mistakes.txt").split("## ").skip(1).map(Row::read).collect();
    assert!(rows.len() >= 90, "{} rows", rows.len());
    for Row { name, text, want } in rows {
        let said = load(&text).map(|_| ()).map_err(|errors| errors.to_string());
        assert_eq!(said, Err(want), "{name}");
    }
}

struct Row {
    name: String,
    text: String,
    want: String,
}

impl Row {
    fn read(row: &str) -> Self {
        let (name, rest) = row.split_once('\n').expect("a name stands on a line of its own");
        let (text, want) = rest.split_once("=> ").expect("every mistake says something");
        let want = want.trim_end().split("\n=> ").collect::<Vec<_>>().join("\n");
        Self { name: name.to_owned(), text: text.to_owned(), want }
    }
}

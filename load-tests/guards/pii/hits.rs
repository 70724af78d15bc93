//! Reads texts (`{"text": …}`, a line each) and prints the hits of each: `[[begin, end, "entity"], …]`, in bytes.
use std::io::{BufRead, Write};
use weighbridge::{config::Section, guard};

fn main() {
    let yaml = std::env::args().nth(1).unwrap_or_default();
    let spotters = guard::pii::build(&Section::from_yaml("pii", &yaml).expect("yaml")).expect("settings");
    let out = &mut std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line.expect("utf-8")).expect("json");
        let text = value["text"].as_str().expect("text");
        let mut hits = Vec::new();
        for spotter in &spotters {
            let mut from = 0;
            while let Some(hit) = spotter.next(text, from) {
                from = hit.at.end;
                hits.push(serde_json::json!([hit.at.start, hit.at.end, hit.entity]));
            }
        }
        writeln!(out, "{}", serde_json::Value::from(hits)).expect("stdout");
    }
}

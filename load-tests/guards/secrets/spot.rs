//! Reads JSON lines `{"text": …}` and writes for each its hits: where, what, and how the value begins. For `evaluate.py`.

use std::io::{BufRead, Write};
use weighbridge::guard::{Grow, Spotter, secrets::Secrets};
fn main() {
    let spotter = Secrets::default();
    let out = std::io::stdout();
    let mut out = std::io::BufWriter::new(out.lock());
    let begin = std::time::SystemTime::now();
    let (mut bytes, mut spent) = (0_usize, std::time::Duration::ZERO);
    for line in std::io::stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        let text = weighbridge::guard::fold(value["text"].as_str().expect("a text"));
        let mut hits = Vec::new();
        let mut from = 0;
        let one = std::time::SystemTime::now();
        while let Some(hit) = spotter.next(&text, from) {
            let end = match hit.grow {
                None => hit.at.end,
                Some(Grow::While(class)) => {
                    hit.at.end + text.as_bytes()[hit.at.end..].iter().take_while(|&&b| class(b)).count()
                }
                Some(Grow::Until(marker, most)) => {
                    let to = text.floor_char_boundary((hit.at.end + most).min(text.len()));
                    text[hit.at.end..to].find(marker).map_or(to, |at| hit.at.end + at + marker.len())
                }
            };
            hits.push(serde_json::json!([
                hit.at.start,
                end,
                hit.entity,
                text.get(hit.at.start..end.min(hit.at.start + 80))
            ]));
            from = end;
        }
        spent += one.elapsed().unwrap_or_default();
        bytes += text.len();
        writeln!(out, "{}", serde_json::json!({ "hits": hits })).expect("somebody reads");
    }
    eprintln!("{bytes} bytes, {spent:?} in the spotter, {:?} in all", begin.elapsed().unwrap_or_default());
}

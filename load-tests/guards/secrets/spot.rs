//! Reads JSON lines `{"text": …}`; writes for each the hits: `[[start, end, entity], …]`, growing ones with all they take.
use std::io::{BufRead, Write};
use weighbridge::guard::{Grow, Spotter, secrets::Secrets};
fn main() {
    let spotter = Secrets::default();
    let out = std::io::stdout();
    let mut out = std::io::BufWriter::new(out.lock());
    let begin = std::time::SystemTime::now();
    let (mut bytes, mut spent) = (0usize, std::time::Duration::ZERO);
    for line in std::io::stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = weighbridge::guard::fold(value["text"].as_str().unwrap());
        let mut hits = Vec::new();
        let mut from = 0;
        let one = std::time::SystemTime::now();
        while let Some(hit) = spotter.next(&text, from) {
            let end = match hit.grow {
                None => hit.at.end,
                Some(Grow::While(class)) => hit.at.end + text.as_bytes()[hit.at.end..].iter().take_while(|&&b| class(b)).count(),
                Some(Grow::Until(marker, most)) => {
                    let to = text.floor_char_boundary((hit.at.end + most).min(text.len()));
                    text[hit.at.end..to].find(marker).map_or(to, |at| hit.at.end + at + marker.len())
                }
            };
            hits.push(serde_json::json!([hit.at.start, end, hit.entity, &text[hit.at.start..end.min(hit.at.start + 80)]]));
            from = end;
        }
        spent += one.elapsed().unwrap_or_default();
        bytes += text.len();
        writeln!(out, "{}", serde_json::json!({"hits": hits, "chars": text.is_ascii()})).unwrap();
    }
    eprintln!("{bytes} bytes, {spent:?} in the spotter, {:?} in all", begin.elapsed().unwrap());
}

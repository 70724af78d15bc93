//! What the search for secrets, words and patterns of one's own costs: a prompt of 2 KB, and a chunk of a stream.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::Section;
use weighbridge::guard::{Fold, Found, Spotter, Verdict, Window, Words, regex, secrets, words};

const PROSE: &str = "The committee met on Tuesday to talk about the new library, its opening hours and the keys to the side door. \
    Nobody passed a motion, but the secretary noted that the old token machines would be sold, and that access for \
    people with prams had to be improved before the winter. ";
const CODE: &str = "let token = self.tokens.next().ok_or(Error::Eof)?;\nif key == self.key_of(&token) && !password.is_empty() {\n    \
    return Ok(Secret::new(base64::encode(&hasher.finish())));\n}\n// see https://example.org/docs?id=12\n";

struct Leave;

impl Words for Leave {
    fn verdict(&mut self, _: &Found<'_>) -> Verdict {
        Verdict::Leave
    }
}

fn section(text: &str) -> Section {
    Section::from_yaml("guards.bench", text).expect("YAML")
}

type Spotters = Arc<[Arc<dyn Spotter>]>;

fn guards() -> Vec<(&'static str, Spotters)> {
    // As words of a language begin: many share three letters with ordinary ones.
    let list: Vec<String> = (0..1_000)
        .map(|at| format!("{}{at}", ["con", "bad", "xyl", "pro", "zeb", "qui", "mur", "fla"][at % 8]))
        .collect();
    let patterns: String = (0..20)
        .map(|at| format!("  p{at}: '{}{at}-\\d+[A-Z]*'\n", ["TKT", "PRJ", "(?i)order ", "#"][at % 4]))
        .collect();
    vec![
        ("secrets", secrets::build(&section("")).expect("good").into()),
        ("words_1000", words::build(&section(&format!("words: [{}]", list.join(", ")))).expect("good").into()),
        ("regex_20", regex::build(&section(&format!("patterns:\n{patterns}"))).expect("good").into()),
    ]
}

fn whole(criterion: &mut Criterion) {
    for (name, spotters) in guards() {
        let mut group = criterion.benchmark_group(name);
        for (what, piece) in [("prose_2k", PROSE), ("code_2k", CODE)] {
            let text: String = piece.chars().cycle().take(2_048).collect();
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(what, |bencher| {
                bencher.iter(|| spotters.iter().filter_map(|one| one.next(black_box(&text), 0)).count());
            });
        }
        group.finish();
    }
}

/// A chunk of 40 bytes in the middle of a long answer.
fn chunk(criterion: &mut Criterion) {
    for (name, spotters) in guards() {
        let mut window = Window::new(spotters, Fold::Text);
        let mut out = String::new();
        let mut pieces = PROSE.as_bytes().chunks(40).map(|piece| std::str::from_utf8(piece).expect("ASCII")).cycle();
        criterion.bench_function(&format!("{name}/chunk_40"), |bencher| {
            bencher.iter(|| {
                out.clear();
                window.push(black_box(pieces.next().expect("it cycles")), &mut Leave, &mut out)
            });
        });
    }
}

criterion_group!(benches, whole, chunk);
criterion_main!(benches);

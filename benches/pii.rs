//! What the guard for personal data costs: a prompt, a prompt with values in it, and a chunk of a stream.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::config::Section;
use weighbridge::guard::{Fold, Found, Spotter, Verdict, Window, Words, pii};

/// Prose as people write it to a model: no digits, no values.
const PROSE: &str = "Please read the report below and tell me what the authors think about the future of the harbour. They \
    argue that trade moves away from the large ports, because smaller ships can turn around faster, and because towns have \
    learned to share what they own. I am not sure whether this follows from the tables, so be careful with conclusions. ";
const VALUES: &str = " Write to bob@example.com or call +1 415 555 2671; the card is 4111 1111 1111 1111, the account \
    DE89 3704 0044 0532 0130 00, and the server 192.168.1.17. ";

fn spotters() -> Arc<[Arc<dyn Spotter>]> {
    pii::build(&Section::from_yaml("pii", "").expect("yaml")).expect("settings").into()
}

fn count(spotters: &[Arc<dyn Spotter>], text: &str) -> usize {
    let mut hits = 0;
    for spotter in spotters {
        let mut from = 0;
        while let Some(hit) = spotter.next(text, from) {
            from = hit.at.end;
            hits += 1;
        }
    }
    hits
}

/// Goal: 5 µs for 2 KB of prose, nothing allocated.
fn texts(c: &mut Criterion) {
    let spotters = spotters();
    let prose: String = PROSE.chars().cycle().take(2_048).collect();
    let mut values = prose[..2_048 - VALUES.len()].to_owned();
    values.insert_str(1_000, VALUES);
    assert_eq!((count(&spotters, &prose), count(&spotters, &values)), (0, 5));
    let numbers = "17 204.5 3 1,024 2024-01-31 0.75 12:30 ".repeat(53);
    let mut group = c.benchmark_group("pii_text");
    for (name, text) in [("prose_2k", &prose), ("five_values_2k", &values), ("table_of_numbers_2k", &numbers)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| count(&spotters, black_box(text))));
    }
    group.finish();
}

struct Redact;

impl Words for Redact {
    fn verdict(&mut self, found: &Found<'_>) -> Verdict {
        Verdict::Replace(format!("[{}]", found.entity))
    }
}

/// A token or ten of an answer, 40 bytes with 64 bytes of context in front. Goal: 1 µs.
fn chunk(c: &mut Criterion) {
    let spotters = spotters();
    let mut group = c.benchmark_group("pii_chunk");
    for (name, chunk) in [("prose_40", &PROSE[64..104]), ("values_40", "card 4111 1111 1111 1111 and a@b.com now ")] {
        let ready = || {
            let mut window = Window::new(Arc::clone(&spotters), Fold::Text);
            window.push(&PROSE[..64], &mut Redact, &mut String::new()).expect("nothing blocks");
            (window, String::with_capacity(256))
        };
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                ready,
                |(window, out)| window.push(black_box(chunk), &mut Redact, out).expect("nothing blocks"),
                BatchSize::SmallInput,
            );
        });
    }
    let mut context = PROSE[..64].to_owned();
    context.push_str("of the wor");
    group.bench_function("pending", |b| b.iter(|| spotters[0].pending(black_box(&context), 64)));
    group.finish();
}

criterion_group!(benches, texts, chunk);
criterion_main!(benches);

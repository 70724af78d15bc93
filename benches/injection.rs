//! What looking for prompt injections costs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weighbridge::guard::Judge;
use weighbridge::guard::injection::{Injection, Settings};
use weighbridge::model::Speech;

/// Sentences of a plain answer, with some numbers so that they are not all the same.
fn prose(length: usize) -> String {
    const SENTENCES: [&str; 6] = [
        "The committee met on Tuesday to look at the budget for the coming year, and most members agreed with it.",
        "After lunch the engineers explained why the second pump had failed, and what a better seal would cost.",
        "If you would like to change your order, please write to us before Friday so that the kitchen can plan.",
        "Trains to the coast leave every hour; the fast ones stop only at the harbour and at the old market.",
        "She asked whether the translation was due this week or the next, since two chapters were still missing.",
        "Rain is expected in the north, while the south stays dry with a light wind and eighteen degrees.",
    ];
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text += &format!("{} ({number}) ", SENTENCES[(number * number + number / 7) % SENTENCES.len()]);
    }
    text.truncate(length);
    text
}

/// What a README is like: headings, lists, code, links.
fn readme(length: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text += &format!(
            "## Section {number}\n\n{}\n\n- item `option_{number}`: see <https://example.org/docs/{number}.html>\n",
            prose(300)
        );
        text += &format!(
            "```rust\nlet value = client.get(\"key-{number}\")?.parse::<u64>()?;\nassert_eq!(value, {number});\n```\n\n"
        );
    }
    text.truncate(length);
    text
}

/// Base64 of prose, as long as a small attachment in a text.
fn encoded(length: usize) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut text = STANDARD.encode(prose(length));
    text.truncate(length);
    text
}

fn judge(criterion: &mut Criterion) {
    let guard = Injection::new(&Settings::default());
    let mut group = criterion.benchmark_group("injection");
    for (name, text) in [("prose_2k", prose(2_048)), ("readme_16k", readme(16_384)), ("base64_2k", encoded(2_048))] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| guard.judge(black_box(&text), Speech::User)));
    }
    let text = prose(2_048);
    group.bench_function("off", |bencher| bencher.iter(|| guard.judge(black_box(&text), Speech::System)));
}

criterion_group!(benches, judge);
criterion_main!(benches);

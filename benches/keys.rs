//! What a request pays for its key: the header, the hash and the look-up, among few keys and among many.

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use std::hint::black_box;
use std::sync::Arc;
use weighbridge::auth::{Keyring, Presented, hash_of};
use weighbridge::config::{Allowed, Config, Key, Networks};

const NOW_US: u64 = 1_795_000_000_000_000;

fn ring(count: usize) -> Keyring {
    let text = "providers: { p: { kind: openai, api_key: k } }\n\
                models: { m: { targets: [{ provider: p, model: m }] } }\n\
                teams: { t: {} }\n";
    let mut config = Config::from_text(text, None).expect("the configuration is right");
    config.keys = (0..count)
        .map(|at| Key {
            allowed_ips: Networks::default(),
            name: format!("key-{at}").into(),
            team: "t".into(),
            hash: hash_of(format!("wb-{at:048}").as_bytes()),
            priority: None,
            models: Allowed::All,
            expires_us: None,
            rules: Arc::default(),
        })
        .collect();
    Keyring::build(&config)
}

/// Goal: under 1 µs, whatever the number of keys: most of it is SHA-256.
fn authenticate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keys");
    for count in [100, 10_000, 100_000] {
        let ring = ring(count);
        let heads: Vec<HeaderMap> = (0..1_024)
            .map(|at| {
                let value = format!("Bearer wb-{:048}", at * count / 1_024);
                [(http::header::AUTHORIZATION, HeaderValue::from_str(&value).expect("a value"))].into_iter().collect()
            })
            .collect();
        // One after the other, so that not all is in the cache.
        let mut heads = heads.iter().cycle();
        group.bench_function(format!("one_of_{count}"), |bencher| {
            bencher.iter(|| {
                let presented = Presented::from_headers(black_box(heads.next().expect("it cycles"))).expect("a key");
                ring.authenticate(presented, NOW_US).expect("a known key")
            });
        });
        let mut stranger = HeaderMap::new();
        stranger.insert(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer wb-nobody"));
        group.bench_function(format!("none_of_{count}"), |bencher| {
            bencher.iter(|| {
                ring.authenticate(Presented::from_headers(black_box(&stranger)).expect("a key"), NOW_US).is_err()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, authenticate);
criterion_main!(benches);

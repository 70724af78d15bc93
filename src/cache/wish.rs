//! What a client says of the cache in its request's headers.

use http::{HeaderMap, header};
use std::time::Duration;

/// Asks for the cache or refuses it.
const OURS: &str = "x-weighbridge-cache";

/// What a client wants of the cache.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// It asks for the cache where that must be asked for.
    pub asks: bool,
    /// Nothing that is kept is to be given.
    pub no_cache: bool,
    /// The answer is not to be kept either.
    pub no_store: bool,
    /// No older answer is to be given.
    pub max_age: Option<Duration>,
}

impl Wish {
    /// As `x-weighbridge-cache` (`use`, `no-cache`, `no-store`) and `cache-control` (`no-cache`, `no-store`, `max-age`; RFC
    /// 9111, 5.2.1) say. What is not known in the first one is taken for `no-store`: the word may have been meant as one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self::default();
        for word in words(headers, OURS) {
            match &*word {
                "use" => wish.asks = true,
                "no-cache" => wish.no_cache = true,
                _ => wish.no_store = true,
            }
        }
        for word in words(headers, header::CACHE_CONTROL.as_str()) {
            match word.split_once('=') {
                None if word == "no-cache" => wish.no_cache = true,
                None if word == "no-store" => wish.no_store = true,
                Some(("max-age", seconds)) => {
                    // What is no number is the strictest one.
                    let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
                    wish.max_age = Some(Duration::from_secs(seconds));
                }
                _ => {}
            }
        }
        wish
    }

    /// Whether an answer of this age is not too old for the client.
    pub fn takes(&self, age: Duration) -> bool {
        !self.no_cache && !self.no_store && self.max_age.is_none_or(|most| age <= most)
    }
}

fn words<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let lists = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    lists.flat_map(|list| list.split(',')).map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_client_asks_for_the_cache_and_refuses_it_in_its_own_words_and_in_those_of_http() {
        let rows: [(&str, &str, Wish); 9] = [
            (OURS, "use", Wish { asks: true, ..Wish::default() }),
            (OURS, " No-Store ", Wish { no_store: true, ..Wish::default() }),
            (OURS, "use, no-cache", Wish { asks: true, no_cache: true, ..Wish::default() }),
            (OURS, "nostore", Wish { no_store: true, ..Wish::default() }),
            ("cache-control", "no-cache", Wish { no_cache: true, ..Wish::default() }),
            ("cache-control", "max-age=7, no-store", {
                Wish { no_store: true, max_age: Some(Duration::from_secs(7)), ..Wish::default() }
            }),
            ("cache-control", "max-age=soon", Wish { max_age: Some(Duration::ZERO), ..Wish::default() }),
            ("cache-control", "max-stale=9, no-transform", Wish::default()),
            ("pragma", "no-cache", Wish::default()),
        ];
        for (name, value, want) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(Wish::of(&headers), want, "{name}: {value}");
        }
        let old = Wish { max_age: Some(Duration::from_secs(7)), ..Wish::default() };
        assert!(old.takes(Duration::from_secs(7)) && !old.takes(Duration::from_secs(8)));
        assert!(!Wish { no_cache: true, ..Wish::default() }.takes(Duration::ZERO));
    }
}

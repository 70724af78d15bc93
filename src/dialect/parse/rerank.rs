//! What reranking may cost: a model reads the query again with each document.

use super::Known;
use crate::{
    dialect::strict::{self, Kind, Member},
    model::{Demand, Span},
};

/// Tokens of a chunk, query included; a longer document counts as several
/// (<https://cohere.com/pricing>, <https://docs.cohere.com/docs/reranking-best-practices>).
const CHUNK_TOKENS: u64 = 500;
/// Tokens of a query that are read with each chunk: a longer one is cut (the same pages).
const QUERY_TOKENS: u64 = 256;
/// Documents, or chunks, of one search.
const CHUNKS: u64 = 100;

/// Adds to `demand` what the documents cost, and returns the bytes that are read beside those of the body: the query's,
/// with each document but one.
pub(super) fn demand(body: &[u8], known: &Known<'_>, demand: &mut Demand) -> u64 {
    let length = |member: Option<&Member<'_>>| member.map_or(0, |member| bytes(member.value));
    let query = length(known.query);
    let (count, all) = match known.documents {
        Some(documents) if documents.kind == Kind::Array => {
            if pictures(body, documents.value) {
                demand.unseen.get_or_insert_with(|| "documents".to_owned());
            }
            (strict::elements(body, documents.value).0, bytes(documents.value))
        }
        _ => (1, length(known.documents)),
    };
    let again = query.saturating_mul(count.saturating_sub(1));
    demand.readable_bytes = demand.readable_bytes.saturating_add(again);
    // A token has a byte at least: every document may end in a chunk that is not full.
    let chunk = CHUNK_TOKENS.saturating_sub(query.min(QUERY_TOKENS)).max(1);
    demand.units.searches = count.saturating_add(all / chunk).div_ceil(CHUNKS).max(1);
    // Of text as it is: 4 bytes a token.
    demand.likely_searches = count.max(all / 4 / CHUNK_TOKENS).div_ceil(CHUNKS).max(1);
    again
}

const fn bytes(span: Span) -> u64 {
    (span.end - span.start) as u64
}

/// Whether documents may be pictures, which stand elsewhere or are larger than their bytes tell.
fn pictures(body: &[u8], documents: Span) -> bool {
    let listed = body.get(documents.range()).unwrap_or_default();
    matches!(strict::elements(body, documents).1, Some(Kind::Object))
        && memchr::memmem::find(listed, b"\"image\"").is_some()
}

#[cfg(test)]
mod tests {
    use crate::{
        dialect::parse,
        model::{Api, Ask, Draft},
    };

    fn ask(body: &str) -> Ask {
        parse(Api::Rerank, Draft::copy_of(body.as_bytes())).expect("it is right")
    }

    #[test]
    fn a_query_is_read_with_each_document() {
        let one = ask(r#"{"model":"m","query":"0123456789","documents":["a"]}"#);
        let three = ask(r#"{"model":"m","query":"0123456789","documents":["a","b","c"]}"#);
        assert_eq!(
            three.demand.readable_bytes - one.demand.readable_bytes,
            2 * 12 + 8,
            "twice more, and two documents"
        );
        assert_eq!(three.text_bytes - one.text_bytes, 2 * 12 + 2);
        assert_eq!((one.demand.units.searches, one.max_output_tokens, one.stream), (1, None, false));
    }

    #[test]
    fn a_search_has_a_hundred_documents_and_a_long_one_counts_as_several() {
        let with = |documents: Vec<String>| {
            let body = serde_json::json!({ "model": "m", "query": "q", "documents": documents });
            let demand = ask(&body.to_string()).demand;
            (demand.units.searches, demand.likely_searches)
        };
        assert_eq!(with(vec!["a".to_owned(); 90]), (1, 1));
        assert_eq!(with(vec!["a".to_owned(); 250]), (3, 3));
        assert_eq!(with(vec!["a".repeat(200_000)]), (5, 1), "each byte might be a token");
        assert_eq!(with(vec!["a".repeat(2_100); 100]), (6, 2));
    }

    #[test]
    fn pictures_among_the_documents_are_not_bounded_by_the_body() {
        let body = r#"{"model":"m","query":"q","documents":[{"image":"https://h/a.png"}]}"#;
        assert_eq!(ask(body).demand.unseen.as_deref(), Some("documents"));
        let plain = r#"{"model":"m","query":"q","documents":["the \"image\" of"]}"#;
        assert_eq!(ask(plain).demand.unseen, None);
    }

    #[test]
    fn odd_members_are_the_targets_business() {
        for body in [r#"{"model":"m"}"#, r#"{"model":"m","query":{"a":1},"documents":{"x":2}}"#] {
            assert_eq!(ask(body).demand.units.searches, 1, "{body}");
        }
    }
}

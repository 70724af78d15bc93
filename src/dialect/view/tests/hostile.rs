//! Bytes that nobody checked.

use super::{ANSWERS, REQUESTS};
use crate::{
    dialect::view::{Events, answer, request},
    model::{Api, Growth},
};
use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use std::time::{Duration, SystemTime};

/// JSON that somebody hit.
fn broken() -> impl Strategy<Value = Vec<u8>> {
    let bodies: Vec<&'static str> = REQUESTS.iter().chain(&ANSWERS).map(|(_, body)| *body).collect();
    let hit = (0..bodies.len(), any::<u16>(), any::<u16>(), any::<u8>()).prop_map(move |(which, at, cut, byte)| {
        let mut body = bodies[which].as_bytes().to_vec();
        let at = usize::from(at) % body.len();
        body[at] = byte;
        if cut % 3 == 0 {
            body.truncate(usize::from(cut) % (body.len() + 1));
        }
        body
    });
    let tokens =
        ["{", "}", "[", "]", ":", ",", "\"", "\\", "\"type\"", "\"delta\"", "\"choices\"", "\"item\"", "1", "null"];
    let soup = proptest::collection::vec(0..tokens.len(), 0..40)
        .prop_map(move |picks| picks.into_iter().flat_map(|pick| tokens[pick].bytes()).collect());
    prop_oneof![hit, soup, any::<Vec<u8>>(), Just(Vec::new())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Nothing panics, and each place is one of the body.
    #[test]
    fn whatever_comes_the_view_holds(body in broken()) {
        for api in Api::ALL {
            let asked = request(api, None, &body).unwrap_or_default();
            let said = answer(api, &body).unwrap_or_default().texts;
            for text in asked.iter().chain(&said) {
                prop_assert!(text.at.start < text.at.end && text.at.end <= body.len());
            }
            let mut events = Events::new(api);
            for _ in 0..2 {
                let view = events.event(None, &body);
                for piece in &view.pieces {
                    prop_assert!(piece.at.start < piece.at.end && piece.at.end <= body.len());
                }
                prop_assert!(view.pieces.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start), "{:?}", view);
            }
        }
    }
}

#[test]
fn what_lies_too_deep_is_one_text_and_no_stack_is_used_up() {
    let deep = |levels: usize| {
        let (open, close) = ("{\"content\":[".repeat(levels), "]}".repeat(levels));
        format!("{{\"choices\":[{{\"message\":{open}\"secret\"{close}}}]}}")
    };
    for levels in [10, 31, 32, 40, 100_000] {
        let body = deep(levels);
        let whole = answer(Api::ChatCompletions, body.as_bytes()).expect("there is a view");
        let [text] = &whole.texts[..] else { panic!("{levels}: {:?}", whole.texts) };
        assert!(body[text.at.clone()].contains("secret"), "{levels}");
    }
    for body in ["[".repeat(1_000_000), "{\"a\":".repeat(300_000)] {
        for api in Api::ALL {
            let _ = (request(api, None, body.as_bytes()), answer(api, body.as_bytes()));
            Events::new(api).event(None, body.as_bytes());
        }
    }
}

#[test]
fn time_goes_with_the_length_whatever_the_text() {
    let bodies = [
        format!("{{\"messages\":[{}]}}", "{\"content\":\"a\",\"role\":\"tool\"},".repeat(60_000)),
        format!("{{\"messages\":[{{\"content\":\"{}\"}}]}}", "\\u0061".repeat(300_000)),
        format!(
            "{{\"messages\":[{{\"content\":[{}1],\"role\":\"tool\"}}]}}",
            "[".repeat(50) + &"\"a\",".repeat(400_000)
        ),
        format!("{{\"messages\":{}", "{\"content\":[{\"text\":\"a\"},".repeat(30).repeat(2_000)),
    ];
    for body in bodies {
        let begin = SystemTime::now();
        let _ = request(Api::ChatCompletions, None, body.as_bytes());
        let took = begin.elapsed().unwrap_or_default();
        assert!(took < Duration::from_secs(20), "{took:?} for {} bytes", body.len());
    }
}

#[test]
fn channels_without_end_take_time_by_their_number() {
    let mut events = Events::new(Api::ChatCompletions);
    let begin = SystemTime::now();
    for at in 0..100_000_u64 {
        let data = format!(r#"{{"choices":[{{"index":{at},"delta":{{"content":"a"}}}}]}}"#);
        let view = events.event(None, data.as_bytes());
        assert!(matches!(view.pieces[0].growth, Growth::Delta(_)));
    }
    assert!(begin.elapsed().unwrap_or_default() < Duration::from_secs(20));
}

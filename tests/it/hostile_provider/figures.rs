//! Figures that cannot be true: money never wraps, and no answer is lost for them.

use super::{Siege, Way};
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

const FIGURES: [&str; 12] = [
    "-5",
    "1e99",
    "-1e99",
    "1.5",
    "18446744073709551615",
    "9223372036854775808",
    "99999999999999999999999999",
    "\"7\"",
    "null",
    "true",
    "[]",
    "{}",
];

#[tokio::test]
async fn figures_that_cannot_be_true_neither_wrap_nor_break_anything() {
    let siege = Siege::with(Upstream::start().await).await;
    let mut asked = 0;
    for figure in FIGURES {
        let usage = format!(r#"{{"prompt_tokens":{figure},"completion_tokens":{figure},"total_tokens":{figure}}}"#);
        let own = r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#;
        let events = sample::chat_events().concat().replace(own, &usage);
        assert!(events.contains(&usage), "the sample has its usage");
        siege.hostile.always(Script::events([events]));
        for way in [Way::ChatStream, Way::MessagesStream] {
            let answer = way.call("alone").send(siege.gateway.address).await;
            assert_eq!(answer.status, 200, "{figure} {way:?}: {}", answer.text());
            answer.unbroken();
            asked += 1;
        }
        let own = r#""prompt_tokens":11,"completion_tokens":7,"total_tokens":18"#;
        let told = format!(r#""prompt_tokens":{figure},"completion_tokens":{figure},"total_tokens":{figure}"#);
        siege.hostile.always(Script::json(200, sample::CHAT.replace(own, &told)));
        for way in [Way::Chat, Way::Messages] {
            let answer = way.call("alone").send(siege.gateway.address).await;
            assert_eq!(answer.status, 200, "{figure} {way:?}: {}", answer.text());
            asked += 1;
        }
    }
    let rows = siege.gateway.settled(asked).await;
    for row in &rows {
        // A cost that wrapped would be below what one token costs; one that cannot be told is null.
        let (_, output) = row.tokens();
        if let Some(cost) = row.0["cost_nano_usd"].as_u64() {
            assert!(u128::from(cost) >= u128::from(output).min(1 << 40), "{row:?}");
        }
    }
    siege.gateway.assert_verified().await;
    assert!(!siege.gateway.log().contains("panicked"), "{}", siege.gateway.log());
}

/// Usage is told twice, or before the end: the last word counts, and nothing is added up.
#[tokio::test]
async fn usage_that_is_told_twice_is_booked_once() {
    let siege = Siege::with(Upstream::start().await).await;
    let mut events = sample::chat_events();
    let at = events.len() - 1;
    events.insert(at, sample::CHAT_USAGE.to_owned());
    siege.hostile.always(Script::events(events));
    let answer = Way::ChatStream.call("alone").send(siege.gateway.address).await;
    assert_eq!(answer.status, 200);
    let row = siege.gateway.only_row().await;
    assert_eq!(row.tokens(), (sample::INPUT, sample::OUTPUT));
}

use super::*;

fn answer(status: u16, retry: Option<&str>, body: &'static [u8]) -> Outcome {
    let answer = Response::builder().status(status);
    let answer = retry.map_or_else(|| Response::builder().status(status), |retry| answer.header("retry-after", retry));
    of_http(&answer.body(Bytes::from_static(body)).expect("an answer"))
}

fn replied(http: u16, status: u32, details: Option<&str>) -> Outcome {
    of_grpc(&Replied { http, status, details: details.map(str::to_owned), message: Bytes::new() })
}

/// `google.rpc.Status` with `google.rpc.RetryInfo` of 2.5 seconds, in base64.
fn retry_details() -> String {
    let mut out = Proto::default();
    out.uint(1, 8);
    out.message(3, |any| {
        any.text(1, &["type.googleapis.com/google.rpc.RetryInfo"]);
        any.message(2, |info| {
            info.message(1, |delay| {
                delay.uint(1, 2);
                delay.uint(2, 500_000_000);
            });
        });
    });
    STANDARD_NO_PAD.encode(out.0)
}

#[test]
fn only_what_the_specification_names_is_tried_again() {
    for status in [429, 502, 503, 504] {
        assert!(matches!(answer(status, None, b""), Outcome::Later(_, None)), "{status}");
    }
    for status in [301, 400, 401, 403, 404, 413, 500, 501] {
        assert!(matches!(answer(status, None, b""), Outcome::Refused(_)), "{status}");
    }
    assert_eq!(answer(200, None, b""), Outcome::Sent(0));
    assert_eq!(answer(200, None, b"\x0a\x02\x08\x05"), Outcome::Sent(5));
    assert_eq!(answer(200, None, b"{\"garbage\":1}"), Outcome::Sent(0));
    for status in [1, 4, 10, 11, 14, 15] {
        assert!(matches!(replied(200, status, None), Outcome::Later(_, None)), "{status}");
    }
    for status in [2, 3, 5, 7, 8, 12, 13, 16] {
        assert!(matches!(replied(200, status, None), Outcome::Refused(_)), "{status}");
    }
    assert!(
        matches!(replied(503, 2, None), Outcome::Later(..)) && matches!(replied(404, 2, None), Outcome::Refused(_))
    );
}

#[test]
fn a_collector_says_how_long_to_wait() {
    let waits = |outcome| match outcome {
        Outcome::Later(_, wait) => wait,
        _ => None,
    };
    assert_eq!(waits(answer(503, Some(" 7 "), b"")), Some(Duration::from_secs(7)));
    assert_eq!(waits(answer(429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), b"")), Some(Duration::ZERO));
    assert_eq!(waits(answer(429, Some("soon"), b"")), None);
    assert_eq!(waits(replied(200, 8, Some(&retry_details()))), Some(Duration::from_millis(2_500)));
    assert_eq!(waits(replied(200, 14, Some(&retry_details()))), Some(Duration::from_millis(2_500)));
    assert_eq!(waits(replied(200, 14, Some("!garbage"))), None);
}

#[test]
fn pauses_differ_between_half_and_all() {
    for _ in 0..100 {
        let pause = jittered(PAUSE);
        assert!(pause >= PAUSE / 2 && pause <= PAUSE, "{pause:?}");
    }
}

//! What clients are told, by the table of PRODUCT.md §3.

use super::*;
use crate::proxy::admission::Why;
use proptest::prelude::*;

fn text() -> String {
    "x".to_owned()
}

fn upstream(kind: UpstreamFault, retry_after: Option<u64>) -> Reject {
    Reject::Upstream { kind, message: text(), retry_after: retry_after.map(Duration::from_secs) }
}

#[test]
fn each_refusal_has_its_status_its_code_and_says_whether_to_try_again() {
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    let key = || Reject::Unauthenticated { code: "invalid_api_key", message: text() };
    let not_allowed = || Reject::ModelNotAllowed { model: text(), key: text(), team: text() };
    let untold =
        || Reject::Untranslatable { model: text(), target: text(), api: "messages", what: "seed", field: text() };
    let dialect = || Reject::Dialect { model: text(), api: "messages", dialect: "anthropic", speak: text() };
    let method = || Reject::Method { method: text(), path: text(), allow: "POST" };
    use UpstreamFault::{Credentials, Failed, NoCredentials, NoSuchModel, RateLimited, TimedOut};
    let cases = [
        (Reject::Framing(Framing::NoHost), 400, "invalid_http_request", Fault::Client, Retry::Never, true),
        (Reject::Upgrade(text()), 426, "upgrade_required", Fault::Client, Retry::Never, false),
        (Reject::NoRoute { method: text(), path: text() }, 404, "route_not_found", Fault::Client, Retry::Never, false),
        (method(), 405, "method_not_allowed", Fault::Client, Retry::Never, false),
        (key(), 401, "invalid_api_key", Fault::Client, Retry::Never, false),
        (
            Reject::NotAdmitted { code: "jwt_unknown_team", message: text() },
            403,
            "jwt_unknown_team",
            Fault::Client,
            Retry::Never,
            false,
        ),
        (
            Reject::AuthUnavailable { code: "auth_unavailable", message: text() },
            503,
            "auth_unavailable",
            Fault::Gateway,
            after(1),
            false,
        ),
        (
            Reject::BadRequest { message: text(), param: None },
            400,
            "invalid_request",
            Fault::Client,
            Retry::Never,
            false,
        ),
        (Reject::TooLarge { limit: 1 }, 413, "body_too_large", Fault::Client, Retry::Never, true),
        (Reject::BodyTimeout { limit: Duration::ZERO }, 408, "body_timeout", Fault::Client, Retry::Maybe, true),
        (Reject::NoModel { model: text() }, 404, "model_not_found", Fault::Client, Retry::Never, false),
        (not_allowed(), 403, "model_not_allowed", Fault::Client, Retry::Never, false),
        (Reject::NoTarget(text()), 400, "no_target_for_request", Fault::Client, Retry::Never, false),
        (dialect(), 400, "dialect_not_supported", Fault::Client, Retry::Never, false),
        (untold(), 400, "not_translatable", Fault::Client, Retry::Never, false),
        (Reject::BuffersFull, 503, "buffers_full", Fault::Gateway, after(1), false),
        (overloaded(), 503, "overloaded", Fault::Gateway, after(7), false),
        (
            Reject::NotKept { status: 404, code: "file_not_found", message: text() },
            404,
            "file_not_found",
            Fault::Client,
            Retry::Never,
            false,
        ),
        (Reject::FilesUnavailable, 503, "files_unavailable", Fault::Gateway, after(1), false),
        (Reject::LedgerUnavailable, 503, "ledger_unavailable", Fault::Gateway, after(1), false),
        (upstream(Failed, None), 502, "upstream_failed", Fault::Upstream, Retry::Maybe, false),
        (upstream(TimedOut, None), 504, "upstream_timeout", Fault::Upstream, Retry::Maybe, false),
        (upstream(RateLimited, Some(7)), 429, "upstream_rate_limited", Fault::Upstream, after(7), false),
        (upstream(RateLimited, None), 429, "upstream_rate_limited", Fault::Upstream, after(1), false),
        (upstream(NoCredentials, None), 503, "upstream_no_credentials", Fault::Upstream, after(2), false),
        (upstream(Credentials, Some(7)), 502, "upstream_rejected_credentials", Fault::Upstream, Retry::Never, false),
        (upstream(NoSuchModel, None), 502, "upstream_no_such_model", Fault::Upstream, Retry::Never, false),
    ];
    for (reject, status, code, fault, retry, closes) in cases {
        let got = (reject.status(), reject.code(), reject.fault(), reject.retry(), reject.closes());
        assert_eq!(got, (status, code, fault, retry, closes), "{reject}");
        let told = reject.to_string();
        assert!(!told.is_empty() && !told.ends_with('.'), "{told}");
    }
}

proptest! {
    /// Whatever a client writes, a message shows at most 64 bytes of it, cut between characters.
    #[test]
    fn what_a_client_wrote_is_shown_short(text in "\\PC{0,200}") {
        let got = shown(&text);
        prop_assert!(got.len() <= 64 + '…'.len_utf8());
        prop_assert!(text.starts_with(got.trim_end_matches('…')));
        prop_assert_eq!(got == text, text.len() <= 64);
    }
}

fn overloaded() -> Reject {
    Reject::Overloaded(Overload { why: Why::Full, paced: false, wait: Duration::from_secs(7) })
}

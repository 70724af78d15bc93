//! What each trouble means for the next target, the bill and the client.

use super::*;
use std::collections::HashSet;

/// One of each name.
fn all() -> Vec<Trouble> {
    let text = || "x".to_owned();
    vec![
        Trouble::Unresolved,
        Trouble::NoCredentials(SignFault::NoCredentials),
        Trouble::Connect(text()),
        Trouble::ConnectTimeout,
        Trouble::Tls,
        Trouble::SendTimeout,
        Trouble::Status { status: 429, retry_after: None, again: None },
        Trouble::Status { status: 503, retry_after: None, again: None },
        Trouble::Refused { status: 400, about: Failure::ContextWindow },
        Trouble::InBand { status: 500, message: text() },
        Trouble::FirstToken,
        Trouble::Idle,
        Trouble::Response,
        Trouble::Total,
        Trouble::SendBroken(text()),
        Trouble::Broken(text()),
        Trouble::Cut,
        Trouble::Empty,
        Trouble::Garbage(text()),
        Trouble::BuffersFull,
        Trouble::ClientGone,
        Trouble::Revoked,
        Trouble::Internal(text()),
    ]
}

#[test]
fn each_kind_has_a_name_of_its_own() {
    let names: HashSet<_> = all().iter().map(Trouble::name).collect();
    assert_eq!(names.len(), all().len());
}

#[test]
fn what_never_reached_the_provider_whole_is_free_and_nothing_else() {
    let free: HashSet<_> = all().iter().filter(|trouble| trouble.is_free()).map(Trouble::name).collect();
    let want = [
        "unresolved",
        "no_credentials",
        "connect",
        "connect_timeout",
        "tls",
        "send_timeout",
        "send_broken",
        "rate_limited",
        "status",
        "refused",
    ];
    assert_eq!(free, HashSet::from(want));
}

#[test]
fn another_target_is_tried_unless_it_cannot_help() {
    let last: HashSet<_> = all().iter().filter(|trouble| trouble.failure().is_none()).map(Trouble::name).collect();
    assert_eq!(last, HashSet::from(["total_timeout", "client_gone", "caller_revoked", "buffers_full", "internal"]));
}

#[test]
fn a_message_of_the_provider_is_not_in_the_words_for_the_trace() {
    let trouble = Trouble::InBand { status: 500, message: "what the provider wrote".to_owned() };
    assert!(!trouble.to_string().contains("wrote"));
}

#[test]
fn credentials_that_the_gateway_lacks_say_nothing_of_the_target() {
    assert_eq!(Trouble::NoCredentials(SignFault::NoCredentials).ended(), Ended::Neither);
    assert_eq!(Trouble::Status { status: 401, retry_after: None, again: None }.ended(), Ended::Credentials);
}

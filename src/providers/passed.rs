//! Which of the client's headers reach an upstream: none but those on the kind's list.

use http::{HeaderMap, HeaderName, header};

/// As [`pass`] where the client speaks the provider's `own` dialect; else these headers mean nothing there, and only the
/// client's name goes up.
pub(super) fn pass_own(own: bool, client: &HeaderMap, head: &mut HeaderMap, names: &[HeaderName]) {
    if own { pass(client, head, names) } else { pass(client, head, &[header::USER_AGENT]) }
}

/// Copies all values of the headers in `names` from `client` to `head`, unchanged and in order.
pub(super) fn pass(client: &HeaderMap, head: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        let mut values = client.get_all(name).iter();
        if let Some(first) = values.next() {
            head.insert(name, first.clone());
        }
        for value in values {
            head.append(name, value.clone());
        }
    }
}

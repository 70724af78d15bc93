//! Which of the client's headers reach an upstream: none but those on the kind's list.

use http::{HeaderMap, HeaderName};

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

//! What is wrong with the head of a provider's answer, whatever its status says: the same on every way to a provider.

use super::trouble::Trouble;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

/// Largest head of an answer; providers send some KiB. Pingora would take 1 MiB.
const MOST_HEAD: usize = 64 * 1024;
/// Interim answers (1xx) before the answer; a 100 and a 103 are what there is.
const MOST_INTERIM: u16 = 16;

/// Checks the size of a head, and that its body is framed by nothing that was not asked for.
///
/// # Errors
///
/// [`Trouble::Garbage`].
pub fn sound(head: &ResponseHeader) -> Result<(), Trouble> {
    let length = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len().saturating_add(value.len());
    if head.headers.iter().map(length).fold(0, usize::saturating_add) > MOST_HEAD {
        return garbage("a head of more than 64 KiB");
    }
    let coded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if head.headers.get_all(header::TRANSFER_ENCODING).iter().any(coded) {
        return garbage("a transfer coding that was not asked for");
    }
    Ok(())
}

/// Counts one more interim answer; `before` is how many came of the same attempt.
///
/// # Errors
///
/// [`Trouble::Garbage`] when there are more than an attempt may have.
pub fn interim(before: &mut u16) -> Result<(), Trouble> {
    *before = before.saturating_add(1);
    if *before > MOST_INTERIM { garbage("too many interim answers") } else { Ok(()) }
}

/// An upgrade that was not asked for.
///
/// # Errors
///
/// Always.
pub fn unasked_upgrade() -> Result<(), Trouble> {
    garbage("an upgrade that was not asked for")
}

fn garbage(why: &str) -> Result<(), Trouble> {
    Err(Trouble::Garbage(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &str)]) -> ResponseHeader {
        let mut head = ResponseHeader::build(200, None).expect("a status");
        for (name, value) in fields {
            head.append_header(*name, *value).expect("a field");
        }
        head
    }

    #[test]
    fn heads_are_bounded_and_framed_plainly() {
        let (half, most) = ("a".repeat(MOST_HEAD / 2), "a".repeat(MOST_HEAD - 1));
        let cases: [(&str, ResponseHeader, bool); 7] = [
            ("nothing", head(&[]), true),
            ("chunked", head(&[("transfer-encoding", "Chunked")]), true),
            ("coded", head(&[("transfer-encoding", "gzip, chunked")]), false),
            (
                "coded in a second field",
                head(&[("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")]),
                false,
            ),
            ("as large as may be", head(&[("x", &most)]), true),
            ("larger", head(&[("xy", &most)]), false),
            ("larger together", head(&[("x", &half), ("y", &half)]), false),
        ];
        for (name, head, want) in cases {
            assert_eq!(sound(&head).is_ok(), want, "{name}");
        }
    }

    #[test]
    fn interim_answers_are_counted_for_an_attempt() {
        let mut count = 0;
        for _ in 0..MOST_INTERIM {
            assert_eq!(interim(&mut count), Ok(()));
        }
        assert!(matches!(interim(&mut count), Err(Trouble::Garbage(_))));
        count = u16::MAX;
        assert!(interim(&mut count).is_err(), "no overflow");
    }
}

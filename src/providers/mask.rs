//! Secrets: kept without `Debug`, and masked wherever a provider repeats them.

use http::HeaderValue;

/// A provider's key. It has neither `Debug` nor `Display`.
#[derive(Clone)]
pub(super) struct Key(Option<String>);

impl Key {
    /// A key, or none for a server that needs none.
    pub(super) fn new(key: Option<String>) -> Self {
        Self(key.filter(|key| !key.is_empty()))
    }

    /// `prefix` and the key as a header that prints as `Sensitive`; `None` without a key.
    pub(super) fn header(&self, prefix: &str) -> Result<Option<HeaderValue>, http::header::InvalidHeaderValue> {
        let Some(key) = &self.0 else { return Ok(None) };
        let mut value = HeaderValue::from_str(&format!("{prefix}{key}"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// `text` without this key, and without anything that looks like one. What is shorter than [`LEAST`] is no secret
    /// (local servers take `none` or `x`), and would tear holes into ordinary words.
    pub(super) fn mask(&self, text: &str) -> String {
        let text = match &self.0 {
            Some(key) if key.len() >= LEAST => text.replace(key.as_str(), MASK),
            _ => text.to_owned(),
        };
        mask_tokens(&text)
    }
}

const MASK: &str = "***";

/// Bytes that a secret has at least; of a key that is known by its prefix, behind the prefix.
const LEAST: usize = 8;

/// How keys of this field begin: OpenAI's, Anthropic's and many others', Groq's, xAI's, Google's, Google's tokens.
const PREFIXES: [&str; 6] = ["sk-", "gsk_", "xai-", "AIza", "sess-", "ya29."];

/// How the ids of AWS's access keys begin, lasting ones and those of a session; they are of this length, capitals and
/// digits (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
const AWS_PREFIXES: [&str; 2] = ["AKIA", "ASIA"];
const AWS_ID_LENGTH: usize = 20;

/// How `token` begins, if it is one of AWS's ids.
fn aws_prefix(token: &str) -> Option<&'static str> {
    let id = token.trim_end_matches('.');
    let is_id = id.len() == AWS_ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    AWS_PREFIXES.into_iter().find(|prefix| is_id && id.starts_with(prefix))
}

/// Characters that a key is made of, and the stars with which providers mask them half.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')
}

/// Masks each word that begins like a key and is long enough. A sentence's last dot may go with it.
fn mask_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c| !is_token(c)) {
        let token = word.trim_end_matches(|c| !is_token(c));
        let known = PREFIXES.into_iter().find(|prefix| token.starts_with(prefix));
        let known = known.filter(|prefix| token.len() >= prefix.len() + LEAST).or_else(|| aws_prefix(token));
        match known {
            Some(prefix) => {
                out.push_str(prefix);
                out.push_str(MASK);
                out.push_str(&word[token.len()..]);
            }
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_wherever_they_stand() {
        let key = Key::new(Some("my-own-key".to_owned()));
        let cases = [
            ("no key here", "no key here"),
            ("bad my-own-key!", "bad ***!"),
            ("Incorrect API key provided: sk-abcd****wxyz. See", "Incorrect API key provided: sk-*** See"),
            ("`sk-ant-api03-0123456789`", "`sk-***`"),
            ("key ASIAIOSFODNN7EXAMPLE. AKIAIOSFODNN7EXAMPLE/2026", "key ASIA*** AKIA***/2026"),
            ("ASIA-PACIFIC-SOUTHEAST", "ASIA-PACIFIC-SOUTHEAST"),
            ("task-force and sk-1", "task-force and sk-1"),
            ("é sk-proj-0123456789", "é sk-***"),
        ];
        for (text, want) in cases {
            assert_eq!(key.mask(text), want, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_no_header_is_refused() {
        assert!(Key::new(Some("a\nb".to_owned())).header("Bearer ").is_err());
        let header = Key::new(Some("abc".to_owned())).header("Bearer ").expect("valid").expect("there");
        assert_eq!(header, "Bearer abc");
        assert!(!format!("{header:?}").contains("abc"));
    }
}

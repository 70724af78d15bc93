//! From a `base_url` to an [`Endpoint`].

use super::Endpoint;
use http::Uri;

/// Reads `base_url`; what is wrong with it is told in one sentence.
pub(super) fn endpoint(base_url: &str) -> Result<Endpoint, String> {
    let wrong = |why: &str| format!("`{base_url}` {why}; write it as `https://host/v1`");
    let uri: Uri = base_url.parse().map_err(|_| wrong("is no URL"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) => return Err(wrong("has a scheme that is neither `https` nor `http`")),
        None => return Err(wrong("has no scheme")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        // The URL itself is not repeated: it holds a password.
        return Err("has credentials in the URL; use `api_key`".to_owned());
    }
    if uri.query().is_some() || base_url.contains('#') {
        return Err(wrong("has a query or a fragment"));
    }
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return Err(wrong("has no host"));
    }
    let own = if tls { 443 } else { 80 };
    // `Authority::port` takes a port that is no number for none.
    let port = match authority.as_str().strip_prefix(host).unwrap_or_default() {
        "" => own,
        rest => {
            let port = rest.strip_prefix(':').and_then(|port| port.parse().ok()).filter(|port| *port != 0);
            port.ok_or_else(|| wrong("has no valid port"))?
        }
    };
    let shown = if port == own { host.to_owned() } else { format!("{host}:{port}") };
    let base_path = uri.path().trim_end_matches('/').into();
    Ok(Endpoint { tls, host: bare.into(), port, authority: shown.into(), base_path })
}

/// Whether nobody reads on the way what is sent there: `https`, or this very machine.
pub(super) fn is_private(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => uri.host().is_some_and(|host| !host.is_empty()),
        Some("http") => matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_apart() {
        let cases = [
            ("https://api.openai.com/v1", true, "api.openai.com", 443, "api.openai.com", "/v1"),
            ("https://api.openai.com/v1/", true, "api.openai.com", 443, "api.openai.com", "/v1"),
            ("http://127.0.0.1:8000", false, "127.0.0.1", 8000, "127.0.0.1:8000", ""),
            ("http://[::1]:8000/v1", false, "::1", 8000, "[::1]:8000", "/v1"),
            ("https://h:443/openai/v1", true, "h", 443, "h", "/openai/v1"),
            ("http://h:443", false, "h", 443, "h:443", ""),
        ];
        for (url, tls, host, port, authority, base_path) in cases {
            let (host, authority, base_path) = (host.into(), authority.into(), base_path.into());
            assert_eq!(endpoint(url), Ok(Endpoint { tls, host, port, authority, base_path }), "{url}");
        }
    }

    #[test]
    fn a_base_url_that_leads_nowhere_is_refused() {
        for url in [
            "",
            "api.openai.com",
            "ftp://h",
            "https://",
            "https://h?x=1",
            "https://h#x",
            "http://h:0",
            "http://h:99999",
            "/v1",
        ] {
            assert!(endpoint(url).is_err(), "{url}");
        }
        let told = endpoint("https://me:secret@h/v1").expect_err("credentials");
        assert!(!told.contains("secret"), "{told}");
    }
}

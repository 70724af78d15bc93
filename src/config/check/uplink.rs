//! How providers are reached.

use super::Checker;
use crate::config::{EgressProxy, Secret, Uplink, file::TlsFile, tree::join};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::DnsName;

/// What is to be written; the mistakes never show what is, for a password may stand in it.
const LIKE: &str = "write `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`";

impl Checker<'_> {
    /// The way to the provider at `path`; `names` are `server_name` and `proxy`.
    pub(super) fn uplink(
        &mut self,
        path: &str,
        ca_file: Option<PathBuf>,
        client_cert: Option<TlsFile>,
        names: (Option<String>, Option<Secret>),
    ) -> Uplink {
        let ca_file = ca_file.map(|pem| self.certificates(&join(path, "ca_file"), &pem));
        let client_cert = client_cert.map(|files| self.client_cert(&join(path, "client_cert"), &files));
        let server_name = names.0.and_then(|name| {
            let path = join(path, "server_name");
            if DnsName::try_from(name.as_str()).is_err() {
                let shown = self.shown(&path, &name);
                self.flag(&path, format!("{shown} is no name of a host; write one such as `api.example.com`"));
                return None;
            }
            Some(Arc::from(name))
        });
        let proxy = names.1.and_then(|url| match egress_proxy(url.expose()) {
            Ok(proxy) => Some(proxy),
            Err(message) => {
                self.flag(&join(path, "proxy"), message);
                None
            }
        });
        Uplink { ca_file, client_cert, server_name, proxy, trace_context: false }
    }

    fn client_cert(&mut self, path: &str, files: &TlsFile) -> crate::config::Tls {
        let located = self.located(&files.key);
        // Told by what it is: a parser would only say that there is no key.
        let encrypted = std::fs::read_to_string(located).is_ok_and(|pem| pem.contains("ENCRYPTED"));
        if encrypted {
            let message = "the key is encrypted; write it without a passphrase (`openssl pkey -in KEY -out PLAIN`)";
            self.flag(&join(path, "key"), message);
        }
        self.tls(path, files)
    }
}

/// Reads the URL of a proxy.
fn egress_proxy(url: &str) -> Result<EgressProxy, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("is no URL of a proxy; {LIKE}"))?;
    if !scheme.eq_ignore_ascii_case("http") {
        let known = ["https", "socks4", "socks5", "socks5h"].into_iter().find(|one| scheme.eq_ignore_ascii_case(one));
        let shown = known.map_or_else(|| "of this scheme".to_owned(), |scheme| format!("by `{scheme}://`"));
        return Err(format!("this version cannot use proxies {shown}; {LIKE}"));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
    if address.contains(['/', '?', '#']) {
        return Err(format!("a proxy has no path; {LIKE} (`/`, `?`, `#` and `@` of a password as `%2F` and so on)"));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("names no port; {LIKE}"))?;
    let port = port.parse().ok().filter(|&port| port != 0).ok_or_else(|| format!("the port is no number; {LIKE}"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fits = match bare {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    if !fits {
        return Err(format!("names no host; {LIKE}"));
    }
    let authorization = user.map(authorization).transpose()?;
    Ok(EgressProxy { host: bare.unwrap_or(host).into(), port, authorization })
}

/// Basic credentials (RFC 7617) of a URL's `user:password`.
fn authorization(user: &str) -> Result<Secret, String> {
    let plain = unescaped(user).ok_or_else(|| format!("a `%` in user or password is none of `%XX`; {LIKE}"))?;
    if !plain.contains(&b':') || plain.iter().any(u8::is_ascii_control) {
        return Err(format!("user and password are parted by `:` and have no control characters; {LIKE}"));
    }
    Ok(Secret::new(format!("Basic {}", STANDARD.encode(plain))))
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (pair, after) = rest.split_at_checked(2)?;
            out.push(hex::decode(pair).ok()?.first().copied()?);
            rest = after;
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::egress_proxy;

    #[test]
    fn a_proxy_is_read_with_its_credentials() {
        let read = |url| egress_proxy(url).map(|proxy| (proxy.host.to_string(), proxy.port, proxy.authorization));
        let (host, port, none) = read("http://proxy.corp:3128/").expect("it is right");
        assert_eq!((host.as_str(), port, none.is_none()), ("proxy.corp", 3128, true));
        let (host, _, basic) = read("http://us%65r:p%40ss:w@[::1]:8080").expect("it is right");
        assert_eq!(host, "::1");
        let basic = basic.expect("credentials");
        assert_eq!(basic.expose(), "Basic dXNlcjpwQHNzOnc=");
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_and_never_shown() {
        let cases = [
            ("proxy:3128", "no URL"),
            ("https://u:planted@p:1", "`https://`"),
            ("socks5://u:planted@p:1", "`socks5://`"),
            ("planted://p:1", "this scheme"),
            ("http://u:planted@p", "port"),
            ("http://u:planted@p:0", "port"),
            ("http://u:planted@p:1/path", "path"),
            ("http://u:pl/anted@p:1x", "port"),
            ("http://u:planted%@p:1", "%XX"),
            ("http://planted@p:1", "parted"),
            ("http://u:planted@:1", "host"),
            ("http://u:planted@a b:1", "host"),
        ];
        for (url, want) in cases {
            let message = egress_proxy(url).expect_err(url);
            assert!(message.contains(want) && !message.contains("planted"), "{url}: {message}");
        }
    }
}

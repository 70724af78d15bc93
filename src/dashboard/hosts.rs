//! Under which names the dashboard is answered. A page of somebody else can have its own name lead to this address (DNS
//! rebinding); the browser then sends that name as `Host`.

use axum::http::{HeaderMap, header};
use std::net::{IpAddr, SocketAddr};

/// The names and addresses that a request may be for.
#[derive(Debug, Default, Clone)]
pub struct Hosts {
    listen: Option<IpAddr>,
    names: Vec<String>,
}

impl Hosts {
    /// `admin.listen` and `admin.hosts`.
    pub fn new(listen: SocketAddr, names: &[String]) -> Self {
        Self { listen: Some(listen.ip().to_canonical()), names: names.to_vec() }
    }

    /// Whether `host`, a name with or without port, is one of ours. Ports are not looked at: tunnels change them.
    fn has(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            // An address is no name that somebody could point elsewhere.
            Ok(address) => {
                let address = address.to_canonical();
                let named = |name: &String| name.parse::<IpAddr>().is_ok_and(|own| own.to_canonical() == address);
                let listens = self.listen.is_some_and(|own| own == address || own.is_unspecified());
                address.is_loopback() || listens || self.names.iter().any(named)
            }
            Err(_) => name == "localhost" || self.names.contains(&name),
        }
    }

    /// Whether a request is for us.
    pub(super) fn take(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (values.next(), values.next()) else { return false };
        host.to_str().is_ok_and(|host| self.has(host))
    }

    /// Whether a form was sent from a page of ours. Browsers say where from; who says nothing is no browser, and has no
    /// cookie but its own.
    pub(super) fn sent(&self, headers: &HeaderMap) -> bool {
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
            return false;
        }
        match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null")) {
            None => true,
            Some(origin) => origin.split_once("://").is_some_and(|(_, host)| self.has(host)),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            // `[::1]:9090`, and not the last group of a bare `::1`.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_name_that_somebody_else_points_here_is_not_ours() {
        let names = ["gateway.example.com".to_owned()];
        let local = Hosts::new("127.0.0.1:9090".parse().expect("an address"), &names);
        let everywhere = Hosts::new("0.0.0.0:9090".parse().expect("an address"), &[]);
        let cases = [
            ("localhost:9090", true, true),
            ("LOCALHOST", true, true),
            ("127.0.0.1:9090", true, true),
            ("[::1]:9090", true, true),
            ("gateway.example.com", true, false),
            ("Gateway.Example.com.:443", true, false),
            ("192.0.2.7:9090", false, true),
            ("[2001:db8::1]:9090", false, true),
            ("evil.example:9090", false, false),
            ("localhost.evil.example", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("gateway.example.com.evil.example", false, false),
            ("", false, false),
            (":9090", false, false),
        ];
        for (host, at_local, at_all) in cases {
            assert_eq!((local.has(host), everywhere.has(host)), (at_local, at_all), "{host}");
        }
    }

    #[test]
    fn one_host_is_asked_for_and_a_form_comes_from_our_own_pages() {
        let hosts = Hosts::new("127.0.0.1:9090".parse().expect("an address"), &[]);
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(*name, HeaderValue::from_str(value).expect("text"));
            }
            map
        };
        assert!(hosts.take(&headers(&[("host", "localhost:1")])));
        assert!(!hosts.take(&headers(&[])));
        assert!(!hosts.take(&headers(&[("host", "localhost"), ("host", "localhost")])));
        let cases: [(&[(&'static str, &str)], bool); 6] = [
            (&[], true),
            (&[("origin", "http://localhost:9090"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "https://127.0.0.1")], true),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "cross-site")], false),
        ];
        for (pairs, ours) in cases {
            assert_eq!(hosts.sent(&headers(pairs)), ours, "{pairs:?}");
        }
    }
}

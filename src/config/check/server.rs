//! Listeners, bounds and state.

use super::Checker;
use crate::config::{
    Admin, Listen, Network, Networks, PerAddress, Queue, Secret, Server, State, Tls,
    file::{AdminFile, ListenFile, ServerFile, StateFile, TlsFile},
    quantity::{Count, Size, Time},
    tree::join,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

impl Checker<'_> {
    pub(super) fn server(&mut self, file: ServerFile) -> Option<Server> {
        let trusted_proxies = self.trusted_proxies(file.trusted_proxies);
        let listen = self.listen(file.listen, &trusted_proxies);
        let max_buffered_bytes = self.size("server.max_buffered_bytes", file.max_buffered_bytes, 1 << 30);
        let max_body_bytes = self.size("server.max_body_bytes", file.max_body_bytes, 32 << 20);
        let max_withheld_bytes = self.size("server.max_withheld_bytes", file.max_withheld_bytes, 8 << 20);
        for (name, size) in [("max_body_bytes", max_body_bytes), ("max_withheld_bytes", max_withheld_bytes)] {
            if size > max_buffered_bytes {
                let path = join("server", name);
                self.flag(
                    &path,
                    format!("`{size}` is more than `max_buffered_bytes`, which is `{max_buffered_bytes}`"),
                );
            }
        }
        let (max_head_bytes, max_head_lines) = self.head(file.max_head_bytes, file.max_head_lines);
        Some(Server {
            listen,
            trusted_proxies,
            threads: self.threads(file.threads)?,
            max_body_bytes: usize::try_from(max_body_bytes.get()).ok()?,
            max_buffered_bytes: usize::try_from(max_buffered_bytes.get()).ok()?,
            max_withheld_bytes: usize::try_from(max_withheld_bytes.get()).ok()?,
            max_in_flight: count(file.max_in_flight, 20_000),
            max_connections: file.max_connections.and_then(|Count(most)| NonZeroU32::new(most)),
            queue: Queue {
                length: file.queue.length.map_or(1_000, |length| usize::try_from(length).unwrap_or(usize::MAX)),
                wait: self.time("server.queue.wait", file.queue.wait, Duration::from_millis(500)),
            },
            shed_lag: file.shed_lag.map_or(Duration::from_millis(10), |Time(time)| time),
            max_head_bytes,
            max_head_lines,
            head_timeout: self.time("server.head_timeout", file.head_timeout, Duration::from_secs(10)),
            body_timeout: self.time("server.body_timeout", file.body_timeout, Duration::from_secs(30)),
            body_min_rate: file.body_min_rate.map_or(16 << 10, |Size(bytes)| bytes),
            max_requests_per_connection: file.max_requests_per_connection.unwrap_or(0),
            max_h2_streams: count(file.max_h2_streams, 100),
            h2_idle_timeout: self.time("server.h2_idle_timeout", file.h2_idle_timeout, Duration::from_secs(120)),
            keepalive_timeout: self.time("server.keepalive_timeout", file.keepalive_timeout, Duration::from_secs(75)),
            drain_timeout: file.drain_timeout.map_or(Duration::from_secs(600), |Time(time)| time),
            upstream_pool_size: usize::try_from(count(file.upstream_pool_size, 2048).get()).ok()?,
            per_address: PerAddress {
                auth_failures: file.per_address.auth_failures.unwrap_or(PerAddress::default().auth_failures),
                requests: file.per_address.requests.unwrap_or(PerAddress::default().requests),
                connections: file.per_address.connections,
            },
        })
    }

    /// Limits on a request's head: bytes and fields.
    fn head(&mut self, bytes: Option<Size>, fields: Option<Count>) -> (usize, usize) {
        let bytes = self.size("server.max_head_bytes", bytes, 64 << 10).get();
        if !HEAD_BYTES.contains(&bytes) {
            let (least, most) = (HEAD_BYTES.start(), HEAD_BYTES.end());
            self.flag("server.max_head_bytes", format!("`{bytes}` must be at least {least} and at most {most} bytes"));
        }
        let fields = count(fields, 100).get();
        if !HEAD_FIELDS.contains(&fields) {
            let (least, most) = (HEAD_FIELDS.start(), HEAD_FIELDS.end());
            self.flag("server.max_head_lines", format!("`{fields}` must be at least {least} and at most {most}"));
        }
        (usize::try_from(bytes).unwrap_or(usize::MAX), usize::try_from(fields).unwrap_or(usize::MAX))
    }

    fn threads(&mut self, written: Option<Count>) -> Option<NonZeroUsize> {
        let Some(Count(threads)) = written else {
            return Some(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        };
        if threads > MAX_THREADS {
            self.flag("server.threads", format!("at most {MAX_THREADS}; one for each core is enough"));
        }
        usize::try_from(threads).ok().and_then(NonZeroUsize::new)
    }

    fn listen(&mut self, written: Option<Vec<Option<ListenFile>>>, trusted: &Networks) -> Vec<Listen> {
        let Some(written) = written else {
            return vec![Listen {
                address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
                tls: None,
                proxy_protocol: false,
            }];
        };
        if written.is_empty() {
            self.flag("server.listen", "there must be at least one listener, such as `- address: 0.0.0.0:8080`");
        }
        let mut listen: Vec<Listen> = Vec::new();
        for (index, file) in written.into_iter().enumerate() {
            let Some(file) = file else { continue };
            let path = format!("server.listen[{index}]");
            let tls = file.tls.map(|tls| self.tls(&join(&path, "tls"), &tls));
            let proxy_protocol = file.proxy_protocol;
            if proxy_protocol && trusted.is_empty() {
                let message = "nobody is trusted to send it: name the proxies in `server.trusted_proxies`";
                self.flag(&join(&path, "proxy_protocol"), message);
            }
            let path = join(&path, "address");
            let Some(address) = self.address(&path, &file.address) else { continue };
            if let Some(other) = listen.iter().find(|other| collide(other.address, address)) {
                let other = other.address;
                self.flag(&path, format!("`{address}` collides with the listener on `{other}`"));
            }
            listen.push(Listen { address, tls, proxy_protocol });
        }
        listen
    }

    /// Never everything, which would let each client choose its own address.
    fn trusted_proxies(&mut self, written: Option<Vec<Option<String>>>) -> Networks {
        let all = "every client is in this network, and could say that it is another one; name the proxies";
        self.networks("server.trusted_proxies", written, &|network| network.is_everything().then_some(all))
    }

    /// The networks of a list, of which `wrong` may object to some.
    pub(super) fn networks(
        &mut self,
        path: &str,
        written: Option<Vec<Option<String>>>,
        wrong: &dyn Fn(&Network) -> Option<&'static str>,
    ) -> Networks {
        let mut networks = Vec::new();
        for (index, text) in written.into_iter().flatten().enumerate() {
            let Some(text) = text else { continue };
            let path = format!("{path}[{index}]");
            match Network::parse(&text) {
                Ok(network) => match wrong(&network) {
                    Some(message) => self.flag(&path, message),
                    None => networks.push(network),
                },
                Err(message) => self.flag(&path, message),
            }
        }
        Networks::new(networks)
    }

    pub(super) fn admin(&mut self, file: AdminFile, data: &[Listen]) -> Option<Admin> {
        let path = "admin.listen";
        let token = self.token("admin.token", file.token);
        let viewer_token = self.token("admin.viewer_token", file.viewer_token);
        if token.is_some() && token == viewer_token {
            self.flag("admin.viewer_token", "is the same as `admin.token`; a viewer has a token of their own");
        }
        let hosts: Vec<_> = file.hosts.iter().enumerate().filter_map(|(at, host)| self.host(at, host)).collect();
        let oidc = file.oidc.map(|oidc| self.oidc(oidc, &hosts));
        let admin = |listen| Admin { listen, token, viewer_token, hosts, oidc };
        let address = match file.listen.as_deref() {
            Some("off") => return Some(admin(None)),
            Some(text) => self.address(path, text)?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)),
        };
        if let Some(other) = data.iter().find(|other| collide(other.address, address)) {
            let other = other.address;
            self.flag(
                path,
                format!("`{address}` collides with the listener of clients on `{other}`; admin has its own"),
            );
        }
        Some(admin(Some(address)))
    }

    /// A name that a browser may ask the dashboard by.
    fn host(&mut self, at: usize, text: &str) -> Option<String> {
        let host = text.trim_end_matches('.').to_ascii_lowercase();
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = !host.is_empty() && host.len() <= 253 && host.bytes().all(fit);
        if !is_name {
            let path = format!("admin.hosts[{at}]");
            let shown = self.shown(&path, text);
            self.flag(&path, format!("{shown} is no host name; write it as in `gateway.example.com`, without a port"));
        }
        is_name.then_some(host)
    }

    /// A token that cannot be guessed and stands in a header as it is.
    fn token(&mut self, path: &str, token: Option<Secret>) -> Option<Secret> {
        let token = token?;
        let text = token.expose();
        if text.len() < Admin::SHORTEST_TOKEN || text.len() > LONGEST_TOKEN {
            let least = Admin::SHORTEST_TOKEN;
            self.flag(path, format!("has {} characters; at least {least}, at most {LONGEST_TOKEN}", text.len()));
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.flag(path, "must be one word of printable ASCII characters");
        }
        Some(token)
    }

    fn address(&mut self, path: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let shown = self.shown(path, text);
            let off = if path == "admin.listen" { ", or `off`" } else { "" };
            let like = "write an IP address and a port such as `127.0.0.1:8080` or `[::]:8080`";
            self.flag(path, format!("{shown} is no address; {like}{off}"));
        }
        address
    }

    pub(super) fn tls(&mut self, path: &str, file: &TlsFile) -> Tls {
        let cert = self.certificates(&join(path, "cert"), &file.cert);
        let is_key = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
        let key = self.pem(&join(path, "key"), &file.key, "private key", &is_key);
        Tls { cert, key }
    }

    /// A file that must hold at least one certificate.
    pub(super) fn certificates(&mut self, path: &str, file: &Path) -> PathBuf {
        let holds = |pem: &[u8]| {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            read.is_ok_and(|found| !found.is_empty())
        };
        self.pem(path, file, "certificate", &holds)
    }

    /// A file in PEM that must hold `what`, of which `holds` judges.
    fn pem(&mut self, path: &str, file: &Path, what: &str, holds: &dyn Fn(&[u8]) -> bool) -> PathBuf {
        let located = self.located(file);
        let shown = self.shown(path, &located.to_string_lossy());
        match std::fs::read(&located) {
            Ok(pem) if holds(&pem) => {}
            Ok(_) => self.flag(path, format!("{shown} holds no {what} in PEM")),
            Err(error) => self.flag(path, format!("cannot read {shown}: {error}")),
        }
        located
    }

    pub(super) fn state(&mut self, file: StateFile) -> Option<State> {
        let dir = file.dir.unwrap_or_else(|| PathBuf::from(STATE_DIR));
        if dir.as_os_str().is_empty() {
            self.flag("state.dir", "is empty");
        }
        let max_bytes = self.size("state.max_bytes", file.max_bytes, 10 << 30);
        let segment_bytes = self.size("state.segment_bytes", file.segment_bytes, 64 << 20);
        if segment_bytes > max_bytes {
            let message = format!("`{segment_bytes}` is more than `max_bytes`, which is `{max_bytes}`");
            self.flag("state.segment_bytes", message);
        }
        let retention = self.time("state.retention", file.retention, Duration::from_secs(400 * 86_400));
        Some(State { dir: self.located(&dir), durability: file.durability, retention, max_bytes, segment_bytes })
    }

    /// A duration that is not 0.
    pub(super) fn time(&mut self, path: &str, written: Option<Time>, default: Duration) -> Duration {
        match written {
            Some(Time(time)) if time.is_zero() => {
                self.flag(path, "must be longer than 0");
                default
            }
            Some(Time(time)) => time,
            None => default,
        }
    }

    pub(super) fn size(&mut self, path: &str, written: Option<Size>, default: u64) -> NonZeroU64 {
        let size = written.map_or(default, |Size(bytes)| bytes);
        NonZeroU64::new(size).unwrap_or_else(|| {
            self.flag(path, "must be more than 0");
            NonZeroU64::MIN
        })
    }
}

/// A count as written, or a default that is not 0.
pub(super) fn count(written: Option<Count>, default: u32) -> NonZeroU32 {
    NonZeroU32::new(written.map_or(default, |Count(count)| count)).unwrap_or(NonZeroU32::MIN)
}

/// Whether two listeners cannot both be bound. `[::]` takes IPv4 too.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let takes = |one: IpAddr, other: IpAddr| one.is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    let (one, other) = (a.ip(), b.ip());
    a.port() == b.port() && a.port() != 0 && (one == other || takes(one, other) || takes(other, one))
}

/// Where the ledger lies if the file does not say: what `StateDirectory=weighbridge` of systemd makes.
pub(in crate::config) const STATE_DIR: &str = "/var/lib/weighbridge";
/// A longer token is a mistake.
const LONGEST_TOKEN: usize = 512;
/// More threads than this are a mistake.
const MAX_THREADS: u32 = 1024;
/// Below, ordinary requests would be refused; above, a head of an unknown client would cost too much.
const HEAD_BYTES: RangeInclusive<u64> = 4 << 10..=512 << 10;
/// Pingora takes 256.
const HEAD_FIELDS: RangeInclusive<u32> = 16..=250;

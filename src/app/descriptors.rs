//! How many connections the process may have: by its limit of descriptors.

use crate::config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors of the gateway itself: stores, logs, listeners, the admin API, calls beside requests.
const OWN: u64 = 256;

/// Raises the soft limit of descriptors to the hard one, which needs no rights; returns what holds, `None`: no limit.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            current
        }
    }
}

/// Client connections for which there are descriptors: each request has one of its client and one to a provider.
fn fitting(descriptors: Option<u64>) -> usize {
    let most = descriptors.map_or(MOST, |limit| (limit.saturating_sub(OWN) / 2).clamp(LEAST, MOST));
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// With fewer the gateway is of no use, whatever the limit says.
const LEAST: u64 = 16;
/// With more the memory would not suffice.
const MOST: u64 = 1 << 20;

/// Most connections in all, and of one address (0: any number), as `config` and the limit say.
pub fn connections(config: &Config, descriptors: Option<u64>) -> (usize, usize) {
    let written = config.server.max_connections.map(|most| usize::try_from(most.get()).unwrap_or(usize::MAX));
    let most = written.unwrap_or_else(|| fitting(descriptors));
    let of_one = config.server.per_address.connections.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    (most, of_one.unwrap_or_else(|| (most / 2).max(1)))
}

/// What is wrong with the limit of descriptors `limit` for `config`.
pub fn warning(config: &Config, limit: Option<u64>) -> Option<String> {
    let limit = limit?;
    let most = config.server.max_connections.map_or(u64::from(FEW), |most| u64::from(most.get()));
    let needs = most.saturating_mul(2).saturating_add(OWN);
    (needs > limit).then(|| {
        let fit = fitting(Some(limit));
        let key = if config.server.max_connections.is_some() { "`server.max_connections`" } else { "the default" };
        format!(
            "{key}: {most} connections need {needs} open files, and the process may have {limit} (enough for {fit}); raise \
             `LimitNOFILE` or `ulimit -Hn`, or lower `server.max_connections`"
        )
    })
}

/// Fewer connections than this surprise who has set nothing.
const FEW: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str) -> Config {
        Config::from_text(&format!("server: {{ {server} }}"), None).expect("valid")
    }

    #[test]
    fn as_many_connections_as_descriptors_allow_and_half_of_them_for_one_address() {
        let cases = [
            ("", Some(20_256), (10_000, 5_000)),
            ("", Some(1024), (384, 192)),
            ("", Some(10), (16, 8)),
            ("", None, (1 << 20, 1 << 19)),
            ("max_connections: 7", Some(1024), (7, 3)),
            ("max_connections: 1", Some(1024), (1, 1)),
            ("max_connections: 7, per_address: { connections: 0 }", Some(1024), (7, 0)),
            ("per_address: { connections: 9 }", Some(1024), (384, 9)),
        ];
        for (server, limit, want) in cases {
            assert_eq!(connections(&config(server), limit), want, "{server} {limit:?}");
        }
    }

    #[test]
    fn too_few_descriptors_are_told_with_what_to_do() {
        assert_eq!(warning(&config("max_connections: 384"), Some(1024)), None);
        assert_eq!(warning(&config(""), Some(20_000)), None);
        assert_eq!(warning(&config("max_connections: 100000"), None), None);
        let said = warning(&config("max_connections: 385"), Some(1024)).expect("too many");
        assert!(said.contains("`server.max_connections`: 385 connections need 1026 open files"), "{said}");
        assert!(warning(&config(""), Some(1024)).is_some_and(|said| said.starts_with("the default: 1000")));
    }
}

//! The accounts that keep files and batches.

use crate::{
    config::Files,
    model::Api,
    providers::Provider,
    proxy::{target::next_group, uplink::Uplink},
};
use pingora::upstreams::peer::HttpPeer;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a connection: TCP and TLS, each.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of either side while bytes are to come. There is no bound on the whole: files may be large.
pub const SILENCE: Duration = Duration::from_secs(60);

/// One provider's account.
#[derive(Clone)]
pub struct Account {
    /// The provider's name in the file.
    pub name: Arc<str>,
    /// What speaks for it.
    pub provider: Arc<dyn Provider>,
    /// The way to it.
    pub uplink: Arc<Uplink>,
}

impl Account {
    /// The peer whose next hop is at `address`. A connection is made for each call and for it alone: so none is stale, which a call that
    /// makes something could not be sent twice for. It speaks HTTP/1.1.
    pub fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = self.uplink.peer(address, self.provider.endpoint(), CONNECT);
        peer.group_key = next_group();
        let options = &mut peer.options;
        options.connection_timeout = Some(CONNECT);
        options.total_connection_timeout = Some(CONNECT * 2);
        options.read_timeout = Some(SILENCE);
        options.write_timeout = Some(SILENCE);
        options.set_http_version(1, 1);
        peer
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whose account holds what.
#[derive(Debug, Default)]
pub struct Accounts {
    all: Option<Arc<Account>>,
    teams: BTreeMap<Arc<str>, Arc<Account>>,
}

impl Accounts {
    /// Finds the accounts that `files` names. `find`: what a provider is built of; `None` where it could not be built, which
    /// is told elsewhere.
    ///
    /// # Errors
    ///
    /// Each key path whose provider keeps no files, with the reason.
    pub fn resolve(files: &Files, find: impl Fn(&str) -> Option<Account>) -> Result<Self, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut account = |path: String, name: &Arc<str>| {
            let account = find(name)?;
            if [Api::Files, Api::Batches].into_iter().all(|api| account.provider.speaks(api)) {
                return Some(Arc::new(account));
            }
            let kind = account.provider.kind();
            let why = format!(
                "provider `{name}` is of kind `{kind}`, which keeps no files; name one of kind `openai` or `azure`"
            );
            errors.push((path, why));
            None
        };
        let all = files.provider.as_ref().and_then(|name| account("files.provider".to_owned(), name));
        let own = files.teams.iter();
        let own = own.filter_map(|(team, name)| {
            Some((Arc::clone(team), account(format!("teams.{team}.files.provider"), name)?))
        });
        let teams = own.collect();
        if errors.is_empty() { Ok(Self { all, teams }) } else { Err(errors) }
    }

    /// The account of a team.
    pub fn of(&self, team: &str) -> Option<&Arc<Account>> {
        self.teams.get(team).or(self.all.as_ref())
    }

    /// The account at a provider, if somebody's things are kept there.
    pub fn at(&self, provider: &str) -> Option<&Arc<Account>> {
        self.all.iter().chain(self.teams.values()).find(|account| *account.name == *provider)
    }
}

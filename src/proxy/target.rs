//! A target as the proxy uses it: the configuration's row joined with its provider, price and address.

use super::beside::Beside;
use super::learned::Learned;
use super::purse::BudgetSet;
use super::tunnel::Tunnel;
use super::uplink::Uplink;
use crate::catalogue::Price;
use crate::config::{Attempts, Protocol, Timeouts, When};
use crate::ledger::OpenPrice;
use crate::limits::RuleSet;
use crate::model::{Api, Ask};
use crate::providers::Provider;
use crate::providers::retrieval::Retriever;
use crate::routing::{Standing, Stands};
use crate::telemetry::TargetSeries;
use crate::tokens::Encoding;
use bytes::Bytes;
use http::header::HeaderValue;
use pingora::upstreams::peer::HttpPeer;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long an idle upstream connection is kept; most providers close theirs after a minute or more.
const POOLED_IDLE: Duration = Duration::from_secs(30);
/// Of an answer over HTTP/2 this much may lie unread while its client reads nothing: Pingora's own window is 8 MiB. The
/// connection's window has room for all of its streams, so that those who do not read stop nobody else.
const H2_WINDOW: u32 = 96 * 1024;
const H2_CONNECTION_WINDOW: u32 = 100 * H2_WINDOW;
/// Streams on one HTTP/2 connection; Pingora's default of 1 would be no multiplexing.
const H2_STREAMS: usize = 100;
/// A dead HTTP/2 connection is found this fast.
const H2_PING: Duration = Duration::from_secs(30);

/// One upstream model of one provider.
pub struct Target {
    /// The provider's name in the file.
    pub provider_name: Arc<str>,
    /// What speaks for it.
    pub provider: Arc<dyn Provider>,
    /// The model's name there.
    pub model: Arc<str>,
    /// The same as JSON text, with its quotes.
    pub model_json: Bytes,
    /// `provider/model`, for `x-weighbridge-model`.
    pub label: HeaderValue,
    /// `None`: the price is unknown.
    pub price: Option<Arc<Price>>,
    /// What a row that is found open after a crash is charged by.
    pub open_price: Option<OpenPrice>,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Calls that it is used for; `None`: all that the provider speaks.
    pub apis: Option<Vec<Api>>,
    /// What it cannot say is dropped and told, instead of refused.
    pub drops: bool,
    /// What follows from an attempt that failed: the model's.
    pub attempts: Arc<Attempts>,
    /// A client that waits for a stream gets a sign of life after so much silence.
    pub keep_alive: Option<Duration>,
    /// HTTP version towards it.
    pub protocol: Protocol,
    /// Connections are shared within one provider only: Pingora's pool does not look at `ca`.
    pub group: u64,
    /// Prices of other models there, for sessions; `None`: it has none.
    pub beside: Option<Beside>,
    /// The way to it.
    pub uplink: Arc<Uplink>,
    /// Most tokens of input that it takes, if known: the file's word, else the catalogue's.
    pub max_input_tokens: Option<u64>,
    /// Most tokens of output that it gives, if known.
    pub max_output_tokens: Option<u64>,
    /// How its model makes tokens of bytes, as seen so far.
    pub learned: Arc<Learned>,
    /// The model's own tokenizer, if there is one here.
    pub encoding: Option<Encoding>,
    /// The requests that it is for; `None`: all.
    pub when: Option<When>,
    /// Limits of the provider.
    pub limits: RuleSet,
    /// Budgets of its provider.
    pub budgets: BudgetSet,
    /// Counters of this target.
    pub metrics: Arc<TargetSeries>,
    /// How it stands; shared with the same model of the same account on other routes.
    pub standing: Arc<Standing>,
}

impl Stands for Target {
    fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }
}

/// How a target answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The same API on both sides: byte for byte, but for what must change.
    Passed,
    /// Another API, or another maker's seals in the request: by its codec.
    Translated,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.provider_name, self.model)
    }
}

impl Target {
    /// Whether it answers `api`, in its own words or translated.
    pub fn serves(&self, api: Api) -> bool {
        self.passes(api) || self.translates(api)
    }

    /// Whether calls of `api` pass through to it as they are.
    pub fn passes(&self, api: Api) -> bool {
        self.provider.speaks(api) && self.allows(api)
    }

    /// What translates calls of `api` that are no conversations.
    pub fn retriever(&self, api: Api) -> Option<Retriever<'_>> {
        Retriever::of(&*self.provider, api, &self.model)
    }

    /// Path and query of a call of `api` there, beginning with `/`.
    pub fn path(&self, api: Api, stream: bool, translated: bool) -> Cow<'_, str> {
        match self.retriever(api) {
            _ if !translated => self.provider.path(api, &self.model, stream),
            Some(retriever) => {
                let base = &self.provider.endpoint().base_path;
                Cow::Owned(format!("{base}{}", retriever.path(&self.model)))
            }
            None => self.provider.codec_path(&self.model, stream),
        }
    }

    /// Whether calls of `api` can be translated for it.
    fn translates(&self, api: Api) -> bool {
        if self.retriever(api).is_some() {
            return self.allows(api);
        }
        let Some(codec) = self.provider.codec() else { return false };
        // A list of calls that leaves out what the codec speaks keeps conversations away.
        api.converses() && codec.native().map_or_else(|| self.allows(api), |own| self.allows(own))
    }

    fn allows(&self, api: Api) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.contains(&api))
    }

    /// How it answers `ask`.
    pub fn way(&self, ask: &Ask) -> Option<Way> {
        let translates = self.translates(ask.api);
        match self.passes(ask.api) {
            true if translates && (ask.sealed_elsewhere || !self.provider.takes(ask)) => Some(Way::Translated),
            true => Some(Way::Passed),
            false => translates.then_some(Way::Translated),
        }
    }

    /// Host and port that connections are made to: its own, or those of the proxy on the way.
    pub fn next_hop(&self) -> (&Arc<str>, u16) {
        self.uplink.next_hop(self.provider.endpoint())
    }

    /// What leads through the proxy to it, if there is one.
    pub fn tunnel(&self) -> Option<Tunnel> {
        self.uplink.tunnel(self.provider.endpoint(), self.timeouts.connect)
    }

    /// The peer whose next hop is at `address`. `fresh`: on a connection that nobody used before.
    pub fn peer(&self, address: SocketAddr, fresh: bool) -> HttpPeer {
        let mut peer = self.uplink.peer(address, self.provider.endpoint(), self.timeouts.connect);
        peer.group_key = if fresh { next_group() } else { self.group };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.timeouts.connect);
        // TCP and TLS, each (with rustls the former alone bounds both, one after the other).
        options.total_connection_timeout = Some(self.timeouts.connect * 2);
        // The exchange's own deadlines come first; these end what nobody waits for any more. On HTTP/2 the exchange is
        // not asked again once an upload has timed out (trap 7): there it is this one that ends the attempt.
        let Timeouts { send, first_token, idle, response, total, .. } = self.timeouts;
        let answer = response.unwrap_or(total).max(first_token).max(idle);
        options.read_timeout = Some(total.min(send + answer));
        options.write_timeout = Some(self.timeouts.send);
        options.idle_timeout = Some(POOLED_IDLE);
        match self.protocol {
            Protocol::Http1 => options.set_http_version(1, 1),
            Protocol::Http2 => options.set_http_version(2, 2),
            Protocol::Auto => options.set_http_version(2, 1),
        }
        if !matches!(self.protocol, Protocol::Http1) {
            options.max_h2_streams = H2_STREAMS;
            options.h2_stream_window_size = Some(H2_WINDOW);
            options.h2_connection_window_size = Some(H2_CONNECTION_WINDOW);
            options.h2_ping_interval = Some(H2_PING);
        }
        peer
    }
}

/// Connections are shared within a group only, so a number that was never used gives a fresh one.
pub fn next_group() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

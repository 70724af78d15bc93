//! Metrics of what goes upstream: attempts and how they ended, and the credentials for it.

use super::{PROVIDER_SECONDS, registered};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use std::fmt;

/// How an attempt ended: a label, and a word in access records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer came to its proper end.
    Answered,
    /// The provider refused the request itself: 400, 413, 422 and the like.
    Refused,
    /// 429.
    RateLimited,
    /// 401 or 403: our credentials.
    Credentials,
    /// 404: our target's model or address.
    NoSuchModel,
    /// 5xx.
    ProviderError,
    /// Name resolution, TCP or TLS failed.
    ConnectFailed,
    /// Nothing in time: connect, send, first token, idle, response or total.
    TimedOut,
    /// An error event or body inside a 200.
    InBandError,
    /// The answer was cut, or is no answer of this API.
    Broken,
    /// The client left first.
    ClientLeft,
    /// The gateway gave up: shut down, or a fault of its own.
    Aborted,
}

impl Outcome {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Answered,
        Self::Refused,
        Self::RateLimited,
        Self::Credentials,
        Self::NoSuchModel,
        Self::ProviderError,
        Self::ConnectFailed,
        Self::TimedOut,
        Self::InBandError,
        Self::Broken,
        Self::ClientLeft,
        Self::Aborted,
    ];

    /// The name used in labels and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Credentials => "credentials",
            Self::NoSuchModel => "no_such_model",
            Self::ProviderError => "provider_error",
            Self::ConnectFailed => "connect_failed",
            Self::TimedOut => "timed_out",
            Self::InBandError => "in_band_error",
            Self::Broken => "broken",
            Self::ClientLeft => "client_left",
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Attempts upstream, reached through a `SeriesTable`.
#[derive(Debug, Clone)]
pub struct ProviderMetrics {
    pub(super) attempts: IntCounterVec,
    pub(super) attempt_seconds: HistogramVec,
    pub(super) first_token_seconds: HistogramVec,
    /// Credentials that are fetched.
    pub credentials: CredentialMetrics,
}

impl ProviderMetrics {
    /// Registers the stage's metrics.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histograms = |name: &str, help: &str| {
            let opts = HistogramOpts::new(name, help).buckets(PROVIDER_SECONDS.to_vec());
            registered(registry, HistogramVec::new(opts, &["provider", "target"]))
        };
        let attempts = Opts::new("weighbridge_providers_attempts_total", "Attempts by target and how they ended");
        Ok(Self {
            credentials: CredentialMetrics::register(registry)?,
            attempts: registered(registry, IntCounterVec::new(attempts, &["provider", "target", "outcome"]))?,
            attempt_seconds: histograms(
                "weighbridge_providers_attempt_duration_seconds",
                "From the start of an attempt to its end",
            )?,
            first_token_seconds: histograms(
                "weighbridge_providers_first_token_seconds",
                "Streams: from the beginning of the attempt to the first event with output",
            )?,
        })
    }
}

/// Credentials that are fetched from the network, by provider.
#[derive(Debug, Clone)]
pub struct CredentialMetrics {
    failures: IntCounterVec,
    expiry: IntGaugeVec,
}

impl CredentialMetrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let failures = "weighbridge_providers_credentials_failures_total";
        let failures = Opts::new(failures, "Times that a provider's credentials could not be fetched");
        let expiry = "weighbridge_providers_credentials_expiry_timestamp_seconds";
        let expiry =
            Opts::new(expiry, "When the provider's credentials end that were fetched last, since the Unix epoch");
        Ok(Self {
            failures: registered(registry, IntCounterVec::new(failures, &["provider"]))?,
            expiry: registered(registry, IntGaugeVec::new(expiry, &["provider"]))?,
        })
    }

    /// Credentials came that end `at_s` seconds after the Unix epoch.
    pub fn fetched(&self, provider: &str, at_s: u64) {
        self.expiry.with_label_values(&[provider]).set(i64::try_from(at_s).unwrap_or(i64::MAX));
        self.failures.with_label_values(&[provider]).inc_by(0);
    }

    /// None came.
    pub fn failed(&self, provider: &str) {
        self.failures.with_label_values(&[provider]).inc();
    }

    /// How often none came.
    pub fn failures(&self, provider: &str) -> u64 {
        self.failures.with_label_values(&[provider]).get()
    }
}

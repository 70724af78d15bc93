//! Spans and metrics for a collector (OpenTelemetry).

use super::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What is sent to a collector, and how.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Where to.
    pub otlp: Otlp,
    /// `service.name` of everything that is sent. Default `weighbridge`.
    pub service_name: Arc<str>,
    /// More attributes of the resource, as they are.
    pub resource: BTreeMap<String, String>,
    /// Whose names spans and metrics have. Default: the newest.
    pub conventions: Conventions,
    /// Of the traces that begin here, this many millionths have spans. Default: all.
    pub sample_millionths: u32,
    /// Of the traces that a client began, those have spans that it says are sampled. Default: yes.
    pub follow_parent: bool,
    /// How often metrics are sent; `None`: never. Default 60s.
    pub metrics_every: Option<Duration>,
    /// Whether what `/metrics` shows is sent too. Default: no.
    pub registry: bool,
    /// Whether prompts and answers that are kept (`records.content`) are sent too, as they are kept. Default: no.
    pub content: bool,
}

/// How a collector is reached.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// Its address, without the paths of signals.
    pub endpoint: http::Uri,
    /// What it speaks. Default: HTTP.
    pub protocol: OtlpProtocol,
    /// How calls are compressed. Default: not.
    pub compression: OtlpCompression,
    /// Sent with every call.
    pub headers: BTreeMap<String, Secret>,
    /// PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer. Default 10s.
    pub timeout: Duration,
    /// Spans wait at most so long for others to go with. Default 1s.
    pub delay: Duration,
    /// Spans that may wait; what comes on top is dropped and counted. Default 16,384.
    pub queue: usize,
}

/// How OTLP is spoken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpProtocol {
    /// Protobuf over HTTP/1.1.
    #[default]
    Http,
    /// gRPC, over HTTP/2.
    Grpc,
}

impl OtlpProtocol {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// How calls of OTLP are compressed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpCompression {
    /// They are not.
    #[default]
    None,
    /// As every collector has to understand it.
    Gzip,
}

/// The version of OpenTelemetry's conventions for generative AI, all of which are in development.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Conventions {
    /// v1.36: `gen_ai.system`.
    #[serde(rename = "1.36")]
    V1_36,
    /// v1.41: `gen_ai.provider.name`, cached tokens, time to first chunk.
    #[default]
    #[serde(rename = "1.41")]
    V1_41,
}

impl Conventions {
    /// The word of the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_36 => "1.36",
            Self::V1_41 => "1.41",
        }
    }
}

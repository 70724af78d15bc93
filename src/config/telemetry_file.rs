//! `telemetry` as written.

use super::quantity::{Count, Part, Time};
use super::{OtlpCompression, OtlpProtocol, Secret};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TelemetryFile {
    pub(super) otlp: OtlpFile,
    pub(super) service_name: Option<String>,
    pub(super) resource: BTreeMap<String, String>,
    /// A version, which is not to be read as a number.
    pub(super) semantic_conventions: Option<String>,
    pub(super) sample: Option<Part>,
    pub(super) follow_parent: Option<bool>,
    /// A time, or `off`.
    pub(super) metrics_every: Option<String>,
    pub(super) registry: bool,
    pub(super) content: bool,
}

/// Without an endpoint nothing is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OtlpFile {
    pub(super) endpoint: Option<String>,
    pub(super) protocol: OtlpProtocol,
    pub(super) compression: OtlpCompression,
    pub(super) headers: BTreeMap<String, Secret>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: Option<Time>,
    pub(super) delay: Option<Time>,
    pub(super) queue: Option<Count>,
}

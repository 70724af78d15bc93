//! Metrics, tracing set-up and access records.

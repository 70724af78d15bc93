//! Weighbridge: an AI gateway on Pingora. Every request crosses it, is checked, weighed in tokens and money, and
//! recorded.
//!
//! The modules stand in the order in which a request meets them; `ARCHITECTURE.md` tells the story on one page.

pub mod model;
pub mod sse;
pub mod config;
pub mod catalogue;
pub mod tokens;
pub mod telemetry;
pub mod dialect;
pub mod outbound;
pub mod otel;
pub mod auth;
pub mod limits;
pub mod guard;
pub mod cache;
pub mod routing;
pub mod providers;
pub mod ledger;
pub mod files;
pub mod records;
pub mod alerts;
pub mod proxy;
pub mod admin;
pub mod dashboard;
pub mod simulate;
pub mod import;
pub mod cli;
pub mod app;

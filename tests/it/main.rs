//! The promises of the gateway, tested from outside: one file a promise, the real binary, real sockets.
//!
//! Three witnesses are heard where there are three: the client, the upstream and the ledger.

#![allow(clippy::disallowed_methods, reason = "tests spawn on runtimes that end with them")]

mod passthrough;
mod failover;
mod hostile_provider;
mod routing;
mod attempts;
mod declined;
mod health;
mod generating;
mod by_hand;
mod streaming;
mod keep_alive;
mod translation;
mod credentials;
mod counting;
mod retrieval;
mod realtime;
mod files;
mod errors;
mod hostile_client;
mod auth_first;
mod models;
mod keys;
mod given;
mod admin_api;
mod jwt;
mod oidc;
mod metering;
mod media;
mod mirrors;
mod cache;
mod semantic_cache;
mod guard_services;
mod guardrails;
mod evidence;
mod records;
mod ledger;
mod kill;
mod batch_guardrails;
mod bounds;
mod connections;
mod slow_bodies;
mod overload;
mod slow_readers;
mod budgets;
mod limits;
mod shutdown;
mod upgrade;
mod upgrade_kinds;
mod reload;
mod config_files;
mod import_litellm;
mod opentelemetry;
mod operating;
mod demo;
mod layers;
mod fuzz;
mod support;

//! The dashboard, joined with what it shows.

use crate::admin::Api;
use crate::config::{Config, Notes};
use crate::dashboard::{self, Board, Hosts};
use std::net::SocketAddr;
use std::sync::Arc;

/// Its pages.
pub(super) fn pages(config: &Config, address: SocketAddr, api: &Arc<Api>) -> axum::Router {
    // As it was at the start, like everything that is run with it.
    let settings = config.summary(&Notes::NONE);
    dashboard::router(Board {
        api: Arc::clone(api),
        hosts: Hosts::new(address, &config.admin.hosts),
        port: address.port(),
        settings: Box::new(move || settings.clone()),
    })
}

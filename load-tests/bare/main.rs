//! A bare pass-through Pingora: what the gateway is compared with in `load-tests/overhead`.
//!
//! It has the gateway's frame and nothing of its work: the same allocator, server configuration, peer options, listener
//! and keep-alive, but no key, no parsing, no metering, no ledger and no metrics. What changes in the gateway's frame
//! changes here, or the comparison is unfair.

use async_trait::async_trait;
use pingora::apps::HttpServerOptions;
use pingora::listeners::ListenerConfig;
use pingora::prelude::{HttpPeer, ProxyHttp, Session};
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::proxy::ProxyServiceBuilder;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use std::net::SocketAddr;
use std::time::Duration;

/// Passes every request on to one upstream, unread and unchanged
#[derive(Debug, clap::Parser)]
struct Args {
    /// Address to listen on; HTTP/1.1 and h2c
    #[arg(long)]
    listen: SocketAddr,
    /// Where every request goes
    #[arg(long)]
    upstream: SocketAddr,
    /// Worker threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The read buffer of a client's connection in KiB; Pingora's own is 64
    #[arg(long, default_value_t = 4)]
    read_buffer: usize,
    /// The write buffer of a client's connection in KiB; Pingora's own is 1.4
    #[arg(long, default_value_t = 4)]
    write_buffer: usize,
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(5));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.idle_timeout = Some(Duration::from_secs(30));
        peer.options.read_timeout = Some(Duration::from_secs(60));
        peer.options.write_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }
}

fn main() {
    let args = <Args as clap::Parser>::parse();
    let conf = ServerConf {
        threads: args.threads,
        work_stealing: true,
        upstream_keepalive_pool_size: 2048,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    let bare = Bare { upstream: args.upstream };
    let builder = ProxyServiceBuilder::new(&server.configuration, bare).name("bare").server_options(options);
    let mut service = builder.build();
    let buffer = L4BufferSettings::default().read(args.read_buffer << 10).write(args.write_buffer << 10);
    service.add_listener(ListenerConfig::tcp(args.listen.to_string()).l4_buffer(buffer));
    server.add_service(service);
    server.run_forever();
}

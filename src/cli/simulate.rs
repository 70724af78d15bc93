//! `weighbridge simulate`: a simulated provider on a port, until it is told to end.

use crate::simulate::{Knobs, Simulator, TlsSetup, tls_config};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Serves a simulated provider (wire formats of OpenAI, Anthropic, Gemini, Vertex, Bedrock, Cohere, Mistral, Voyage, Jina) for
/// demos, tests and load tests
#[derive(Debug, clap::Args)]
#[command(after_help = HOW)]
pub struct Args {
    /// Address to listen on, such as `127.0.0.1:9000`; HTTP/1.1 and h2c, or TLS
    #[arg(long)]
    pub listen: SocketAddr,
    /// Certificate chain, PEM; switches TLS on
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// How answers behave; one request sets its own by model name or header
    #[command(flatten)]
    pub knobs: Knobs,
}

/// What no flag says.
const HOW: &str = "\
What it answers:
  Words, as many as --output-tokens says. A request with tools gets a call of the first of them if it forces one, or if \
the user's last message contains \"call the tool\"; the arguments are the simplest that the schema allows, and once the \
result is there it answers in words. Structured output is the simplest that the schema allows.

What it takes:
  The providers' own paths, so that a base_url is http://ADDRESS, or http://ADDRESS/v1 for OpenAI's. Mistral, Voyage and \
Jina share OpenAI's paths: theirs are below http://ADDRESS/mistral/v1, /voyage/v1 and /jina/v1. Google's tokens are at \
/token, and where its metadata service has them.

One request sets its own knobs:
  by its model's name, gpt-4o?first_token=2s&tps=50, or by a header, x-simulate: error=429,retry_after=7

What it saw:
  /_simulate/stats and /_simulate/requests";

/// Why the simulated provider does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateFailed {
    /// The address is not to be had.
    #[error("cannot listen on `{listen}`")]
    Listen {
        /// As asked for.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the certificate cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Certificate and key do not do.
    #[error(transparent)]
    Tls(#[from] TlsSetup),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// When the certificate or the address cannot be used.
pub async fn run(args: Args) -> Result<(), SimulateFailed> {
    let listen = args.listen;
    let failed = |source| SimulateFailed::Listen { listen, source };
    let (simulator, scheme) = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => {
            let tls = tls_config(&read(cert)?, &read(key)?)?;
            (Simulator::start_tls(listen, args.knobs, tls).await.map_err(failed)?, "https")
        }
        _ => (Simulator::start(listen, args.knobs).await.map_err(failed)?, "http"),
    };
    println!("simulated provider on {scheme}://{}", simulator.addr);
    until_told().await.map_err(SimulateFailed::Signals)?;
    let stats = simulator.stats();
    simulator.stop().await;
    println!(
        "{} requests, {} completed, {} aborted by clients, {} output tokens sent",
        stats.requests, stats.completed, stats.aborted, stats.output_tokens_sent
    );
    Ok(())
}

fn read(path: &PathBuf) -> Result<Vec<u8>, SimulateFailed> {
    std::fs::read(path).map_err(|source| SimulateFailed::Read { path: path.clone(), source })
}

async fn until_told() -> io::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = term.recv() => Ok(()),
    }
}

//! Set-up of tracing: the gateway's own log, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Why tracing could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// The filter cannot be read.
    #[error("`WEIGHBRIDGE_LOG` is no log filter; write a level such as `info`, or `info,weighbridge::proxy=debug`")]
    Filter(#[source] ParseError),
    /// Something else has set it up before.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Logs to standard error from now on, as text or as JSON lines; `WEIGHBRIDGE_LOG` filters, default `info`.
///
/// Records of the `log` crate (Pingora's) are taken in too. Pingora's are shown from `warn` on, unless the filter names
/// `pingora` itself: at `info` it tells of every connection.
///
/// # Errors
///
/// When the filter cannot be read, or tracing is set up already.
pub fn init_tracing(json: bool) -> Result<(), TracingError> {
    let wish = std::env::var("WEIGHBRIDGE_LOG").unwrap_or_default();
    let filter = filter(&wish).map_err(TracingError::Filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // `try_init` also installs the bridge from `log`.
    let set_up = if json { log.json().finish().try_init() } else { log.with_target(false).finish().try_init() };
    set_up.map_err(TracingError::Twice)
}

fn filter(wish: &str) -> Result<EnvFilter, ParseError> {
    let wish = if wish.trim().is_empty() { "info" } else { wish };
    if wish.contains("pingora") {
        return EnvFilter::try_new(wish);
    }
    // One directive holds for every crate whose name begins so: pingora_core, pingora_proxy …
    EnvFilter::try_new(format!("pingora=warn,{wish}"))
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn pingora_is_toned_down_unless_it_is_named() {
        let cases = [
            ("nothing said", "", "pingora=warn,info"),
            ("a level", "debug", "pingora=warn,debug"),
            ("pingora itself", "pingora_core=debug", "pingora_core=debug"),
        ];
        for (name, wish, want) in cases {
            assert_eq!(filter(wish).expect(name).to_string(), want, "{name}");
        }
        assert!(filter("weighbridge=loud").is_err());
    }
}

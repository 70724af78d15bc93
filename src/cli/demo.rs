//! `weighbridge demo`: the gateway in front of a simulated provider, in one process: no credentials, no files.

use super::CliError;
use crate::app;
use crate::auth::{PlainKey, hash_text, new_key};
use crate::config::Config;
use crate::simulate::{Knobs, Simulator};
use crate::telemetry::init_tracing;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the gateway [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address of metrics and health [default: 127.0.0.1:9090, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// Where the ledger is kept [default: a new directory in the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Serves until Ctrl-C.
pub(super) fn run(args: Args) -> Result<(), CliError> {
    let listen = address(args.listen, 8080)?;
    let admin = address(args.admin_listen, 9090)?;
    let state =
        args.state.unwrap_or_else(|| std::env::temp_dir().join(format!("weighbridge-demo-{}", std::process::id())));
    let (key, hash) = new_key().map_err(CliError::Randomness)?;
    let upstream = simulated_provider()?;
    let (token, _) = new_key().map_err(CliError::Randomness)?;
    let text = config_text(listen, (admin, &token), &state, upstream, &hash_text(&hash));
    let config = Config::from_text(&text, None).map_err(CliError::Config)?;
    init_tracing(false).map_err(CliError::failed)?;
    app::run(&config, None, false, || println!("{}", greeting(listen, (admin, &token), &state, &key)))
        .map_err(CliError::failed)
}

/// The address that was asked for, else the usual port, else a free one.
fn address(asked: Option<SocketAddr>, usual: u16) -> Result<SocketAddr, CliError> {
    if let Some(address) = asked {
        return Ok(address);
    }
    let local = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    Ok(local(usual).or_else(|_| local(0))?)
}

/// Starts the simulated provider on a thread of its own and returns where it listens.
fn simulated_provider() -> Result<SocketAddr, CliError> {
    let (tell, told) = mpsc::channel();
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            match Simulator::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Knobs::default()).await {
                Ok(simulator) => {
                    let _ = tell.send(Ok(simulator.addr));
                    // It ends with the process.
                    std::future::pending::<()>().await;
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
    };
    std::thread::Builder::new().name("simulated-provider".to_owned()).spawn(serve)?;
    let ended = || CliError::failed("the simulated provider did not start");
    Ok(told.recv().map_err(|_| ended())??)
}

fn config_text(
    listen: SocketAddr,
    (admin, token): (SocketAddr, &PlainKey),
    state: &Path,
    upstream: SocketAddr,
    hash: &str,
) -> String {
    // JSON's strings are YAML's, so that a path with any character in it stays one.
    let state = serde_json::Value::from(state.to_string_lossy());
    let token = token.expose();
    format!(
        r#"
server: {{ listen: [{{ address: "{listen}" }}] }}
admin: {{ listen: "{admin}", token: "{token}" }}
state: {{ dir: {state} }}
providers:
  openai: {{ kind: openai, base_url: "http://{upstream}/v1", api_key: simulated, catalogue: openai }}
  anthropic: {{ kind: anthropic, base_url: "http://{upstream}", api_key: simulated, catalogue: anthropic }}
models:
  fast: {{ targets: [{{ provider: openai, model: gpt-4o-mini }}] }}
  claude: {{ targets: [{{ provider: anthropic, model: claude-haiku-4-5 }}] }}
  embed: {{ targets: [{{ provider: openai, model: text-embedding-3-small }}] }}
  # The first target always fails, so that fail-over can be seen.
  flaky:
    targets:
      - {{ provider: openai, model: "gpt-4o?error=503", price_as: gpt-4o }}
      - {{ provider: openai, model: gpt-4o-mini }}
  # Its budget pays for little, so that a lowered cap and a refusal can be seen.
  lean:
    targets: [{{ provider: openai, model: gpt-4o-mini }}]
    budgets: [{{ usd: 0.001, per: day, alerts: [50%] }}]
teams:
  demo:
    limits: [{{ requests: 600, per: minute }}]
    budgets: [{{ usd: 5, per: day }}]
keys: [{{ name: demo-key, team: demo, hash: "{hash}" }}]
records: {{ content: none, access_log: stdout }}
"#
    )
}

fn greeting(listen: SocketAddr, (admin, token): (SocketAddr, &PlainKey), state: &Path, key: &PlainKey) -> String {
    let (key, token, state) = (key.expose(), token.expose(), state.display());
    format!(
        r#"Weighbridge demo: a gateway in front of a simulated provider. Ctrl-C ends it.

  key      {key}
  base URL http://{listen}/v1   (OpenAI SDKs: OPENAI_BASE_URL; Anthropic SDKs: ANTHROPIC_BASE_URL=http://{listen})
  models   fast, claude, embed, flaky, whose first target always fails, and lean, which has 0.001 USD a day
  dashboard http://{admin}/dashboard   sign in with {token}
  metrics  http://{admin}/metrics
  state    {state}

Try it from another terminal:

  curl http://{listen}/v1/chat/completions -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d '{{"model":"fast","messages":[{{"role":"user","content":"Hello"}}]}}'

  curl -N http://{listen}/v1/messages -H "x-api-key: {key}" -H "Content-Type: application/json" -d '{{"model":"claude","max_tokens":64,"stream":true,"messages":[{{"role":"user","content":"Hello"}}]}}'

Then ask who spent what:

  weighbridge usage --by team,model --state {state}

And what a request may cost, and who would pay:

  WEIGHBRIDGE_ADMIN_TOKEN={token} weighbridge explain --admin http://{admin} --key demo-key --model lean

Each request is recorded below in one line of JSON."#
    )
}

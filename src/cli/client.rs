//! The admin API's client: where it is, with which token, and what is said when it does not answer.

use super::{CliError, ConfigArgs};
use crate::config::{AdminAccess, Secret, admin_access};
use crate::outbound::{Client, OutboundError};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where the gateway's admin API is, and how answers are written.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdminArgs {
    /// The admin listener's URL [default: `admin.listen` of the configuration]
    #[arg(long, value_name = "URL", global = true)]
    pub admin: Option<Uri>,
    /// The configuration that names address and token; the variable WEIGHBRIDGE_ADMIN_TOKEN has the last word
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

/// How an answer is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// As the API tells it.
    Json,
}

/// The API of one gateway.
pub(super) struct Admin {
    base: String,
    token: Secret,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    /// Finds address and token.
    pub fn find(args: &AdminArgs) -> Result<Self, CliError> {
        let from_env = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
        let access = match (&args.admin, &from_env) {
            // Nothing is left to be read from a file.
            (Some(_), Some(_)) => AdminAccess { listen: None, token: None },
            _ => {
                let path = ConfigArgs { config: args.config.clone() }.path()?;
                admin_access(&path).map_err(CliError::Config)?
            }
        };
        let base = match (&args.admin, access.listen) {
            (Some(url), _) => url.to_string().trim_end_matches('/').to_owned(),
            (None, Some(address)) => format!("http://{}", reachable(address)),
            (None, None) => {
                return Err(CliError::Failed(
                    "the configuration has `admin.listen: off`: the gateway cannot be told anything while it runs"
                        .to_owned(),
                ));
            }
        };
        let token = from_env.or(access.token).ok_or_else(|| {
            CliError::Failed(format!(
                "there is no admin token: set `admin.token` in the configuration and restart the gateway, or give this \
                 command the variable {TOKEN_VARIABLE}; `weighbridge keys create --offline` makes a key for the \
                 configuration file without a gateway"
            ))
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, token, runtime })
    }

    /// One call; what the API refuses is an error in its words.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
        let url = format!("{}/admin/v1{path}", self.base);
        let mut token = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()))
            .map_err(|_| CliError::Failed("the admin token cannot stand in a header".to_owned()))?;
        token.set_sensitive(true);
        let request = Request::builder().method(method).uri(&url).header(AUTHORIZATION, token);
        let request = request.header(CONTENT_TYPE, "application/json");
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(body).map_err(|_| CliError::Failed(format!("`{}` is no URL", self.base)))?;
        let answer = self.runtime.block_on(Client::default().send(request, WITHIN, MOST_BYTES));
        let answer = answer.map_err(|error| self.silent(&error))?;
        let told: Value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        if answer.status().is_success() {
            return Ok(told);
        }
        let message = told["error"]["message"].as_str().map(str::to_owned);
        Err(CliError::Failed(message.unwrap_or_else(|| {
            format!("{} answered with status {}: is this the admin listener?", self.base, answer.status())
        })))
    }

    fn silent(&self, error: &OutboundError) -> CliError {
        let causes = super::with_causes(error);
        CliError::Failed(format!(
            "the gateway's admin API at {} does not answer ({causes}): is the gateway running? `--admin URL` names \
             another place; `weighbridge keys create --offline` makes a key for the configuration file without a gateway",
            self.base
        ))
    }
}

/// Where a listener can be reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    // `.` and `..` would mean another path.
    let dots = name.bytes().all(|byte| byte == b'.');
    let escaped = |byte: u8| if plain(byte) && !dots { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(escaped).collect()
}

/// Aligned columns, for people. Nothing that anybody wrote reaches the terminal as a command.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let printable = |cell: &str| -> String {
        cell.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
    };
    let mut all: Vec<Vec<String>> = vec![headings.iter().map(|heading| (*heading).to_owned()).collect()];
    all.extend(rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()));
    let width =
        |at: usize| all.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}

/// A member as a cell: text as it is, lists with commas, `-` for nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The admin token, before the configuration's.
const TOKEN_VARIABLE: &str = "WEIGHBRIDGE_ADMIN_TOKEN";
/// How long the gateway may take.
const WITHIN: Duration = Duration::from_secs(60);
/// A larger answer is a mistake.
const MOST_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::{cell, segment, table};
    use serde_json::json;

    #[test]
    fn a_name_is_one_segment_of_a_path_whatever_it_holds() {
        for (name, want) in [("search-ci", "search-ci"), ("a/b:c@d", "a%2Fb%3Ac%40d"), ("..", "%2E%2E"), ("a.b", "a.b")]
        {
            assert_eq!(segment(name), want);
        }
    }

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let rows = [vec!["a\u{1b}[31m".to_owned(), "1".to_owned()], vec!["long-name".to_owned(), "2".to_owned()]];
        assert_eq!(
            table(&["name", "n"], &rows),
            "name          n\na\\u{1b}[31m   1\nlong-name     2\n"
                .replace("   1", "  1")
                .replace("name          n", "name         n")
                .replace("long-name     2", "long-name    2")
        );
        assert_eq!(cell(&json!(["a", "b"])), "a,b");
        assert_eq!(cell(&json!(null)), "-");
    }
}

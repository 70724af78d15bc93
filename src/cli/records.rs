//! `weighbridge records`: what became of requests. Reads the directory of records; contents are asked for by the admin
//! API, which writes down who read them.

use super::client::{Admin, AdminArgs, Format, segment, table};
use super::{CliError, ConfigArgs};
use crate::{
    config::records_dir,
    ledger::usage::since,
    model::{Clock, RequestId, SystemClock},
    records::{Find, Follow, Place, Reader, Record, StatusIs},
};
use http::Method;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What became of requests: searched, followed, or one of them
///
/// Reads the directory of records only, and works while the gateway runs and when it does not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Records {
    /// The directory of records; default: `records.dir` of the configuration
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Find requests, the newest first
    #[command(after_help = EXAMPLES)]
    Search(Search),
    /// Show requests as they end, until Ctrl-C
    #[command(after_help = EXAMPLES)]
    Tail(Filter),
    /// Show all that is known of one request
    #[command(after_help = EXAMPLES)]
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// The gateway's id of the request, or the client's x-request-id
    #[arg(long)]
    id: Option<String>,
    /// Only of this key
    #[arg(long)]
    key: Option<String>,
    /// Only of this team
    #[arg(long)]
    team: Option<String>,
    /// Only of this end user
    #[arg(long)]
    user: Option<String>,
    /// Only of this model, as clients asked for it
    #[arg(long)]
    model: Option<String>,
    /// Only where this provider answered or was tried
    #[arg(long)]
    provider: Option<String>,
    /// Only with this status: `429`, `5xx`, or `error` for all from 400 on
    #[arg(long)]
    status: Option<StatusIs>,
    /// Only with this code of the gateway's own, such as `budget_exhausted`
    #[arg(long)]
    code: Option<String>,
    /// Only where this guardrail said something
    #[arg(long)]
    guardrail: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Search {
    #[command(flatten)]
    filter: Filter,
    /// Arrived at or after: an age (`15m`, `24h`, `7d`), a date or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Arrived before, written likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
    /// Only what is older than this: what the search before printed
    #[arg(long, value_name = "PLACE")]
    before: Option<Place>,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The gateway's id of the request, or the client's x-request-id
    #[arg(value_name = "ID")]
    id: String,
    /// With what is kept of its prompt and answer, by the admin API: takes `admin.token`, and stands in the audit log
    #[arg(long)]
    content: bool,
}

impl Filter {
    fn find(self) -> Find {
        let Self { id, key, team, user, model, provider, status, code, guardrail } = self;
        Find { id, key, team, user, model, provider, status, code, guardrail, ..Find::default() }
    }
}

impl Records {
    /// Does it, writing to `out` and what is beside the point to `err`.
    pub(super) fn run(self, out: &mut impl Write, err: &mut impl Write) -> Result<(), CliError> {
        let json = self.admin.format == Format::Json;
        match self.command {
            Command::Search(search) => {
                let reader = Reader::new(dir(self.dir, &self.admin)?);
                run_search(&reader, search, json, (out, err))
            }
            Command::Tail(filter) => {
                let follow = Follow::from_now(dir(self.dir, &self.admin)?).map_err(unreadable)?;
                run_tail(follow, &filter.find(), json, out)
            }
            Command::Show(Show { id, content: true }) => {
                let path = format!("/requests/{}?content=true", segment(&id));
                let shown = Admin::find(&self.admin)?.call(Method::GET, &path, None)?;
                pretty(&shown, out)
            }
            Command::Show(Show { id, content: false }) => {
                let reader = Reader::new(dir(self.dir, &self.admin)?);
                let by_id = id.parse::<RequestId>().ok().map(|id| reader.one(id)).transpose().map_err(unreadable)?;
                let record = match by_id.flatten() {
                    Some(record) => record,
                    None => labelled(&reader, id)?,
                };
                let value: serde_json::Value = serde_json::from_str(&record.raw).map_err(CliError::failed)?;
                pretty(&value, out)
            }
        }
    }
}

/// The last request with this label.
fn labelled(reader: &Reader, id: String) -> Result<Record, CliError> {
    let find = Find { id: Some(id.clone()), limit: 1, ..Find::default() };
    let found = reader.clone().reading_at_most(u64::MAX).search(&find).map_err(unreadable)?;
    found.records.into_iter().next().ok_or_else(|| {
        CliError::Failed(format!(
            "there is no record of `{}`: it has not ended yet, or it is older than what is kept",
            id.escape_default()
        ))
    })
}

/// Nothing that a client wrote reaches the terminal as a command: JSON escapes it.
fn pretty(value: &serde_json::Value, out: &mut impl Write) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failed)?;
    writeln!(out, "{}", harmless(&text))?;
    Ok(())
}

/// C1 controls and the like, which JSON leaves as they are.
fn harmless(text: &str) -> String {
    let escaped =
        |c: char| if c.is_control() && c != '\n' { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escaped).collect()
}

fn run_search(
    reader: &Reader,
    search: Search,
    json: bool,
    (out, err): (&mut impl Write, &mut impl Write),
) -> Result<(), CliError> {
    let now_us = SystemClock.now_us();
    let moment = |text: Option<String>| text.map(|text| since(&text, now_us)).transpose().map_err(CliError::failed);
    let mut find = Find {
        since_us: moment(search.since)?,
        until_us: moment(search.until)?,
        limit: search.limit,
        before: search.before,
        ..search.filter.find()
    };
    let mut records = Vec::new();
    let next = loop {
        let found = reader.search(&find).map_err(unreadable)?;
        find.limit -= found.records.len();
        records.extend(found.records);
        find.before = found.next;
        if !found.unfinished || find.limit == 0 {
            break found.next;
        }
    };
    if json {
        for record in &records {
            writeln!(out, "{}", harmless(&record.raw))?;
        }
    } else {
        write!(out, "{}", table(&HEADINGS, &records.iter().map(row).collect::<Vec<_>>()))?;
    }
    if let Some(next) = next {
        writeln!(err, "there is more: --before {next}")?;
    }
    Ok(())
}

fn run_tail(mut follow: Follow, find: &Find, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if !json {
        write!(out, "{}", table(&HEADINGS, &[]))?;
        out.flush()?;
    }
    loop {
        for line in follow.more().map_err(unreadable)? {
            match Record::parse(&line).filter(|record| find.holds(record)) {
                Some(_) if json => writeln!(out, "{}", harmless(&line))?,
                Some(record) => write!(out, "{}", rows_only(&record))?,
                None => {}
            }
        }
        out.flush()?;
        runtime.block_on(async { tokio::time::sleep(LOOK).await });
    }
}

/// A row without its headings.
fn rows_only(record: &Record) -> String {
    let text = table(&HEADINGS, &[row(record)]);
    text.split_once('\n').map(|(_, row)| row.to_owned()).unwrap_or_default()
}

fn row(record: &Record) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let cost = |nano: i64| format!("{:.6}", nano as f64 / 1e9);
    vec![
        record.time.get(..23).unwrap_or_default().to_owned(),
        record.id.clone(),
        text(&record.team),
        text(&record.key),
        text(&record.model),
        text(&record.provider),
        record.status.to_string(),
        text(&record.code),
        record.attempts.len().to_string(),
        format!("{}/{}", record.input_tokens, record.output_tokens),
        record.cost_nano_usd.map_or_else(|| "?".to_owned(), cost),
        format!("{} ms", record.latency_us / 1_000),
        text(&record.guardrails),
    ]
}

fn dir(named: Option<PathBuf>, admin: &AdminArgs) -> Result<PathBuf, CliError> {
    if let Some(dir) = named {
        return Ok(dir);
    }
    let path = ConfigArgs { config: admin.config.clone() }.path()?;
    records_dir(&path).map_err(CliError::Config)?.ok_or_else(|| {
        CliError::Failed("the configuration has `records.dir: off`: there are no files to be searched".to_owned())
    })
}

fn unreadable(error: std::io::Error) -> CliError {
    CliError::Failed(format!("the records cannot be read: {error}"))
}

const HEADINGS: [&str; 13] = [
    "time",
    "id",
    "team",
    "key",
    "model",
    "provider",
    "status",
    "code",
    "tries",
    "tokens",
    "usd",
    "took",
    "guardrails",
];

/// How often it is looked for more.
const LOOK: Duration = Duration::from_millis(250);

const EXAMPLES: &str = "\
Examples:
  weighbridge records search --status error --since 1h
  weighbridge records search --team search --guardrail no-pii --format json > finds.jsonl
  weighbridge records tail --model fast
  weighbridge records show 019ace1f7ab3c0de0123456789abcdef --content";

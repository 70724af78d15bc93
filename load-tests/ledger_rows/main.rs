//! Fills a state directory with attempts of a past year, as a gateway would have left them: what `load-tests/money`
//! measures starts and reports on.
//!
//! Every row goes the gateway's way: begun and settled in the journal, folded into the store. The rows are in the order
//! of time, and few teams have most of them. The same arguments give the same rows, but for their ids and the time.

use serde_json::json;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use weighbridge::config::{Durability, State};
use weighbridge::ledger::{Ledger, LedgerError, LedgerMetrics, OpenPrice, Opening, Settlement};
use weighbridge::model::{AttemptId, Clock, IdSource, NanoUsd, ServiceTier, SystemClock, Usage, UsageOrigin};

/// Writes attempts into a state directory and prints what it took, as JSON
#[derive(Debug, clap::Parser)]
struct Args {
    /// The state directory; made if it is not there
    #[arg(long)]
    state: PathBuf,
    /// Attempts to write
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rows: u64,
    /// Days up to now over which they are spread
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=399))]
    days: u64,
    /// Teams
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    teams: u64,
    /// Keys of each team
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    keys: u64,
}

/// Name at the client, provider, name there; nano-dollars per million tokens of input and output.
const MODELS: [(&str, &str, &str, u64, u64); 5] = [
    ("fast", "openai", "gpt-4o-mini", 150_000_000, 600_000_000),
    ("smart", "openai", "gpt-4o", 2_500_000_000, 10_000_000_000),
    ("writer", "anthropic", "claude-sonnet-4-5", 3_000_000_000, 15_000_000_000),
    ("cheap", "anthropic", "claude-haiku-4-5", 1_000_000_000, 5_000_000_000),
    ("local", "vllm", "llama-3.3-70b", 0, 0),
];
const DAY_US: u64 = 86_400_000_000;
/// Rows between two lines of progress.
const PROGRESS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = <Args as clap::Parser>::parse();
    let began = Instant::now();
    let ledger = open(&args)?;
    let names = Names::new(&args)?;
    let until_us = SystemClock.now_us();
    let span_us = args.days * DAY_US;
    for index in 0..args.rows {
        let age_us = u128::from(span_us) * u128::from(args.rows - index) / u128::from(args.rows);
        let opened_us = until_us - u64::try_from(age_us)?;
        let (opening, settlement) = names.row(opened_us, index);
        ledger.begin(opening)?.settle(settlement);
        if (index + 1).is_multiple_of(PROGRESS) {
            eprintln!("{} rows written after {:.0} s", index + 1, began.elapsed().as_secs_f64());
        }
    }
    let written = began.elapsed();
    ledger.flush()?;
    let folded = began.elapsed();
    ledger.close();
    let report = json!({
        "rows": args.rows, "days": args.days, "teams": args.teams, "keys": args.teams * args.keys,
        "models": MODELS.len(), "written_seconds": written.as_secs_f64(), "folded_seconds": folded.as_secs_f64(),
    });
    println!("{report}");
    Ok(())
}

fn open(args: &Args) -> Result<Arc<Ledger>, LedgerError> {
    let state = State {
        dir: args.state.clone(),
        durability: Durability::Process,
        retention: Duration::from_secs(400 * 86_400),
        max_bytes: NonZeroU64::new(1 << 40).expect("not zero"),
        segment_bytes: NonZeroU64::new(64 << 20).expect("not zero"),
    };
    let metrics = LedgerMetrics::register(&prometheus::Registry::new()).expect("the registry is new");
    Ledger::open(&state, Arc::new(SystemClock), metrics)
}

/// What rows have in common, interned as the gateway does.
struct Names {
    ids: IdSource,
    teams: Vec<Arc<str>>,
    /// Those of the first team, then those of the second.
    keys: Vec<Arc<str>>,
    models: [[Arc<str>; 3]; 5],
    label: Arc<str>,
    version: Arc<str>,
}

impl Names {
    fn new(args: &Args) -> Result<Self, Box<dyn std::error::Error>> {
        let teams: Vec<Arc<str>> = (0..args.teams).map(|team| format!("team-{team:03}").into()).collect();
        let keys = teams.iter().flat_map(|team| (0..args.keys).map(move |key| format!("{team}-key-{key}").into()));
        Ok(Self {
            ids: IdSource::from_os()?,
            keys: keys.collect(),
            teams,
            models: MODELS.map(|(model, provider, target, ..)| [model, provider, target].map(Arc::from)),
            label: Arc::from("req_0123456789abcdef"),
            version: Arc::from("2026-11-23/load-test"),
        })
    }

    /// The row of this number: two thirds of all rows are of an eighth of the teams.
    fn row(&self, opened_us: u64, index: u64) -> (Opening, Settlement) {
        let mut dice = Dice(index);
        let (teams, keys) = (self.teams.len() as u64, (self.keys.len() / self.teams.len()) as u64);
        let team = dice.below(1 << 20) * dice.below(1 << 20) / (1 << 20) * dice.below(1 << 20) / (1 << 20);
        let team = (team * teams) >> 20;
        let key = team * keys + dice.below(keys);
        let at = dice.below(MODELS.len() as u64);
        let place = |n: u64| usize::try_from(n).expect("small");
        let [model, provider, target_model] = self.models[place(at)].clone();
        let (.., input_price, output_price) = MODELS[place(at)];
        let price = OpenPrice {
            version: Arc::clone(&self.version),
            input_nano_per_million: input_price,
            output_nano_per_million: output_price,
        };
        let (input, output) = (100 + dice.below(4_000), 1 + dice.below(800));
        let cost = price.cost(input, output);
        let failed = dice.below(50) == 0;
        let opening = Opening {
            id: AttemptId { request: self.ids.next(opened_us), attempt: 1 },
            request_label: Arc::clone(&self.label),
            opened_us,
            key: Arc::clone(&self.keys[place(key)]),
            team: Arc::clone(&self.teams[place(team)]),
            user: None,
            model,
            api: "chat_completions",
            stream: index.is_multiple_of(2),
            provider,
            target_model,
            price: Some(price),
            estimated_input_tokens: input,
            charges: Vec::new(),
        };
        let (status, usage, origin, cost) = if failed {
            (503, Usage::default(), UsageOrigin::None, NanoUsd(0))
        } else {
            (200, Usage { input, output, ..Usage::default() }, UsageOrigin::Reported, cost)
        };
        let settlement = Settlement {
            status,
            usage,
            origin,
            cost: Some(cost),
            price_version: Some(Arc::clone(&self.version)),
            tier: ServiceTier::Standard,
            latency_us: 300_000 + output * 10_000,
            first_token_us: None,
            overhead_us: Some(80),
            error: failed.then(|| "upstream_status".to_owned()),
            saved: NanoUsd(0),
        };
        (opening, settlement)
    }
}

/// SplitMix64: enough for a mix of names, and the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

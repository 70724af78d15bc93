//! Credentials that come from the network: fetched at start, and renewed well before they end. A request only reads what
//! was fetched last; that is used until its very end when it cannot be renewed.

use crate::{
    model::{Clock as _, SystemClock},
    outbound::Client,
    telemetry::CredentialMetrics,
};
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Fetches the credentials of one provider. It has the other end of what requests read.
#[async_trait]
pub trait Feed: Send + Sync + fmt::Debug {
    /// The provider's name in the file.
    fn provider(&self) -> &str;

    /// Where they come from, for the log: the key path, and whom it asks. No secrets.
    fn source(&self) -> &str;

    /// Fetches new ones and puts them where requests find them. Returns how long they hold from now on.
    ///
    /// # Errors
    ///
    /// What failed and what to do, without secrets: it goes to the log.
    async fn refresh(&self, http: &Client) -> Result<Duration, String>;
}

/// Keeps the credentials of `feed` fresh. Never returns; who drops it ends it.
pub async fn keep(feed: &dyn Feed, http: &Client, metrics: &CredentialMetrics) {
    let (provider, source) = (feed.provider(), feed.source());
    let mut failures = 0_u32;
    let mut fetched = false;
    loop {
        let answered = timeout(WITHIN, feed.refresh(http)).await;
        let renewed = answered.unwrap_or_else(|_| Err(format!("there was no answer within {WITHIN:?}")));
        let pause = match renewed {
            Ok(life) => {
                if failures > 0 || !fetched {
                    tracing::info!(provider, source, holds_s = life.as_secs(), "credentials were fetched");
                }
                (failures, fetched) = (0, true);
                metrics.fetched(provider, SystemClock.now_us() / 1_000_000 + life.as_secs());
                until_renewal(life)
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                metrics.failed(provider);
                let pause = after_failures(failures);
                tracing::error!(provider, source, why, failures, again_in = ?pause, "credentials cannot be fetched");
                pause
            }
        };
        rest(pause).await;
    }
}

/// Waits for `pause`, or until the wall clock leaps ahead: by that the credentials end, whether a machine slept or its
/// clock was set right.
async fn rest(pause: Duration) {
    let mut left = pause;
    while !left.is_zero() {
        let slice = left.min(SLICE);
        let before = SystemClock.now_us();
        sleep(slice).await;
        if leapt(slice, Duration::from_micros(SystemClock.now_us().saturating_sub(before))) {
            return;
        }
        left = left.saturating_sub(slice);
    }
}

/// Whether so much more time passed by the wall clock than was waited for that it was set, or stood still.
fn leapt(waited: Duration, passed: Duration) -> bool {
    passed > waited + SLICE
}

/// How long credentials that hold for `life` are left alone: up to a fifth of it, or five minutes, before they end.
fn until_renewal(life: Duration) -> Duration {
    life.saturating_sub((life / 5).min(MARGIN)).max(LEAST_PAUSE)
}

/// How long to wait after so many failures in a row: a second, then twice as long each time, a minute at most; of that
/// between a half and all, so that gateways that failed together do not come back together.
fn after_failures(failures: u32) -> Duration {
    let whole = LEAST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    // Without randomness they come back together.
    let chance = getrandom::u32().unwrap_or(u32::MAX);
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// How long one fetch may take, all of its calls together.
const WITHIN: Duration = Duration::from_secs(20);
/// Credentials are renewed so long before their end.
const MARGIN: Duration = Duration::from_secs(300);
/// Between two fetches at least.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// Waits are cut into pieces of at most this length, between which the wall clock is looked at.
const SLICE: Duration = Duration::from_secs(60);
/// Between two fetches that fail at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use tokio::time::Instant;

    #[test]
    fn a_clock_that_was_set_ahead_or_a_machine_that_slept_is_noticed_and_a_busy_one_is_not() {
        let seconds = Duration::from_secs;
        assert!(leapt(seconds(60), seconds(3_600)) && leapt(seconds(1), seconds(172_800)));
        assert!(!leapt(seconds(60), seconds(61)) && !leapt(seconds(60), seconds(0)), "set back, it ends later");
    }

    /// Answers as it is told, and notes when it was asked.
    #[derive(Debug)]
    struct Told {
        answers: Mutex<Vec<Result<u64, &'static str>>>,
        asked: Mutex<Vec<Instant>>,
    }

    #[async_trait]
    impl Feed for Told {
        fn provider(&self) -> &'static str {
            "p"
        }

        fn source(&self) -> &'static str {
            "providers.p.credentials"
        }

        async fn refresh(&self, _http: &Client) -> Result<Duration, String> {
            self.asked.lock().push(Instant::now());
            let answer = self.answers.lock().pop();
            match answer {
                Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
                Some(Err("silence")) => std::future::pending().await,
                Some(Err(why)) => Err(why.to_owned()),
                None => std::future::pending().await,
            }
        }
    }

    /// The pauses between the fetches that are answered so, in seconds.
    async fn pauses(answers: &[Result<u64, &'static str>]) -> (Vec<f64>, CredentialMetrics) {
        let registry = prometheus::Registry::new();
        let metrics = CredentialMetrics::register(&registry).expect("new");
        let told = Told { answers: Mutex::new(answers.iter().rev().copied().collect()), asked: Mutex::default() };
        let all = answers.len() + 1;
        let enough = async {
            while told.asked.lock().len() < all {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let http = Client::default();
        tokio::select! {
            () = keep(&told, &http, &metrics) => unreachable!("it never returns"),
            () = enough => {}
        }
        let asked = told.asked.lock().clone();
        (asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect(), metrics)
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_renewed_before_they_end() {
        let (pauses, _) = pauses(&[Ok(3_600), Ok(1_000), Ok(10), Ok(0)]).await;
        let rounded: Vec<_> = pauses.iter().map(|pause| pause.round()).collect();
        assert_eq!(rounded, [3_300.0, 800.0, 8.0, 1.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_ever_more_seldom_and_a_success_forgets_them() {
        let failures = vec![Err("no"); 9];
        let (pauses, metrics) = pauses(&[failures, vec![Err("silence"), Ok(100), Err("no")]].concat()).await;
        for (at, pause) in pauses[..9].iter().enumerate() {
            let whole = f64::from(1 << at).min(60.0);
            assert!((whole / 2.0 - 0.1..whole + 0.1).contains(pause), "{at}: {pause}");
        }
        assert!(pauses[9] >= 20.0 + 30.0, "one that is not answered is given up: {}", pauses[9]);
        assert!((80.0..81.0).contains(&pauses[10]));
        assert!(pauses[11] < 1.1, "counted from the beginning: {}", pauses[11]);
        assert_eq!(metrics.failures("p"), 11);
    }
}

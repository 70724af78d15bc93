//! Looks at providers without a request, as `health.probe` says, for as long as the process serves.

use crate::{
    config::{Active, Probe},
    model::Clock,
    outbound::Client,
    proxy::{Generated, Generator, Probing},
    routing::{HealthMetrics, Proof, State},
};
use futures::future::join_all;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// A failure is looked at again after this, before it counts.
const CONFIRM: Duration = Duration::from_secs(1);
/// What is shut is looked at this often at least.
const WHILE_SHUT: Duration = Duration::from_secs(10);
/// A longer list of models is none.
const MOST_BYTES: usize = 16 << 20;

/// All that are looked at for one snapshot. A reload drops these and runs those of the next one.
pub(super) struct Probes {
    looked_at: Vec<(Probing, Client)>,
    clock: Arc<dyn Clock>,
    metrics: HealthMetrics,
    generator: Arc<Generator>,
}

impl Probes {
    /// Of `probings`; all without authorities of their own share one client.
    pub(super) fn new(
        probings: Vec<Probing>,
        clock: Arc<dyn Clock>,
        metrics: HealthMetrics,
        generator: Arc<Generator>,
    ) -> Self {
        let shared = Client::default();
        let with_client = |probing: Probing| {
            let client = probing.roots.clone().map_or_else(|| shared.clone(), Client::trusting);
            (probing, client)
        };
        Self { looked_at: probings.into_iter().map(with_client).collect(), clock, metrics, generator }
    }

    /// Looks at all of them. Never returns.
    pub(super) async fn run(&self) {
        join_all(self.looked_at.iter().map(|(probing, client)| self.keep(probing, client))).await;
        std::future::pending().await
    }

    /// One look after the other, never two at once. Never returns.
    async fn keep(&self, probing: &Probing, client: &Client) {
        let Active { every, .. } = probing.active;
        let mut failures = 0_u32;
        let mut unpaid = false;
        // The first looks of many providers do not come together.
        sleep(every.min(WHILE_SHUT).mul_f64(chance())).await;
        loop {
            // Nobody asks for what somebody took out.
            if probing.standings.iter().all(|one| one.is_out(self.clock.now_us())) {
                sleep(WHILE_SHUT.min(every)).await;
                continue;
            }
            let looked = self.look(probing, client, &mut unpaid).await;
            failures = if looked.is_err() { failures.saturating_add(1) } else { 0 };
            let now_us = self.clock.now_us();
            let is_shut =
                probing.standings.iter().any(|one| !one.is_out(now_us) && one.health(now_us).state != State::Open);
            let next = match failures {
                1 => CONFIRM.min(every),
                0 if !is_shut => every,
                _ => WHILE_SHUT.min(every),
            };
            if unpaid {
                self.metrics.unpaid(&probing.name);
            } else {
                self.metrics.probed(&probing.name, looked.is_ok());
            }
            // What was not looked at at all tells nothing.
            let told = !unpaid || probing.active.probe != Probe::Off;
            for standing in probing.standings.iter().filter(|_| told) {
                standing.probed(looked.as_ref().copied().map_err(String::as_str), next, now_us);
            }
            sleep(next.mul_f64(0.8 + chance() * 0.2)).await;
        }
    }

    /// One look. `unpaid`: the last one should have generated and could not; the first of those in a row is told.
    async fn look(&self, probing: &Probing, client: &Client, unpaid: &mut bool) -> Result<Proof, String> {
        let why = match probing.generate(&self.generator).await {
            None => return look(probing, client).await,
            Some(Generated::Answered(proof)) => {
                *unpaid = false;
                return Ok(proof);
            }
            Some(Generated::Failed(why)) => {
                *unpaid = false;
                return Err(why);
            }
            Some(Generated::Unasked(why)) => why,
        };
        if !std::mem::replace(unpaid, true) {
            let models = probing.standings.iter().map(|one| &*one.model).collect::<Vec<_>>().join(", ");
            let (provider, instead) = (&*probing.name, probing.active.probe.name());
            tracing::warn!(
                provider,
                model = models,
                why,
                instead,
                "a target is not asked for a token: it is looked at otherwise"
            );
        }
        look(probing, client).await
    }
}

/// One look, and what it proves; else why it failed, without secrets.
async fn look(probing: &Probing, client: &Client) -> Result<Proof, String> {
    let Active { probe, timeout, .. } = probing.active;
    let endpoint = probing.endpoint();
    let secure = match probe {
        // Looks that generate are made elsewhere.
        Probe::Off | Probe::Generate => return Ok(Proof::Reachable),
        Probe::Tcp => false,
        Probe::Tls => true,
        Probe::Models => {
            let request = probing.request().ok_or("it has no list of models")?;
            let answer = client.send(request, timeout, MOST_BYTES).await.map_err(|error| error.to_string())?;
            return match answer.status() {
                StatusCode::OK => Ok(Proof::Credentials),
                // It lives, though it does not know this call or does not like it now.
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::TOO_MANY_REQUESTS => {
                    Ok(Proof::Reachable)
                }
                status => Err(format!("its list of models was answered with status {status}")),
            };
        }
    };
    let reached = client.reach(&endpoint.host, endpoint.port, secure, timeout).await;
    reached.map(|()| Proof::Reachable).map_err(|error| error.to_string())
}

/// From 0 to 1. Without randomness all come together.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

//! Health of targets: the whole gateway's word, and a provider's own.

use super::Checker;
use crate::config::{
    Active, Health, Passive, Probe, ProbeBudget,
    error::hint,
    file::HealthFile,
    quantity::{Count, Percent, show_time},
    tree::join,
};
use std::time::Duration;

/// Looking more often would be load, not care.
const LEAST_EVERY: Duration = Duration::from_secs(1);

impl Checker<'_> {
    /// `file`, which stands at `path`; what it leaves out is as in `of_all`.
    pub(super) fn health(&mut self, path: &str, file: &HealthFile, of_all: &Health) -> Health {
        let passive = of_all.passive;
        let count = |written: Option<Count>, default: u32| written.map_or(default, |Count(count)| count);
        let ratio = file.ratio.map_or(passive.ratio, |Percent(percent)| percent);
        // What is taken over was judged where it is written.
        if file.ratio.is_some() && ratio > 100 {
            self.flag(&join(path, "ratio"), "is more than `100%`, which is never reached");
        }
        let mut time = |key: &str, written, default| self.time(&join(path, key), written, default);
        let passive = Passive {
            failures: count(file.failures, passive.failures),
            ratio,
            least: count(file.least, passive.least),
            window: time("window", file.window, passive.window),
            pause: time("pause", file.pause, passive.pause),
            most_pause: time("most_pause", file.most_pause, passive.most_pause),
        };
        let every = time("every", file.every, of_all.active.every);
        let timeout = time("timeout", file.timeout, of_all.active.timeout);
        if (file.pause.is_some() || file.most_pause.is_some()) && passive.most_pause < passive.pause {
            let key = if file.most_pause.is_some() { "most_pause" } else { "pause" };
            let (least, most) = (show_time(passive.pause), show_time(passive.most_pause));
            self.flag(&join(path, key), format!("`pause` is `{least}`, which is longer than `most_pause`, `{most}`"));
        }
        if file.every.is_some() && every < LEAST_EVERY {
            self.flag(&join(path, "every"), format!("must be at least {}", show_time(LEAST_EVERY)));
        }
        let written = file.probe.as_deref().and_then(|written| self.probe(&join(path, "probe"), written));
        let probe = written.unwrap_or(of_all.active.probe);
        let budget = self.probe_budget(path, file, (probe, of_all.active.budget));
        Health { passive, active: Active { probe, every, timeout, budget } }
    }

    fn probe_budget(
        &mut self,
        path: &str,
        file: &HealthFile,
        (probe, of_all): (Probe, Option<ProbeBudget>),
    ) -> Option<ProbeBudget> {
        let at = join(path, "probe_budget");
        let budget = file.probe_budget.as_ref().map(|file| ProbeBudget { nano: file.usd.nano(), per: file.per });
        if budget.is_some_and(|budget| budget.nano <= 0) {
            self.flag(&join(&at, "usd"), "must be more than 0; for looks that cost nothing write `probe: models`");
        }
        if probe == Probe::Generate && budget.or(of_all).is_none() {
            let message =
                "the probe `generate` costs money; say how much it may: `probe_budget: { usd: 0.10, per: day }`";
            self.flag(&join(path, "probe"), message);
        }
        if budget.is_some() && probe != Probe::Generate {
            self.flag(&at, "only the probe `generate` costs money; leave it out, or write `probe: generate`");
        }
        budget.or(of_all)
    }

    fn probe(&mut self, path: &str, written: &str) -> Option<Probe> {
        let probe = Probe::ALL.into_iter().find(|probe| probe.name() == written);
        if probe.is_none() {
            let shown = self.shown(path, written);
            let message = format!("there is no probe {shown}{}", hint(written, Probe::ALL.map(Probe::name)));
            self.flag(path, message);
        }
        probe
    }
}

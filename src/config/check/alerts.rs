//! `alerts`.

use super::Checker;
use crate::config::{AlertBounds, Secret, file::AlertsFile, quantity::show_time};
use std::time::Duration;

/// Shortest and longest `within`.
const WITHIN: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60 * 60)];

impl Checker<'_> {
    /// The address that alerts go to, and when there are any. The address may hold a token, so it is not shown.
    pub(super) fn alerts(&mut self, file: AlertsFile) -> (Option<Secret>, AlertBounds) {
        let usual = AlertBounds::default();
        let within = self.time("alerts.within", file.within, usual.within);
        let lag = self.time("alerts.lag", file.lag, usual.lag);
        if within < WITHIN[0] || within > WITHIN[1] {
            let [least, most] = WITHIN.map(show_time);
            self.flag("alerts.within", format!("must be a time from {least} to {most}"));
        }
        let many = |written: Option<u64>, usual: Option<u64>| written.map_or(usual, |many| (many > 0).then_some(many));
        let (refusals, finds) = (many(file.refusals, usual.refusals), many(file.finds, usual.finds));
        (self.webhook(file.webhook), AlertBounds { within, refusals, finds, lag })
    }

    fn webhook(&mut self, webhook: Option<Secret>) -> Option<Secret> {
        let webhook = webhook?;
        let uri: Option<http::Uri> = webhook.expose().parse().ok();
        let fits = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
        if !fits {
            self.flag("alerts.webhook", "must be a URL that begins with `https://` or `http://`");
        }
        Some(webhook)
    }
}

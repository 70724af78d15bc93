use super::*;
use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

const BOUNDS: AlertBounds =
    AlertBounds { within: Duration::from_secs(60), refusals: Some(100), finds: Some(20), lag: Duration::from_secs(30) };

/// Metrics, and who looks at them each ten seconds.
struct Bench {
    registry: Registry,
    watch: Watch,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self { registry: Registry::new(), watch: Watch::new(BOUNDS), now: Duration::ZERO }
    }

    fn counter(&self, name: &str, labels: &[&str]) -> IntCounterVec {
        let made = IntCounterVec::new(Opts::new(name, "of a test"), labels).expect("a good name");
        self.registry.register(Box::new(made.clone())).expect("a new name");
        made
    }

    fn gauge(&self, name: &str, labels: &[&str]) -> GaugeVec {
        let made = GaugeVec::new(Opts::new(name, "of a test"), labels).expect("a good name");
        self.registry.register(Box::new(made.clone())).expect("a new name");
        made
    }

    /// What one look tells: kind, subject and state.
    fn look(&mut self) -> Vec<[String; 3]> {
        self.now += Duration::from_secs(10);
        let notices = self.watch.look(&self.registry.gather(), self.now);
        let word = |notice: &Notice, name: &str| notice.facts[name].as_str().unwrap_or_default().to_owned();
        notices.iter().map(|notice| ["kind", "subject", "state"].map(|name| word(notice, name))).collect()
    }

    /// What so many looks tell together.
    fn looks(&mut self, times: usize) -> Vec<[String; 3]> {
        (0..times).flat_map(|_| self.look()).collect()
    }
}

fn told(kind: &str, subject: &str, state: &str) -> Vec<[String; 3]> {
    vec![[kind.to_owned(), subject.to_owned(), state.to_owned()]]
}

#[test]
fn a_target_is_told_once_when_it_is_shut_and_once_when_it_is_open() {
    let mut bench = Bench::new();
    let state = bench.gauge("weighbridge_routing_target_state", &["provider", "target"]);
    let one = state.with_label_values(&["openai", "gpt-4o"]);
    state.with_label_values(&["anthropic", "claude"]).set(1.0);
    one.set(1.0);
    assert!(bench.looks(3).is_empty());
    one.set(0.0);
    assert_eq!(bench.look(), told("target", "openai/gpt-4o", "begun"));
    assert_eq!(bench.watch.lasting()["target"], 1);
    assert!(bench.looks(3).is_empty(), "it is told once");
    one.set(0.5);
    assert!(bench.looks(3).is_empty(), "half open is not open");
    one.set(1.0);
    assert_eq!(bench.look(), told("target", "openai/gpt-4o", "over"));
    assert_eq!(bench.watch.lasting()["target"], 0);
    one.set(0.0);
    assert_eq!(bench.look(), told("target", "openai/gpt-4o", "begun"), "it may happen again");
}

#[test]
fn refusals_are_told_when_they_are_many_within_the_window_and_over_when_they_are_few_for_another() {
    let mut bench = Bench::new();
    let past = bench.counter("weighbridge_limits_decisions_total", &["scope", "what", "mode", "outcome"]);
    let past_one = past.with_label_values(&["team", "requests", "enforce", "past"]);
    let passed = past.with_label_values(&["team", "requests", "enforce", "passed"]);
    past_one.inc_by(5_000);
    assert!(bench.look().is_empty(), "what was there before it looked is nobody's news");
    passed.inc_by(10_000);
    past_one.inc_by(99);
    assert!(bench.looks(12).is_empty(), "not many, and they leave the window");
    past_one.inc_by(60);
    assert!(bench.look().is_empty());
    past_one.inc_by(60);
    assert_eq!(bench.look(), told("limit", "team/requests/enforce", "begun"));
    past_one.inc_by(1_000);
    assert!(bench.looks(6).is_empty(), "it lasts");
    assert_eq!(bench.looks(12), told("limit", "team/requests/enforce", "over"));
}

#[test]
fn a_counter_that_appears_later_has_grown_from_nothing() {
    let mut bench = Bench::new();
    let finds = bench.counter("weighbridge_guard_finds_total", &["guard", "hook", "action", "entity"]);
    finds.with_label_values(&["no-pii", "input", "redact", "email"]).inc();
    assert!(bench.look().is_empty());
    finds.with_label_values(&["attacks", "input", "block", "injection"]).inc_by(15);
    finds.with_label_values(&["attacks", "tool_result", "block", "injection"]).inc_by(5);
    assert_eq!(bench.look(), told("guardrail", "attacks", "begun"), "its series are added up");
    finds.with_label_values(&["dlp", "input", "block", "failed"]).inc();
    assert_eq!(bench.look(), told("guardrail_failed", "dlp", "begun"));
}

#[test]
fn any_failed_write_is_told_and_so_is_a_lag() {
    let mut bench = Bench::new();
    let errors = bench.counter("weighbridge_ledger_write_errors_total", &[]);
    let lag = bench.gauge("weighbridge_ledger_lag_seconds", &[]);
    errors.with_label_values::<&str>(&[]).inc_by(0);
    assert!(bench.look().is_empty());
    errors.with_label_values::<&str>(&[]).inc();
    assert_eq!(bench.look(), told("ledger_writes", "", "begun"));
    lag.with_label_values::<&str>(&[]).set(31.0);
    assert_eq!(bench.look(), told("ledger_lag", "", "begun"));
    lag.with_label_values::<&str>(&[]).set(0.1);
    assert_eq!(bench.look(), told("ledger_lag", "", "over"));
}

#[test]
fn what_is_switched_off_is_never_told() {
    let mut bench = Bench::new();
    bench.watch.bounds = AlertBounds { refusals: None, finds: None, ..BOUNDS };
    let past = bench.counter("weighbridge_proxy_rejects_total", &["code"]);
    past.with_label_values(&["overloaded"]).inc();
    assert!(bench.look().is_empty());
    past.with_label_values(&["overloaded"]).inc_by(1_000_000);
    assert!(bench.looks(3).is_empty());
    bench.watch.bounds = BOUNDS;
    assert!(bench.look().is_empty(), "what was before is no news");
    past.with_label_values(&["overloaded"]).inc_by(1_000);
    assert_eq!(bench.look(), told("overload", "", "begun"));
}

#[test]
fn a_target_that_is_gone_from_the_configuration_is_forgotten() {
    let mut bench = Bench::new();
    let state = bench.gauge("weighbridge_routing_target_state", &["provider", "target"]);
    state.with_label_values(&["openai", "gpt-4o"]).set(0.0);
    assert_eq!(bench.look().len(), 1);
    state.remove_label_values(&["openai", "gpt-4o"]).expect("it is there");
    assert!(bench.look().is_empty());
    assert_eq!(bench.watch.lasting()["target"], 0);
}

#[test]
fn a_notice_says_what_it_is_about_in_words_and_facts() {
    let notice = RULES[0].notice("openai/gpt-4o", 1.0, Some(Duration::from_secs(95)));
    assert_eq!(notice.text, "Weighbridge: target `openai/gpt-4o` is open again (after 95 s)");
    assert_eq!((&notice.facts["state"], &notice.facts["lasted_s"]), (&json!("over"), &json!(95)));
}

#[test]
fn a_thousand_targets_are_told_a_few_at_a_time() {
    let mut bench = Bench::new();
    let state = bench.gauge("weighbridge_routing_target_state", &["provider", "target"]);
    for number in 0..100 {
        state.with_label_values(&["p", &number.to_string()]).set(0.0);
    }
    assert_eq!(bench.look().len(), MOST_AT_ONCE);
    assert_eq!(bench.looks(4).len(), 100 - MOST_AT_ONCE);
}

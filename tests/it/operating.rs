//! What operators are given besides the gateway: the dashboard, rules and alerts ask for metrics and labels that there are.

use crate::support::call::Call;
use crate::support::config::Setup;
use crate::support::eventually;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CHAT: &str = "/v1/chat/completions";

/// Labels of a scrape and of a histogram.
const ANYWHERE: [&str; 4] = ["job", "instance", "le", "__name__"];

type Series = BTreeMap<String, BTreeSet<String>>;

/// The metrics of a gateway that has answered, refused and found something, with their labels.
async fn series() -> Series {
    let upstream = Upstream::start().await;
    upstream.always(Script::json(200, sample::CHAT));
    let gateway = Setup::openai(&[&upstream])
        .top("guardrails:\n  no-pii: { kind: pii, entities: [email], action: redact }")
        .search("guardrails: [no-pii], limits: [{ requests: 1000, per: minute }], budgets: [{ usd: 100, per: day }]")
        .start()
        .await;
    let ask =
        r#"{"model": "fast", "max_tokens": 9, "messages": [{"role": "user", "content": "I am ann.lee@example.com"}]}"#;
    assert_eq!(gateway.post(CHAT, ask).await.status, 200);
    assert_eq!(Call::post(CHAT, ask).key("wb-unknown").send(gateway.address).await.status, 401);
    // A request is counted when it is over, which its client may know first.
    let metrics = eventually("both requests are counted", || async {
        let metrics = gateway.metrics().await;
        let parts =
            ["weighbridge_proxy_rejects_total{", "weighbridge_guard_finds_total{", "status=\"2xx\"", "status=\"4xx\""];
        parts.iter().all(|part| metrics.contains(part)).then_some(metrics)
    })
    .await;
    let mut series = Series::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = word(line);
        let labels = line[name.len()..].strip_prefix('{').map_or("", |rest| rest.rsplit_once('}').expect("closed").0);
        series.entry(name.to_owned()).or_default().extend(label_names(labels));
    }
    series
}

/// The name that `text` begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    &text[..end]
}

/// The names in `a="b", c=~"d"`; a value may hold anything but `"`.
fn label_names(labels: &str) -> Vec<String> {
    let outside: String = labels.split('"').step_by(2).collect();
    outside.split(',').map(|one| word(one.trim()).to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Checks the metrics, labels and recorded series of `expr`; gives the labels that its result may have.
fn check(expr: &str, series: &Series, recorded: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = ANYWHERE.map(str::to_owned).into();
    let (mut found, mut at) = (0, 0);
    while at < expr.len() {
        let name = word(&expr[at..]);
        if !["weighbridge_", "weighbridge:", "process_"].iter().any(|begin| name.starts_with(begin)) {
            at += name.len().max(1);
            continue;
        }
        found += 1;
        let labels = series.get(name).or_else(|| recorded.get(name));
        let labels = labels.unwrap_or_else(|| panic!("there is no metric `{name}`: {expr}"));
        known.extend(labels.iter().cloned());
        at += name.len();
        if let Some(rest) = expr[at..].strip_prefix('{') {
            for label in label_names(&rest[..rest.find('}').expect("closed")]) {
                let there = labels.contains(&label) || ANYWHERE.contains(&&*label);
                assert!(there, "`{name}` has no label `{label}`: {expr}");
            }
        }
    }
    assert!(found > 0, "asks for nothing of ours: {expr}");
    let mut last = None;
    for (begin, _) in expr.match_indices("by (").chain(expr.match_indices("on (")) {
        let list = &expr[begin + 4..begin + expr[begin..].find(')').expect("closed")];
        for label in label_names(list) {
            assert!(known.contains(&label), "no metric has the label `{label}`: {expr}");
        }
        last = Some(list);
    }
    match last {
        Some(list) if !expr.contains(" or ") => {
            label_names(list).into_iter().chain(ANYWHERE.map(str::to_owned)).collect()
        }
        _ => known,
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("is there")
}

#[tokio::test]
async fn the_dashboard_and_the_rules_ask_for_what_there_is() {
    let series = series().await;
    let mut recorded = BTreeMap::new();
    for file in ["conf/prometheus/rules.yml", "conf/prometheus/alerts.yml"] {
        let rules: Value = serde_yaml::from_str(&read(file)).expect("YAML");
        for rule in
            rules["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array()).flatten()
        {
            let labels = check(rule["expr"].as_str().expect("an expression"), &series, &recorded);
            if let Some(record) = rule["record"].as_str() {
                recorded.insert(record.to_owned(), labels);
                continue;
            }
            let alert = rule["alert"].as_str().expect("an alert");
            for part in ["summary", "runbook"] {
                let text = rule["annotations"][part].as_str().unwrap_or_else(|| panic!("{alert} has no {part}"));
                for label in text.split("$labels.").skip(1).map(word) {
                    assert!(labels.contains(label), "{alert} has no label `{label}`");
                }
            }
            assert!(rule["labels"]["severity"].is_string(), "{alert}");
        }
    }
    let dashboard: Value = serde_json::from_str(&read("conf/grafana/weighbridge.json")).expect("JSON");
    let mut ids = BTreeSet::new();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let labels = check(target["expr"].as_str().expect("an expression"), &series, &recorded);
            asked += 1;
            for label in target["legendFormat"].as_str().unwrap_or_default().split("{{").skip(1).map(word) {
                assert!(labels.contains(label), "{}: no label `{label}`", panel["title"]);
            }
        }
    }
    assert!(asked > 20, "{asked} questions");
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if let Some(query) = variable["query"]["query"].as_str() {
            let (metric, label) =
                query.trim_start_matches("label_values(").trim_end_matches(')').split_once(", ").expect("two");
            let labels = series.get(metric).unwrap_or_else(|| panic!("{metric}"));
            assert!(labels.contains(label) || ANYWHERE.contains(&label), "{query}");
        }
    }
}

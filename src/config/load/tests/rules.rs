//! What limits and budgets of the file mean.

use super::load;
use crate::config::{Budgeting, Calendar, Each, LimitWhat, Mode, OnExhausted, Per, Rules, Scope, Unit};
use jiff::tz::TimeZone;

fn ids(rules: &Rules) -> Vec<&str> {
    rules.limits.iter().map(|limit| &*limit.id).chain(rules.budgets.iter().map(|budget| &*budget.id)).collect()
}

const FILE: &str = "\
limits: [{ requests: 1000, per: second }, { requests: 60, per: minute, each: user, mode: audit }]
budgets: [{ usd: 10000, per: month, zone: Europe/Berlin, alerts: [90%, 75%] }]
budgeting: { estimates: learned, default_max_output_tokens: 2000, exhausted_status: 429, zone: Asia/Tokyo }
defaults:
  teams: { limits: [{ concurrent: 50 }], budgets: [{ tokens: 1000000, per: day }] }
  keys: { models: [fast], budgets: [{ usd: 5, per: day }] }
providers: { p: { kind: openai, limits: [{ tokens: 9000, per: minute }] } }
models: { fast: { targets: [{ provider: p, model: m }], budgets: [{ usd: 1.5, per: lifetime, each: metadata.project, overrides: { x: 3 } }] } }
teams:
  search: { budgets: [{ name: main, usd: 500, per: quarter, metadata: { env: prod }, min_output_tokens: 64 }] }
  ads: { limits: [] }
keys:
  - { name: ci, team: search, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }
  - name: own
    team: ads
    models: '*'
    hash: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    budgets: [{ usd: 7, per: week, on_exhausted: { fallback: fast, at: 80% } }]
";

#[test]
fn rules_stand_in_their_scopes_under_stable_ids() {
    let config = load(FILE).expect("valid");
    assert_eq!(
        ids(&config.rules),
        ["gateway/requests/second", "gateway/requests/minute/each user", "gateway/usd/month"]
    );
    let limit = &config.rules.limits[0];
    let LimitWhat::Requests { most, per: Per::Second } = limit.what else { panic!("{limit:?}") };
    assert_eq!((most.get(), &limit.scope, limit.mode), (1000, &Scope::Gateway, Mode::Enforce));
    assert_eq!((&config.rules.limits[1].each, config.rules.limits[1].mode), (&Some(Each::User), Mode::Audit));
    let budget = &config.rules.budgets[0];
    assert_eq!((budget.unit, budget.limit, budget.per), (Unit::Usd, 10_000_000_000_000, Calendar::Month));
    assert_eq!((budget.zone.iana_name(), &*budget.alerts), (Some("Europe/Berlin"), &[75, 90][..]));
    assert_eq!((budget.min_output_tokens, &budget.on_exhausted), (256, &OnExhausted::Refuse));
    assert_eq!(ids(&config.providers["p"].rules), ["provider/p/tokens/minute"]);
    assert_eq!(ids(&config.models["fast"].rules), ["model/fast/usd/lifetime/each metadata.project"]);
    let each = &config.models["fast"].rules.budgets[0];
    assert_eq!((each.limit, each.overrides.get("x")), (1_500_000_000, Some(&3_000_000_000)));
    assert_eq!(each.zone.iana_name(), Some("Asia/Tokyo"), "where the budget does not say");
}

#[test]
fn what_a_scope_says_itself_stands_in_place_of_the_default_list_by_list() {
    let config = load(FILE).expect("valid");
    assert_eq!(ids(&config.teams["search"].rules), ["team/search/concurrent", "team/search/main"]);
    assert_eq!(ids(&config.teams["ads"].rules), ["team/ads/tokens/day"], "an empty list is a list");
    assert_eq!(ids(&config.keys[0].rules), ["key/ci/usd/day"]);
    assert!(config.keys[0].models.contains("fast") && !config.keys[0].models.contains("other"));
    assert!(config.keys[1].models.contains("other"));
    let own = &config.keys[1].rules.budgets[0];
    assert_eq!(own.on_exhausted, OnExhausted::Fallback { model: "fast".into(), at: 80 });
    assert_eq!(config.teams["search"].rules.budgets[0].metadata.get("env").map(|value| &**value), Some("prod"));
}

#[test]
fn how_money_is_held_can_be_chosen() {
    let Budgeting { estimates, default_max_output_tokens, exhausted_status, zone } =
        load(FILE).expect("valid").budgeting;
    assert_eq!(estimates, crate::config::Estimates::Learned);
    assert_eq!((default_max_output_tokens.get(), exhausted_status, zone.iana_name()), (2000, 429, Some("Asia/Tokyo")));
    let default = load("admin: { listen: 'off' }").map(|config| config.budgeting).expect("everything has a default");
    assert_eq!(default, Budgeting::default());
}

#[test]
fn rules_of_a_key_that_is_made_at_run_time_are_read_like_those_of_the_file() {
    let scope = Scope::Key("ci".into());
    let read = |text| Rules::from_text(&scope, text, &["cheap"], &TimeZone::UTC);
    let rules = read(
        r#"{"limits": [{"requests": 5, "per": "minute"}], "budgets": [{"usd": "0.5", "per": "day", "alerts": ["75%"]}]}"#,
    );
    let rules = rules.expect("valid");
    assert_eq!(ids(&rules), ["key/ci/requests/minute", "key/ci/usd/day"]);
    assert_eq!(rules.budgets[0].limit, 500_000_000);
    assert!(read("{}").expect("valid").is_empty());
    let wrong = [
        (r#"{"limit": []}"#, "limit: unknown key; did you mean `limits`?"),
        (
            r#"{"budgets": [{"usd": 1, "per": "day", "on_exhausted": {"fallback": "dear"}}]}"#,
            "budgets[0].on_exhausted.fallback: there is no model `dear`; valid is `cheap`",
        ),
        (
            r#"{"budgets": [{"usd": 1, "per": "day", "each": "model", "overrides": {"cheep": 2}}]}"#,
            "budgets[0].overrides.cheep: there is no model `cheep`; did you mean `cheap`?",
        ),
        (
            r#"{"limits": [{"requests": 5, "per": "minute", "each": "key"}]}"#,
            "limits[0].each: a key has but one key; leave it out",
        ),
    ];
    for (text, want) in wrong {
        let said = read(text).map(|_| ()).expect_err(text).to_string();
        assert!(said.ends_with(want), "{said}");
    }
}

#[test]
fn an_override_for_a_name_that_is_not_there_is_refused() {
    let with = |each: &str, name: &str, admin: &str| {
        let budget = format!("budgets: [{{ usd: 9, per: day, each: {each}, overrides: {{ {name}: 3 }} }}]\n");
        let rest = FILE.split_once("budgeting:").map(|(_, rest)| format!("budgeting:{rest}")).expect("the file has it");
        load(&format!("{admin}{budget}{rest}")).map(|_| ()).map_err(|errors| errors.to_string())
    };
    let cases = [
        ("model", "fats", "budgets[0].overrides.fats: there is no model `fats`; did you mean `fast`?"),
        ("team", "serch", "budgets[0].overrides.serch: there is no team `serch`; did you mean `search`?"),
        ("key", "cii", "budgets[0].overrides.cii: there is no key `cii`; did you mean `ci`?"),
    ];
    for (each, name, want) in cases {
        let said = with(each, name, "").expect_err(name);
        assert!(said.ends_with(want), "{said}");
    }
    for (each, name) in [("model", "fast"), ("team", "ads"), ("key", "own"), ("user", "ann"), ("metadata.x", "y")] {
        assert_eq!(with(each, name, ""), Ok(()), "{each} {name}");
    }
    assert_eq!(with("key", "'jwt:login.example.com'", ""), Ok(()), "the key of an issuer's callers");
    let admin = "admin: { token: 'a-token-of-some-length' }\n";
    for (each, name) in [("team", "later"), ("key", "later")] {
        assert_eq!(with(each, name, admin), Ok(()), "{each}: it may be made at run time");
    }
    assert!(with("model", "fats", admin).is_err(), "models are those of the file");
}

#[test]
fn ids_of_two_budgets_are_never_the_same() {
    let id = |scope: &Scope, text: &str| {
        let rules = Rules::from_text(scope, text, &[], &TimeZone::UTC).expect("rules");
        rules.budgets[0].id.to_string()
    };
    let team = |name: &str| Scope::Team(name.into());
    assert_eq!(id(&team("search"), "budgets: [{ usd: 1, per: month }]"), "team/search/usd/month");
    assert_eq!(id(&team("x/usd"), "budgets: [{ usd: 1, per: day, name: month }]"), "team/x%2Fusd/month");
    assert_eq!(id(&team("x%2Fusd"), "budgets: [{ usd: 1, per: day, name: month }]"), "team/x%252Fusd/month");
    let one = id(&team("x"), "budgets: [{ usd: 1, per: day, metadata: { a: 'b/c=d' } }]");
    let two = id(&team("x"), "budgets: [{ usd: 1, per: day, metadata: { a: b, c: d } }]");
    assert_eq!((&*one, &*two), ("team/x/usd/day/a=b%2Fc=d", "team/x/usd/day/a=b/c=d"));
    let defaults =
        Rules::from_text(&team("any"), "budgets: [{ usd: 1, per: month }]", &[], &TimeZone::UTC).expect("rules");
    assert_eq!(&*defaults.rescoped(&team("any"), &team("x/y")).budgets[0].id, "team/x%2Fy/usd/month");
}

#[test]
fn a_rule_whose_id_is_too_long_is_refused_by_its_key_path() {
    let text =
        format!("budgets: [{{ usd: 1, per: day }}, {{ usd: 1, per: day, metadata: {{ a: {} }} }}]", "v".repeat(250));
    let refused =
        Rules::from_text(&Scope::Team("x".into()), &text, &[], &TimeZone::UTC).expect_err("too long").to_string();
    assert!(refused.contains("budgets[1]") && refused.contains("256 are allowed"), "{refused}");
    assert!(!refused.contains("budgets[0]"), "{refused}");
}

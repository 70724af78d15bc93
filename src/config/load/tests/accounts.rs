//! Several accounts of a provider, and mirrors.

use super::load;

const FILE: &str = "\
providers:
  p:
    kind: openai
    protocol: http2
    limits: [{ requests: 100, per: minute }]
    accounts:
      eu: { api_key: one, protocol: http1 }
      us: { api_key: two, limits: [{ tokens: 9000, per: minute }] }
models:
  fast: { targets: [{ provider: p, model: m }, { provider: p#us, model: n }], mirror: { to: shadow, key: ci, share: 5% } }
  shadow: { targets: [{ provider: p#eu, model: m }] }
teams: { search: {} }
keys: [{ name: ci, team: search, hash: 'sha256:HASH' }]
";

#[test]
fn a_target_at_a_provider_with_accounts_is_one_at_each_of_them() {
    let config = load(&file()).expect("valid");
    let targets = &config.models["fast"].targets;
    let targets: Vec<_> = targets.iter().map(|target| format!("{}/{}", target.provider, target.model)).collect();
    assert_eq!(targets, ["p#eu/m", "p#us/m", "p#us/n"]);
    assert_eq!(config.providers.keys().map(|name| &**name).collect::<Vec<_>>(), ["p#eu", "p#us"]);
    let [eu, us] = ["p#eu", "p#us"].map(|name| &config.providers[name]);
    assert_ne!(eu.protocol, us.protocol, "what an account says itself stands over what the provider says");
    assert_eq!(&*us.kind, "openai");
    let ids = |at: usize| [eu, us][at].rules.limits.iter().map(|limit| &*limit.id).collect::<Vec<_>>();
    assert_eq!(ids(0), ["provider/p/requests/minute"], "one count for all accounts");
    assert_eq!(ids(1), ["provider/p/requests/minute", "provider/p#us/tokens/minute"]);
    let mirror = config.models["fast"].mirror.as_deref().expect("is written");
    assert_eq!((&*mirror.to, &*mirror.key, mirror.percent), ("shadow", "ci", 5));
}

#[test]
fn what_accounts_and_mirrors_cannot_be_is_told_at_its_place() {
    let cases = [
        ("eu: {", "e.u: {", "providers.p.accounts.\"e.u\"", "an account's name has"),
        ("eu: {", "eu: { kind: azure,", "providers.p.accounts.eu.kind", "stands at the provider"),
        ("p#us, model: n", "p#xx, model: n", "models.fast.targets[1].provider", "there is no provider `p#xx`"),
        ("to: shadow", "to: fast", "models.fast.mirror.to", "is the model itself"),
        ("to: shadow", "to: shadows", "models.fast.mirror.to", "did you mean `shadow`?"),
        ("key: ci", "key: cy", "models.fast.mirror.key", "there is no key `cy`"),
        ("share: 5%", "share: 101%", "models.fast.mirror.share", "more than `100%`"),
        ("teams: {", "files: { provider: p }\nteams: {", "files.provider", "name one of them, such as `p#eu`"),
    ];
    for (was, is, path, message) in cases {
        let errors = load(&file().replacen(was, is, 1)).expect_err(is);
        let told = errors.0.iter().find(|error| error.path == path).unwrap_or_else(|| panic!("{is}: {errors}"));
        assert!(told.message.contains(message), "{is}: {}", told.message);
    }
}

fn file() -> String {
    FILE.replace("HASH", &"a".repeat(64))
}

use super::*;
use crate::config::{Config, Key, Team};
use http::{HeaderMap, HeaderName, HeaderValue};

const NOW_US: u64 = 1_700_000_000_000_000;

/// Names and values of headers.
type Pairs<'a> = &'a [(&'a str, &'a str)];

fn headers(pairs: Pairs<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
    }
    map
}

fn only(names: &[&str]) -> Allowed {
    Allowed::Only(names.iter().map(|name| Arc::from(*name)).collect())
}

fn config(teams: Vec<(&str, Allowed)>, keys: Vec<Key>) -> Config {
    let none = Config::from_text("admin: { listen: \"off\" }", None).expect("everything has a default");
    let team = |(name, models): (&str, Allowed)| {
        (
            Arc::from(name),
            Team {
                name: Arc::from(name),
                models,
                priority: crate::config::Priority::Normal,
                cache: None,
                rules: Arc::default(),
            },
        )
    };
    Config { teams: teams.into_iter().map(team).collect(), keys, ..none }
}

fn key(name: &str, team: &str, secret: &str, models: Allowed) -> Key {
    Key {
        allowed_ips: crate::config::Networks::default(),
        name: name.into(),
        team: team.into(),
        hash: hash_of(secret.as_bytes()),
        priority: None,
        models,
        expires_us: None,
        rules: Arc::default(),
    }
}

fn authenticate(ring: &Keyring, pairs: Pairs<'_>) -> Result<Arc<Caller>, AuthError> {
    ring.authenticate(Presented::from_headers(&headers(pairs))?, NOW_US)
}

#[test]
fn a_key_is_taken_from_each_of_the_four_headers() {
    let ring = Keyring::build(&config(vec![("t", Allowed::All)], vec![key("k", "t", "wb-1", Allowed::All)]));
    let cases: [(&str, Pairs<'_>); 7] = [
        ("bearer", &[("authorization", "Bearer wb-1")]),
        ("scheme in lower case", &[("authorization", "bearer wb-1")]),
        ("two spaces", &[("authorization", "Bearer  wb-1")]),
        ("anthropic", &[("x-api-key", "wb-1")]),
        ("azure", &[("api-key", "wb-1")]),
        ("google", &[("x-goog-api-key", "wb-1")]),
        ("the same key twice", &[("authorization", "Bearer wb-1"), ("x-api-key", "wb-1")]),
    ];
    for (name, pairs) in cases {
        let caller = authenticate(&ring, pairs).expect(name);
        assert_eq!((&*caller.key, &*caller.team), ("k", "t"), "{name}");
    }
}

#[test]
fn headers_that_leave_doubt_are_refused() {
    let long = "k".repeat(513);
    let cases: [(&str, Pairs<'_>, &str); 11] = [
        ("none", &[], "missing_api_key"),
        ("other headers only", &[("cookie", "key=wb-1")], "missing_api_key"),
        ("two keys", &[("authorization", "Bearer wb-1"), ("x-api-key", "wb-2")], "conflicting_api_keys"),
        ("two keys in one header", &[("x-api-key", "wb-1"), ("x-api-key", "wb-2")], "conflicting_api_keys"),
        ("basic", &[("authorization", "Basic d2ItMTp4")], "malformed_api_key"),
        ("no scheme", &[("authorization", "wb-1")], "malformed_api_key"),
        ("empty bearer", &[("authorization", "Bearer ")], "malformed_api_key"),
        ("empty header beside a good one", &[("authorization", "Bearer wb-1"), ("api-key", "")], "malformed_api_key"),
        ("two words", &[("authorization", "Bearer wb-1 wb-2")], "malformed_api_key"),
        ("not ascii", &[("x-api-key", "wb-é")], "malformed_api_key"),
        ("too long", &[("x-api-key", &long)], "malformed_api_key"),
    ];
    for (name, pairs, want) in cases {
        let got = Presented::from_headers(&headers(pairs)).map(|_| ()).expect_err(name);
        assert_eq!(got.code(), want, "{name}");
    }
    let longest = "k".repeat(512);
    assert!(Presented::from_headers(&headers(&[("x-api-key", &longest)])).is_ok());
}

#[test]
fn an_unknown_or_expired_key_is_nobody() {
    let mut expiring = key("old", "t", "wb-old", Allowed::All);
    expiring.expires_us = Some(NOW_US);
    let mut fresh = key("fresh", "t", "wb-fresh", Allowed::All);
    fresh.expires_us = Some(NOW_US + 1);
    let ring = Keyring::build(&config(vec![("t", Allowed::All)], vec![expiring, fresh]));
    assert_eq!(authenticate(&ring, &[("x-api-key", "wb-ol")]), Err(AuthError::Unknown));
    assert_eq!(authenticate(&ring, &[("x-api-key", "wb-old")]), Err(AuthError::Expired { key: "old".into() }));
    assert!(authenticate(&ring, &[("x-api-key", "wb-fresh")]).is_ok(), "until its last microsecond");
}

#[test]
fn a_caller_may_call_what_team_and_key_both_allow() {
    let cases = [
        ("both all", Allowed::All, Allowed::All, [true, true, true]),
        ("the team narrows", only(&["a", "b"]), Allowed::All, [true, true, false]),
        ("the key narrows", Allowed::All, only(&["b"]), [false, true, false]),
        ("both narrow", only(&["a", "b"]), only(&["b", "c"]), [false, true, false]),
        ("nothing in common", only(&["a"]), only(&["c"]), [false, false, false]),
        ("an empty list is nothing", only(&[]), Allowed::All, [false, false, false]),
    ];
    for (name, team, models, want) in cases {
        let ring = Keyring::build(&config(vec![("t", team)], vec![key("k", "t", "wb-1", models)]));
        let caller = authenticate(&ring, &[("api-key", "wb-1")]).expect(name);
        assert_eq!(["a", "b", "c"].map(|model| caller.may_call(model)), want, "{name}");
    }
}

#[test]
fn a_key_of_no_team_may_call_nothing() {
    let ring = Keyring::build(&config(Vec::new(), vec![key("k", "gone", "wb-1", Allowed::All)]));
    assert!(!authenticate(&ring, &[("api-key", "wb-1")]).expect("the key is known").may_call("a"));
}

#[test]
fn nothing_of_a_planted_key_gets_into_errors_or_debug() {
    const PLANTED: &str = "wb-PLANTEDplantedPLANTEDplantedPLANTEDplanted00";
    const OTHER: &str = "wb-OTHERplantedPLANTEDplantedPLANTEDplanted0000";
    let mut expired = key("name", "t", PLANTED, Allowed::All);
    expired.expires_us = Some(1);
    let ring = Keyring::build(&config(vec![("t", Allowed::All)], vec![expired]));
    let bearer = format!("Bearer {PLANTED}");
    let requests: [Pairs<'_>; 6] = [
        &[("x-api-key", PLANTED)],
        &[("x-api-key", OTHER)],
        &[("authorization", PLANTED)],
        &[("authorization", &bearer), ("x-api-key", OTHER)],
        &[("authorization", &bearer), ("api-key", "PLANTED é")],
        &[("authorization", &format!("{bearer} {OTHER}"))],
    ];
    let mut texts = vec![format!("{ring:?}")];
    for pairs in requests {
        let error = authenticate(&ring, pairs).expect_err("each is refused");
        texts.extend([error.to_string(), format!("{error:?}"), error.code().to_owned()]);
    }
    let hash = hash_text(&hash_of(PLANTED.as_bytes()));
    for text in texts {
        assert!(!text.to_lowercase().contains("planted"), "{text}");
        assert!(!text.contains(hash.trim_start_matches("sha256:")), "{text}");
    }
}

#[test]
fn a_new_key_is_long_random_and_known_by_its_hash() {
    let (first, hash) = new_key().expect("the operating system has randomness");
    let (second, _) = new_key().expect("the operating system has randomness");
    assert_ne!(first.expose(), second.expose());
    let body = first.expose().strip_prefix("wb-").expect("the prefix");
    assert_eq!(body.len(), 43);
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    assert_eq!(hash_of(first.expose().as_bytes()), hash);
    let text = hash_text(&hash);
    assert_eq!((text.len(), &text[..7]), (71, "sha256:"));
}

#[test]
fn a_hash_is_the_sha256_of_the_whole_key() {
    // The one-block vector of FIPS 180-2, appendix B.1.
    let want = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hash_text(&hash_of(b"abc")), want);
}

proptest::proptest! {
    /// Whatever a client puts into the headers: a key as it stands there, or a refusal; never a panic.
    #[test]
    fn any_header_is_a_key_or_refused(bytes in proptest::collection::vec(b' '..=0x82u8, 0..600)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", value);
        match Presented::from_headers(&headers) {
            Ok(key) => {
                proptest::prop_assert_eq!(key.bytes(), bytes.trim_ascii());
                proptest::prop_assert!((1..=512).contains(&key.bytes().len()));
                proptest::prop_assert!(key.bytes().iter().all(u8::is_ascii_graphic));
            }
            Err(error) => proptest::prop_assert_eq!(error.code(), "malformed_api_key"),
        }
    }
}

mod at_run_time {
    use super::*;
    use crate::model::Clock;
    use serde_json::{Value, json};

    /// A clock that a test sets.
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now_us(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn callers(dir: &std::path::Path, clock: &Arc<Hand>) -> Callers {
        let config = config(vec![("t", Allowed::All)], vec![key("written", "t", "wb-1", Allowed::All)]);
        Callers::open(&config, dir, Arc::clone(clock) as _).expect("a key store")
    }

    fn new(body: Value) -> NewKey {
        serde_json::from_value(body).expect("right")
    }

    async fn who(callers: &Callers, secret: &str, now_us: u64) -> Result<Arc<Caller>, AuthError> {
        let pairs = [("x-api-key", secret)];
        let headers = headers(&pairs);
        callers.authenticate(Presented::from_headers(&headers)?, now_us).await
    }

    #[tokio::test]
    async fn what_is_not_witnessed_does_not_happen() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(Hand(AtomicU64::new(NOW_US)));
        let callers = callers(dir.path(), &clock);
        let (yes, no): (&Witness<'_>, &Witness<'_>) = (&|_| true, &|_| false);
        let refused = callers.create_key(new(json!({"name": "k", "team": "t"})), no).map(drop);
        assert!(matches!(refused, Err(KeysError::Unrecorded)), "{refused:?}");
        assert!(callers.key("k").is_err());
        let (plain, _) = callers.create_key(new(json!({"name": "k", "team": "t"})), yes).expect("it is free");
        assert!(callers.revoke_key("k", no).is_err());
        assert!(who(&callers, plain.expose(), NOW_US).await.is_ok(), "it works on");
        let reopened = self::callers(dir.path(), &clock);
        assert!(who(&reopened, plain.expose(), NOW_US).await.is_ok(), "and on disk too");
    }

    #[tokio::test]
    async fn a_request_under_way_learns_of_every_end_of_its_key() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(Hand(AtomicU64::new(NOW_US)));
        let callers = callers(dir.path(), &clock);
        let yes: &Witness<'_> = &|_| true;
        let (first, _) = callers.create_key(new(json!({"name": "k", "team": "t"})), yes).expect("it is free");
        let caller = who(&callers, first.expose(), NOW_US).await.expect("it works");
        assert!(!caller.term.ended(u64::MAX - 1), "for ever");
        let grace = Rotation { grace: Some("1h".to_owned()) };
        let (second, _) = callers.rotate_key("k", &grace, yes).expect("it lives");
        assert!(!caller.term.ended(NOW_US) && caller.term.ended(NOW_US + 3_600_000_000), "the grace period");
        let newer = who(&callers, second.expose(), NOW_US).await.expect("it works");
        let patch = KeyPatch { expires: Some(Some("2030-01-01".to_owned())), ..KeyPatch::default() };
        callers.update_key("k", patch, yes).expect("it lives");
        assert!(!newer.term.ended(NOW_US) && newer.term.ended(1_900_000_000_000_000), "an expiry");
        callers.revoke_key("k", yes).expect("it lives");
        assert!(newer.term.ended(NOW_US) && caller.term.ended(NOW_US), "a revocation");
    }

    #[tokio::test]
    async fn a_key_has_the_limits_it_was_given_with_its_own_name_in_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(Hand(AtomicU64::new(NOW_US)));
        let callers = callers(dir.path(), &clock);
        let body = json!({"name": "k", "team": "t", "limits": [{"requests": 5, "per": "minute"}]});
        let (plain, _) = callers.create_key(new(body), &|_| true).expect("it is free");
        let caller = who(&callers, plain.expose(), NOW_US).await.expect("it works");
        assert_eq!(&*caller.rules.key.limits[0].id, "key/k/requests/minute");
        assert!(caller.rules.team.is_empty());
    }

    #[test]
    fn the_defaults_of_keys_are_those_of_a_key_that_says_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "admin: { listen: \"off\" }\nteams: { t: {} }\ndefaults: { keys: { limits: [{ concurrent: 3 }] } }";
        let config = Config::from_text(text, None).expect("right");
        let clock = Arc::new(Hand(AtomicU64::new(NOW_US)));
        let callers = Callers::open(&config, dir.path(), clock as _).expect("a key store");
        callers.create_key(new(json!({"name": "k", "team": "t"})), &|_| true).expect("it is free");
        let caller = callers.named("k", NOW_US).expect("it works");
        assert_eq!(&*caller.rules.key.limits[0].id, "key/k/concurrent");
        let none = KeyPatch { limits: Some(Some(json!([]))), ..KeyPatch::default() };
        callers.update_key("k", none, &|_| true).expect("it lives");
        assert!(
            callers.named("k", NOW_US).expect("it works").rules.key.is_empty(),
            "an empty list is a word of its own"
        );
    }

    /// The file with or without the model `cheap`.
    fn with_models(text: &str) -> Config {
        let text = format!(
            "admin: {{ listen: \"off\" }}\nteams: {{ t: {{}} }}\nproviders: {{ p: {{ kind: openai, api_key: s }} }}\n\
             models: {{ {text} }}"
        );
        Config::from_text(&text, None).expect("right")
    }

    const BOTH: &str = "big: { targets: [{ provider: p, model: b }] }, cheap: { targets: [{ provider: p, model: c }] }";
    const BIG: &str = "big: { targets: [{ provider: p, model: b }] }";

    fn falls_back() -> Value {
        json!([{"usd": 5, "per": "day", "on_exhausted": {"fallback": "cheap"}}])
    }

    fn opened(models: &str, dir: &std::path::Path) -> Callers {
        Callers::open(&with_models(models), dir, Arc::new(Hand(AtomicU64::new(NOW_US))) as _).expect("it opens")
    }

    #[tokio::test]
    async fn rules_that_no_longer_fit_refuse_their_key_alone_until_a_change_mends_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let yes: &Witness<'_> = &|_| true;
        let before = opened(BOTH, dir.path());
        let (lost, _) = before
            .create_key(new(json!({"name": "lost", "team": "t", "budgets": falls_back()})), yes)
            .expect("the file has both");
        let (well, _) = before.create_key(new(json!({"name": "well", "team": "t"})), yes).expect("it is free");
        drop(before);
        let after = opened(BIG, dir.path());
        let refused = who(&after, lost.expose(), NOW_US).await.expect_err("not without its budget");
        assert_eq!((refused.code(), refused.status()), ("key_rules_unreadable", 503));
        assert!(who(&after, well.expose(), NOW_US).await.is_ok(), "nobody else");
        let view = after.key("lost").expect("it is there");
        assert_eq!(view.state, KeyState::Unreadable);
        assert!(view.problem.is_some_and(|why| why.contains("there is no model `cheap`")));
        let half = KeyPatch { tags: Some(None), ..KeyPatch::default() };
        assert!(after.update_key("lost", half, yes).is_err(), "a change that mends nothing");
        let mended = KeyPatch { budgets: Some(Some(json!([{"usd": 5, "per": "day"}]))), ..KeyPatch::default() };
        let view = after.update_key("lost", mended, yes).expect("it fits");
        assert_eq!((view.state, view.problem), (KeyState::Active, None));
        let caller = who(&after, lost.expose(), NOW_US).await.expect("it works");
        assert_eq!(&*caller.rules.key.budgets[0].id, "key/lost/usd/day");
    }

    #[tokio::test]
    async fn rules_of_a_team_that_no_longer_fit_refuse_each_of_its_keys() {
        let dir = tempfile::tempdir().expect("a directory");
        let yes: &Witness<'_> = &|_| true;
        let before = opened(BOTH, dir.path());
        let team = serde_json::from_value(json!({"name": "u", "budgets": falls_back()})).expect("right");
        before.create_team(team, yes).expect("it is free");
        let (plain, _) = before.create_key(new(json!({"name": "k", "team": "u"})), yes).expect("it is free");
        drop(before);
        let after = opened(BIG, dir.path());
        let refused = who(&after, plain.expose(), NOW_US).await.expect_err("not without its team's budget");
        assert_eq!(refused.code(), "key_rules_unreadable");
        assert!(after.key("k").expect("it is there").problem.is_some_and(|why| why.starts_with("its team `u`")));
        assert!(after.team("u").expect("it is there").problem.is_some());
        let none = TeamPatch { budgets: Some(None), ..TeamPatch::default() };
        assert!(after.update_team("u", none, yes).expect("it fits").problem.is_none());
        assert!(who(&after, plain.expose(), NOW_US).await.is_ok());
    }

    #[test]
    fn rules_of_revoked_keys_are_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let yes: &Witness<'_> = &|_| true;
        let before = opened(BOTH, dir.path());
        before
            .create_key(new(json!({"name": "gone", "team": "t", "budgets": falls_back()})), yes)
            .expect("the file has both");
        before.revoke_key("gone", yes).expect("it lives");
        drop(before);
        let view = opened(BIG, dir.path()).key("gone").expect("it is there");
        assert_eq!((view.state, view.problem), (KeyState::Revoked, None));
        assert_eq!(misfits(&with_models(BIG), dir.path()).expect("it can be read"), Vec::new());
    }

    #[test]
    fn misfits_are_found_without_a_trace_in_the_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = || {
            let names = std::fs::read_dir(dir.path()).expect("a directory").flatten().map(|file| file.file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(misfits(&with_models(BIG), dir.path()).expect("there is no store"), Vec::new());
        assert!(files().is_empty());
        let callers = opened(BOTH, dir.path());
        callers
            .create_key(new(json!({"name": "lost", "team": "t", "budgets": falls_back()})), &|_| true)
            .expect("the file has both");
        let mut callers = Some(callers);
        for way in ["while the gateway runs", "when it does not"] {
            let before = files();
            let found = misfits(&with_models(BIG), dir.path()).expect("it can be read");
            assert_eq!(found.len(), 1, "{way}");
            assert!(found[0].to_string().starts_with("key `lost`: `budgets`: "), "{way}: {}", found[0]);
            assert_eq!(misfits(&with_models(BOTH), dir.path()).expect("it can be read"), Vec::new(), "{way}");
            assert_eq!(files(), before, "{way}");
            drop(callers.take());
        }
    }

    #[test]
    fn rules_are_told_of_before_a_request_is_under_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(Hand(AtomicU64::new(NOW_US)));
        let first = callers(dir.path(), &clock);
        let five = json!([{"usd": 5, "per": "day"}]);
        first.create_key(new(json!({"name": "old", "team": "t", "budgets": five})), &|_| true).expect("it is free");
        drop(first);
        let callers = callers(dir.path(), &clock);
        let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let into = Arc::clone(&told);
        let note: Box<OnRules> =
            Box::new(move |scope, rules| into.lock().push((scope.to_string(), rules.budgets.len())));
        assert!(callers.on_rules(note));
        let take = || std::mem::take(&mut *told.lock());
        assert_eq!(take(), [("key/old".to_owned(), 1)], "those that there are");
        callers.create_key(new(json!({"name": "k", "team": "t", "budgets": five})), &|_| true).expect("it is free");
        assert_eq!(take(), [("key/k".to_owned(), 1)]);
        let none = KeyPatch { budgets: Some(None), ..KeyPatch::default() };
        callers.update_key("k", none, &|_| true).expect("it lives");
        assert_eq!(take(), [("key/k".to_owned(), 0)]);
        let team = serde_json::from_value(json!({"name": "u", "budgets": five})).expect("right");
        callers.create_team(team, &|_| true).expect("it is free");
        let none = TeamPatch { budgets: Some(None), ..TeamPatch::default() };
        callers.update_team("u", none, &|_| true).expect("it is there");
        assert_eq!(take(), [("team/u".to_owned(), 1), ("team/u".to_owned(), 0)]);
        let refused = callers.create_key(new(json!({"name": "x", "team": "t", "budgets": five})), &|_| false);
        assert!(refused.is_err() && take().is_empty(), "what does not happen is not told");
    }
}

//! Roles and claims, without an issuer.

use super::people::{Facts, fit};
use super::{NO_CODE, SignIn, SignInError};
use crate::config::{Config, Oidc, Role};
use serde_json::{Map, Value, json};
use std::time::Duration;

fn oidc(more: &str) -> Oidc {
    let text = format!("admin: {{ oidc: {{ issuer: 'https://login.example.com', client_id: gw, {more} }} }}");
    Config::from_text(&text, None).expect("it is right").admin.oidc.expect("it is there")
}

fn claims(value: Value) -> Map<String, Value> {
    value.as_object().expect("claims").clone()
}

fn role(config: &Oidc, value: Value) -> Option<Role> {
    Facts::of(&claims(value), config).expect("a person").role(config)
}

#[test]
fn a_claim_gives_roles_wherever_it_stands() {
    let config = oidc("roles: { claim: realm_access.roles, admin: [ops], viewer: [dev] }");
    let with = |claims: Value| role(&config, claims);
    assert_eq!(with(json!({"sub": "1", "realm_access": {"roles": ["dev", "ops"]}})), Some(Role::Admin));
    assert_eq!(with(json!({"sub": "1", "realm_access": {"roles": "dev"}})), Some(Role::Viewer));
    assert_eq!(with(json!({"sub": "1", "realm_access.roles": ["ops"]})), Some(Role::Admin), "a name with a dot");
    for none in [json!({"roles": ["ops"]}), json!("ops"), json!({"roles": [["ops"], 7, {"ops": 1}]}), json!(null)] {
        let found = with(json!({"sub": "1", "realm_access": none}));
        assert_eq!(found, none.get("roles").filter(|roles| **roles == json!(["ops"])).map(|_| Role::Admin));
    }
    let named = oidc("roles: { claim: 'https://gw.example.com/claims.roles', admin: [ops] }");
    assert_eq!(
        role(&named, json!({"sub": "1", "https://gw.example.com/claims": {"roles": ["ops"]}})),
        Some(Role::Admin)
    );
}

#[test]
fn an_address_gives_a_role_only_if_it_is_vouched_for() {
    let config = oidc("emails: { admin: [Ann@Example.com], viewer: ['@example.com'] }");
    let with = |email: &str, verified: Value| {
        role(&config, json!({"sub": "1", "email": email, "email_verified": verified, "groups": ["ann@example.com"]}))
    };
    assert_eq!(with("ann@example.COM", json!(true)), Some(Role::Admin));
    assert_eq!(with("bob@example.com", json!("true")), Some(Role::Viewer));
    for none in [json!(false), json!("false"), json!(1), json!(null)] {
        assert_eq!(with("ann@example.com", none), None);
    }
    assert_eq!(with("ann@sub.example.com", json!(true)), None);
    assert_eq!(with("ann@example.com.evil.example", json!(true)), None);
    let google = Oidc { issuer: "https://accounts.google.com".into(), ..config };
    let with = |claims: Value| role(&google, claims);
    let bob = json!({"sub": "1", "email": "bob@example.com", "email_verified": true});
    assert_eq!(with(bob.clone()), None, "an account with an address of elsewhere");
    let mut hosted = bob;
    hosted["hd"] = json!("example.com");
    assert_eq!(with(hosted), Some(Role::Viewer));
    let ann = |hd: Value| with(json!({"sub": "1", "email": "ann@example.com", "email_verified": true, "hd": hd}));
    assert_eq!(ann(json!(null)), None, "an address by name is no better");
    assert_eq!((ann(json!("evil.example")), ann(json!("example.com"))), (None, Some(Role::Admin)));
    let config = oidc("emails: { viewer: [ann@gmail.com, bob@googlemail.com] }");
    let google = Oidc { issuer: "https://accounts.google.com".into(), ..config };
    for (email, found) in [("ann@gmail.com", Some(Role::Viewer)), ("bob@googlemail.com", Some(Role::Viewer))] {
        assert_eq!(role(&google, json!({"sub": "1", "email": email, "email_verified": true})), found, "{email}");
        assert_eq!(role(&google, json!({"sub": "1", "email": email})), None, "{email}");
    }
}

#[test]
fn a_name_is_vouched_for_and_hides_nothing() {
    let config = oidc("roles: { admin: [ops] }");
    let name = |value: Value| Facts::of(&claims(value), &config).expect("a person").person.name;
    let with = |verified: Value| {
        name(json!({"sub": "1", "email": "ann@example.com", "email_verified": verified, "name": "Ann"}))
    };
    assert_eq!(with(json!(true)).as_deref(), Some("ann@example.com"));
    for other in [json!(null), json!(false), json!(1)] {
        assert_eq!(with(other).as_deref(), Some("Ann"));
    }
    for hidden in ['\u{200b}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\n']
    {
        let text = format!("a{hidden}b");
        assert_eq!(
            name(json!({"sub": "1", "preferred_username": text, "name": "Zoë Ångström"})).as_deref(),
            Some("Zoë Ångström")
        );
        assert!(Facts::of(&claims(json!({"sub": text})), &config).is_none(), "{text:?}");
    }
}

#[test]
fn a_shorter_session_holds_for_those_that_run() {
    let config = oidc("roles: { admin: [ops] }, session: 8h");
    let facts = Facts::of(&claims(json!({"sub": "1", "groups": ["ops"]})), &config).expect("a person");
    let (long, short) = (SignIn::new(config), SignIn::new(oidc("roles: { admin: [ops] }, session: 1h")));
    let hour = Duration::from_secs(3_600);
    assert_eq!((long.role(&facts, 8 * hour), short.role(&facts, hour)), (Some(Role::Admin), Some(Role::Admin)));
    assert_eq!(short.role(&facts, hour + Duration::from_micros(1)), None);
}

#[test]
fn only_what_may_be_a_guess_is_counted() {
    let refused = |code: &str| SignInError::Refused(code.to_owned()).tried("state").map(str::to_owned);
    for code in ["invalid_grant", NO_CODE] {
        assert_eq!(refused(code).as_deref(), Some("state"), "{code}");
    }
    for code in ["access_denied", "server_error", "login_required", "invalid_client", "no reason"] {
        assert_eq!(refused(code), None, "{code}");
    }
    assert_eq!(SignInError::Unfit("why").tried("state"), Some("state"));
    let nobody = SignInError::NoRole { sub: "u-1".to_owned(), why: "why".to_owned() };
    assert_eq!(nobody.tried("state"), Some("u-1"), "the same person again is no new guess");
    assert_eq!(SignInError::Stray.tried("state"), None);
}

#[test]
fn a_reload_decides_anew_and_other_questions_end_it() {
    let config = oidc("roles: { admin: [ops], viewer: [dev] }");
    let facts = Facts::of(&claims(json!({"sub": "1", "groups": ["ops"]})), &config).expect("a person");
    assert_eq!(facts.role(&config), Some(Role::Admin));
    assert_eq!(facts.role(&oidc("roles: { admin: [others], viewer: [ops] }")), Some(Role::Viewer));
    assert_eq!(facts.role(&oidc("roles: { admin: [others] }")), None);
    assert_eq!(facts.role(&oidc("roles: { claim: roles, admin: [ops] }")), None);
    let other = |change: fn(&mut Oidc)| {
        let mut other = config.clone();
        change(&mut other);
        facts.role(&other)
    };
    assert_eq!(other(|oidc| oidc.issuer = "https://other.example.com".into()), None);
    assert_eq!(other(|oidc| oidc.client_id = "another".into()), None);
}

#[test]
fn a_token_of_another_sign_in_or_client_does_not_fit() {
    let config = oidc("roles: { admin: [ops] }");
    let taken = |value: Value| fit(&claims(value), &config, "n-1").is_ok();
    assert!(taken(json!({"nonce": "n-1", "aud": "gw"})));
    assert!(taken(json!({"nonce": "n-1", "aud": ["gw", "api"], "azp": "gw"})));
    for wrong in [
        json!({"aud": "gw"}),
        json!({"nonce": "n-2", "aud": "gw"}),
        json!({"nonce": 1, "aud": "gw"}),
        json!({"nonce": "n-1", "aud": "gw", "azp": "api"}),
        json!({"nonce": "n-1", "aud": ["gw", "api"]}),
        json!({"nonce": "n-1", "aud": "gw", "azp": ["gw"]}),
    ] {
        assert!(!taken(wrong.clone()), "{wrong}");
    }
}

#[test]
fn who_has_no_role_reads_which_claim_was_looked_at() {
    let config = oidc("roles: { admin: [ops] }, emails: { viewer: [ann@example.com] }");
    let said = |value: Value| {
        let claims = claims(value);
        Facts::of(&claims, &config).expect("a person").lacking(&claims, &config)
    };
    let none = said(json!({"sub": "1", "preferred_username": "ann"}));
    assert!(none.contains("`ann`") && none.contains("`groups`") && none.contains("no such claim"), "{none}");
    assert!(said(json!({"sub": "1", "groups": ["dev"]})).contains("`dev`"));
    assert!(said(json!({"sub": "1", "_claim_names": {"groups": "src1"}})).contains("too many"));
    assert!(Facts::of(&claims(json!({"groups": ["ops"]})), &config).is_none(), "nobody");
    assert!(Facts::of(&claims(json!({"sub": "", "groups": ["ops"]})), &config).is_none(), "nobody");
}

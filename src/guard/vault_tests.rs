use super::*;
use crate::guard::{Fold, Found, Verdict, Window, Words, laws::assert_cuts_do_not_matter};

struct Back(Restorer);

impl Words for Back {
    fn verdict(&mut self, found: &Found<'_>) -> Verdict {
        self.0.value(found.folded).map_or(Verdict::Leave, |value| Verdict::Replace(value.to_owned()))
    }
}

fn filled() -> (Safe, Vault) {
    let safe = Safe::new().expect("randomness");
    let mut vault = Vault::default();
    assert_eq!(vault.token(&safe, "email", "a@example.com"), "<EMAIL_1>");
    assert_eq!(vault.token(&safe, "credit_card", "4111 1111"), "<CREDIT_CARD_1>");
    assert_eq!(vault.token(&safe, "email", "b@example.com"), "<EMAIL_2>");
    assert_eq!(vault.token(&safe, "email", "a@example.com"), "<EMAIL_1>", "the same value, the same token");
    (safe, vault)
}

#[test]
fn placeholders_are_given_their_values_back_however_the_model_writes_them() {
    let (_, vault) = filled();
    let restorer = vault.restorer().expect("it has values");
    let cases = [
        ("as it was", "to <EMAIL_1>, <EMAIL_2>.", "to a@example.com, b@example.com."),
        ("another case", "to <email_1> or <Email_2>", "to a@example.com or b@example.com"),
        ("spaces", "to < EMAIL_1 >", "to a@example.com"),
        ("other brackets", "[EMAIL_1] (EMAIL_2)", "a@example.com b@example.com"),
        ("none", "EMAIL_1 and credit-card-1!", "a@example.com and 4111 1111!"),
        ("repeated", "<EMAIL_1><EMAIL_1>", "a@example.coma@example.com"),
        (
            "unknown ones stay",
            "<EMAIL_3> <PHONE_1> EMAIL_12 xEMAIL_1 <EMAIL_1",
            "<EMAIL_3> <PHONE_1> EMAIL_12 xEMAIL_1 <a@example.com",
        ),
        ("escaped", "&lt;EMAIL_1&gt;", "a@example.com"),
    ];
    for (name, text, want) in cases {
        let spotters: Arc<[Arc<dyn Spotter>]> = Arc::from([Arc::new(restorer.clone()) as Arc<dyn Spotter>]);
        assert_cuts_do_not_matter(&spotters, Fold::Text, text);
        let mut window = Window::new(spotters, Fold::Text);
        let (mut words, mut out) = (Back(restorer.clone()), String::new());
        window.push(text, &mut words, &mut out).expect("nothing blocks");
        window.finish(&mut words, &mut out).expect("nothing blocks");
        assert_eq!(out, want, "{name}");
    }
}

#[test]
fn a_session_keeps_its_values_sealed_and_for_its_time() {
    let safe = Safe::new().expect("randomness");
    let (key, name): (Arc<str>, Arc<str>) = ("search-ci".into(), "s1".into());
    let session = || safe.session(&key, &name, Duration::from_secs(60));
    let mut first = Vault::of_session(&safe, session());
    assert_eq!(first.token(&safe, "email", "a@example.com"), "<EMAIL_1>");
    let mut second = Vault::of_session(&safe, session());
    assert_eq!(second.token(&safe, "email", "b@example.com"), "<EMAIL_2>");
    assert_eq!(second.token(&safe, "email", "a@example.com"), "<EMAIL_1>");
    // Both were open at once.
    assert_eq!(first.token(&safe, "email", "c@example.com"), "<EMAIL_3>");
    assert_eq!(first.token(&safe, "email", "b@example.com"), "<EMAIL_2>", "as the other request called it");
    let sealed = session();
    let values = sealed.values.lock();
    let clear = |one: &Sealed| String::from_utf8_lossy(&one.sealed).contains("example");
    assert!(values.values.len() == 3 && !values.values.values().any(clear), "nothing in clear");
    drop(values);
    *sealed.until.lock() = Some(tokio::time::Instant::now());
    assert!(Vault::of_session(&safe, session()).is_empty(), "its time is over");
    let other = safe.session(&"other".into(), &name, Duration::from_secs(60));
    assert!(Vault::of_session(&safe, other).is_empty(), "another key's session of the same name is another one");
}

#[test]
fn a_key_fills_its_own_share_and_not_that_of_others() {
    let safe = Safe::new().expect("randomness");
    let ttl = Duration::from_secs(60);
    let (greedy, other): (Arc<str>, Arc<str>) = ("greedy".into(), "other".into());
    let long = "a".repeat(1024 * 1024);
    for number in 0..100 {
        let mut vault = Vault::of_session(&safe, safe.session(&greedy, &format!("s{number}").into(), ttl));
        assert_eq!(vault.token(&safe, "email", &long), "<EMAIL_1>", "a request goes on where nothing is kept");
    }
    let kept = |key, name: &str| !Vault::of_session(&safe, safe.session(key, &name.into(), ttl)).is_empty();
    assert!(kept(&greedy, "s0"));
    assert!(!kept(&greedy, "s99"), "there is no room left for it");
    assert!(safe.room.taken.load(Ordering::Relaxed) <= MOST_OF_KEY);
    Vault::of_session(&safe, safe.session(&other, &"s".into(), ttl)).token(&safe, "email", "a@example.com");
    assert!(kept(&other, "s"), "another key has its room");
    // What is over, and what goes, gives its room back.
    *safe.session(&greedy, &"s0".into(), ttl).until.lock() = Some(tokio::time::Instant::now());
    assert!(!kept(&greedy, "s0"));
    let taken = || safe.room.taken.load(Ordering::Relaxed);
    let before = taken();
    let mut share = Share { rooms: [Arc::clone(&safe.room), safe.room_of(&greedy)], held: 0 };
    assert!(share.take(long.len() as u64) && taken() > before, "of what was over");
    drop(share);
    assert_eq!(taken(), before);
}

/// What is not linear would take hours.
#[test]
fn a_text_full_of_values_takes_linear_time() {
    let safe = Safe::new().expect("randomness");
    let session = safe.session(&"key".into(), &"s".into(), Duration::from_secs(60));
    let mut vault = Vault::of_session(&safe, session);
    for number in 1..=200_000 {
        assert_eq!(vault.token(&safe, "email", &format!("{number}@example.com")), format!("<EMAIL_{number}>"));
    }
    let restorer = vault.restorer().expect("it has values");
    for number in 1..=200_000 {
        assert_eq!(restorer.value(&format!("<EMAIL_{number}>")), Some(&*format!("{number}@example.com")));
    }
}

use super::reader::{Class, Reader};
use super::rule::{How, LONG, Part};
use super::*;
use crate::guard::{
    Fold, Spotter,
    laws::{assert_cuts_do_not_matter, edited},
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

/// Numbers that look random, the same in each run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// Tokens are made up here, so that the repository holds none.
    fn run(&mut self, class: Class, length: usize) -> String {
        let all: Vec<u8> = (0..128).filter(|&byte| class(byte)).collect();
        let letters: Vec<u8> = all.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        (0..length)
            .map(|at| {
                let from = if at == 0 || at + 1 == length { &letters } else { &all };
                char::from(from[self.roll(from.len())])
            })
            .collect()
    }
}

/// A text that the rule finds, and where the hit begins in it.
fn made_up(rule: &Rule, literal: &str, dice: &mut Dice) -> (String, usize) {
    let mut text = String::new();
    if let Some((class, _, most)) = rule.behind {
        text.push_str(&dice.run(class, most));
    }
    let start = text.len() + rule.skip;
    text.push_str(literal);
    if let How::Parts(parts) = rule.how {
        for part in parts {
            match *part {
                Part::Run(class, least, most) => {
                    let length = least + dice.roll(most - least + 1);
                    text.push_str(&dice.run(class, length));
                }
                Part::Open(class, least) => {
                    let length = least + dice.roll(30);
                    text.push_str(&dice.run(class, length));
                }
                Part::Lit(literal) => text.push_str(literal),
            }
        }
    }
    (text, start)
}

fn spotters() -> Arc<[Arc<dyn Spotter>]> {
    Arc::from([Arc::new(Secrets::default()) as Arc<dyn Spotter>])
}

fn only(entity: &'static str) -> Secrets {
    Secrets { only: Some(HashSet::from([entity])), allow: HashSet::new() }
}

fn parts_rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().flat_map(|(_, rules)| rules.iter()).filter(|rule| matches!(rule.how, How::Parts(_)))
}

#[test]
fn every_row_finds_what_it_describes_and_nothing_that_is_longer_or_shorter() {
    for (seed, rule) in parts_rules().enumerate() {
        let mut dice = Dice(seed as u64);
        for literal in rule.literals {
            let spotter = only(rule.entity);
            let found = (0..40).find_map(|_| {
                let (token, start) = made_up(rule, literal, &mut dice);
                let text = format!("a {token} b");
                let hit = spotter.next(&text, 0)?;
                (hit.at == (start + 2..token.len() + 2)).then_some((token, start))
            });
            let (token, _) = found.unwrap_or_else(|| panic!("{} {literal} is never found", rule.entity));
            let How::Parts(parts) = rule.how else { continue };
            let Some(Part::Run(class, least, most)) = parts.last() else { continue };
            // Another row of the same issuer may take what this one does not.
            let alone = parts_rules().filter(|other| other.entity == rule.entity).count() == 1;
            if alone && parts.len() == 1 && class(b'a') {
                let longer = format!("a {literal}{} b", dice.run(*class, most + 1));
                assert!(spotter.next(&longer, 0).is_none(), "{longer}");
                let shorter = format!("a {literal}{} b", dice.run(*class, least - 1));
                assert!(spotter.next(&shorter, 0).is_none(), "{shorter}");
                let inside = format!("ax{token} b");
                assert!(
                    rule.behind.is_some()
                        || !literal.as_bytes()[0].is_ascii_alphanumeric()
                        || spotter.next(&inside, 0).is_none(),
                    "{inside}"
                );
            }
        }
    }
}

#[test]
fn the_laws_hold_for_every_row() {
    let spotters = spotters();
    for (seed, rule) in parts_rules().enumerate() {
        let mut dice = Dice(1_000 + seed as u64);
        let (token, _) = made_up(rule, rule.literals[dice.roll(rule.literals.len())], &mut dice);
        for fold in [Fold::Text, Fold::Json] {
            assert_cuts_do_not_matter(&spotters, fold, &format!("use\\n{token}, \"{token}\" or key={token}."));
        }
    }
}

#[test]
fn what_is_longer_than_what_is_held_grows() {
    let mut dice = Dice(7);
    let token = format!("{}{}", concat!("sk-", "ant-"), dice.run(super::reader::url, 3 * LONG));
    let out = assert_cuts_do_not_matter(&spotters(), Fold::Text, &format!("a {token} b"));
    assert_eq!(out, format!("a [anthropic_key {} …] b", &token[..LONG]));
}

fn jwt(header: &str) -> String {
    let mut dice = Dice(3);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{}",
        encode(header),
        encode(r#"{"sub":"1234567890","iat":1516239022}"#),
        dice.run(super::reader::url, 43)
    )
}

#[test]
fn what_is_known_by_its_syntax_is_found_and_what_only_looks_like_it_is_not() {
    let mut dice = Dice(11);
    let random = dice.run(super::reader::alnum, 32);
    let body = dice.run(super::reader::base64, 64);
    let pair = STANDARD.encode("admin:Tr0ub4dor&3");
    let pem = |label: &str| format!("-----{} {label}-----\n{body}\n{body}\n-----END {label}-----", "BEGIN");
    let cases: Vec<(&str, String, Option<&str>)> = vec![
        ("JWT", jwt(r#"{"alg":"HS256","typ":"JWT"}"#), Some("jwt")),
        ("JSON without an algorithm", jwt(r#"{"typ":"JWT","kind":"none"}"#), None),
        ("not JSON", format!("eyJ{random}.{random}.{random}"), None),
        ("PEM", pem("RSA PRIVATE KEY"), Some("private_key")),
        ("PEM in a string", pem("PRIVATE KEY").replace('\n', "\\n"), Some("private_key")),
        ("public key", pem("PUBLIC KEY"), None),
        ("a document about keys", format!("-----{} PRIVATE KEY----- begins a private key", "BEGIN"), None),
        ("PuTTY", format!("Private-Lines: 8\n{body}\nPrivate-MAC: 00"), Some("private_key")),
        ("database", "postgres://app:s3cr3tPa55@db.internal:5432/x".to_owned(), Some("connection_string")),
        ("web", "https://bob:hunter2zz@example.org/".to_owned(), Some("url_password")),
        ("token in a URL", format!("https://{random}@git.example.org/x.git"), Some("url_password")),
        ("example", "http://user:password@host/".to_owned(), None),
        ("port", "http://localhost:8080/a@b".to_owned(), None),
        ("variable", "redis://:${REDIS_PASSWORD}@cache:6379".to_owned(), None),
        ("bearer", format!("Authorization: Bearer {random}"), Some("bearer_token")),
        ("bearer in prose", "Bearer authentication-schemes are described here".to_owned(), None),
        ("basic", format!("Authorization: Basic {pair}"), Some("basic_auth")),
        ("basic in prose", "Basic understanding of networks".to_owned(), None),
    ];
    for (name, text, want) in cases {
        for fold in [Fold::Text, Fold::Json] {
            assert_cuts_do_not_matter(&spotters(), fold, &text);
        }
        let hit = Secrets::default().next(&text, 0);
        assert_eq!(hit.as_ref().map(|hit| hit.entity), want, "{name}: {text} {hit:?}");
    }
}

#[test]
fn assignments_are_found_by_name_and_value_together() {
    let mut dice = Dice(23);
    let random = dice.run(super::reader::alnum, 28);
    let aws = dice.run(super::reader::base64, 40);
    let secret = Some("generic_secret");
    let cases: Vec<(&str, String, Option<&str>)> = vec![
        ("env", format!("SERVICE_API_KEY={random}"), secret),
        ("json", format!(r#""clientSecret": "{random}","#), secret),
        ("json in a string", format!(r#"{{\"client_secret\": \"{random}\"}}"#), secret),
        ("python", format!("token: str = '{random}'"), secret),
        ("go", format!("authToken := \"{random}\""), secret),
        ("yaml", format!("secret: {random}\n"), secret),
        ("header", format!("X-Api-Key: {random}"), secret),
        ("flag", format!("tool --token {random} run"), secret),
        ("xml", format!("<apiKey>{random}</apiKey>"), secret),
        ("prose", format!("my api key is {random}, please"), secret),
        ("password", "password = \"Tr0ub4dor&3xy\"".to_owned(), Some("password")),
        ("netrc", "machine h login bob password k9fJ2mQ7x".to_owned(), Some("password")),
        ("aws", format!("aws_secret_access_key = {aws}"), Some("aws_secret_key")),
        ("a word", "password = \"password\"".to_owned(), None),
        ("code", "token = self.get_token(request)".to_owned(), None),
        ("path", "key = module.submodule.value_2".to_owned(), None),
        ("placeholder", "api_key = \"your-api-key-here-123\"".to_owned(), None),
        ("variable", "TOKEN=${CI_JOB_TOKEN_2}".to_owned(), None),
        ("id", format!("secret_id = \"{random}\""), None),
        ("public", format!("public_key = \"{random}\""), None),
        ("no name", format!("commit {random}"), None),
        ("prose only", "The key to success is persistence and a good password is long".to_owned(), None),
    ];
    for (name, text, want) in cases {
        for fold in [Fold::Text, Fold::Json] {
            assert_cuts_do_not_matter(&spotters(), fold, &text);
        }
        let hit = Secrets::default().next(&text, 0);
        assert_eq!(hit.as_ref().map(|hit| hit.entity), want, "{name}: {text} {hit:?}");
    }
}

#[test]
fn ordinary_text_passes_at_once() {
    let spotter = Secrets::default();
    for (text, held) in [
        ("Hello wor", 0),
        ("the password is ", 0),
        ("my tok", 0),
        ("see https://example.org/a", 13),
        ("postgres://app:sec", 7),
        ("is 12345", 0),
        ("AKI", 3),
        ("the sk", 2),
    ] {
        let pending = spotter.pending(text, 0);
        assert!(text.len() - pending <= held, "{text:?}: {} are held", text.len() - pending);
    }
}

#[test]
fn settings_are_read_and_mistakes_told() {
    let read = |text: &str| build(&Section::from_yaml("guards.s", text).expect("YAML"));
    let key = format!("{}IOSFODNN7EXAMPLE", "AKIA");
    let finds = |text: &str| {
        read(text).expect("good")[0].next(&format!("x {key} password = \"Tr0ub4dor&3xy\""), 0).map(|hit| hit.entity)
    };
    assert_eq!(finds(""), Some("aws_access_key"));
    assert_eq!(finds(&format!("allow: [{key}]")), Some("password"));
    assert_eq!(finds(&format!("allow: [{key}]\nentropy: false")), None);
    assert_eq!(finds("entities: [generic]"), Some("password"));
    assert_eq!(finds("entities: [models, private_key]"), None);
    let cases = [
        (
            "entities: [aws_acess_key]",
            "guards.s.entities[0]: there is no entity or group `aws_acess_key`; did you mean `aws_access_key`?",
        ),
        ("entities: []", "guards.s.entities: names nothing; leave it out to look for everything"),
    ];
    for (text, want) in cases {
        let error = read(text).err().expect("a mistake").to_string();
        assert!(error.ends_with(want), "{error}");
    }
}

#[test]
fn every_entity_is_named_once() {
    let mut names: Vec<&str> = ENTITIES.iter().map(|(entity, _)| *entity).collect();
    assert!(names.len() > 180, "{}", names.len());
    assert!(
        names
            .iter()
            .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
    );
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    let groups: Vec<&str> = Group::ALL.iter().map(|(name, _)| *name).collect();
    assert!(all - names.len() <= 15 && !names.iter().any(|name| groups.contains(name)), "{}", all - names.len());
}

/// What is not linear would take hours.
#[test]
fn time_is_linear_in_the_length_of_the_text() {
    let pieces = [
        "eyJ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "AKIA",
        "a",
        "://",
        "password=",
        "key: key: ",
        "sk-",
        "Bearer ",
        "1",
        "@",
    ];
    let begin = std::time::SystemTime::now();
    for piece in pieces {
        let text = piece.repeat((1 << 20) / piece.len());
        let (mut from, mut hits) = (0, 0);
        while let Some(hit) = Secrets::default().next(&text, from) {
            (from, hits) = (hit.at.end, hits + 1);
        }
        assert!(hits <= text.len() / piece.len(), "{piece}");
        assert!(text.len() - Secrets::default().pending(&text, 0) <= LONGEST, "{piece}");
    }
    assert!(begin.elapsed().expect("time goes on").as_secs() < MOST_SECONDS);
}

/// For what takes less than one on an idle machine.
const MOST_SECONDS: u64 = 60;

fn piece() -> impl Strategy<Value = String> {
    let rules: Vec<&'static Rule> = parts_rules().collect();
    let token = (0..rules.len(), any::<u64>()).prop_map(move |(at, seed)| {
        let mut dice = Dice(seed);
        let literal = rules[at].literals[dice.roll(rules[at].literals.len())];
        let (text, _) = made_up(rules[at], literal, &mut dice);
        let cut = if dice.roll(3) == 0 { dice.roll(text.len()) } else { text.len() };
        text[..cut].to_owned()
    });
    let other = prop::sample::select(vec![
        " ",
        ", ",
        "\n",
        "\\n",
        "\"",
        "'",
        "=",
        ": ",
        ".",
        "-",
        "_",
        "é",
        "&#61;",
        "\u{200b}",
        "a",
        "T",
        "1",
        "password",
        "api_key",
        "secret",
        "token",
        " is ",
        "--",
        "://",
        "https://bob:",
        "@",
        "@h",
        "Bearer ",
        "Basic ",
        "YWRtaW46VHIwdWI0ZG9y",
        "Tr0ub4dor&3",
        "k9fJ2mQ7xLp0Zr5T",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJ",
        ".eyJzdWIiOiIxMjM0In0",
        "-----BEGIN PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQ",
        "-----END PRIVATE KEY-----",
        "machine x login y password ",
    ]);
    prop_oneof![1 => token, 4 => other.prop_map(str::to_owned)]
}

proptest! {
    /// Where a text is cut changes nothing of what comes out.
    #[test]
    fn cuts_do_not_matter(pieces in prop::collection::vec(piece(), 0..14), cuts in prop::collection::vec(0_usize..900, 0..8), json in any::<bool>()) {
        let text = pieces.concat();
        let fold = if json { Fold::Json } else { Fold::Text };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let parts: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(edited(&spotters(), fold, &parts), edited(&spotters(), fold, &[&text]));
        let single: Vec<&str> = text.char_indices().map(|(at, one)| &text[at..at + one.len_utf8()]).collect();
        prop_assert_eq!(edited(&spotters(), fold, &single), edited(&spotters(), fold, &[&text]));
    }

    /// What is found at a place does not depend on where the search began.
    #[test]
    fn where_the_search_begins_does_not_matter(pieces in prop::collection::vec(piece(), 0..10)) {
        let text = pieces.concat();
        let spotter = Secrets::default();
        let mut want = None;
        for from in (0..=text.len()).rev().filter(|&from| text.is_char_boundary(from)) {
            let hit = spotter.next(&text, from).map(|hit| (hit.at.start, hit.at.end, hit.entity));
            if let Some((start, ..)) = hit && start > from {
                prop_assert_eq!(hit, want);
            }
            want = hit;
        }
    }
}

/// The reader tells when the end was met.
#[test]
fn the_end_of_a_text_is_remembered() {
    let reader = Reader::new(b"abc");
    reader.begin(1);
    assert_eq!((reader.run(0, 2, |_| true), reader.open()), (2, None));
    assert_eq!((reader.run(0, 9, |_| true), reader.open()), (3, Some(1)));
}

/// What the search for begun literals relies on.
#[test]
fn literals_that_begin_with_a_letter_stand_apart() {
    let letter =
        |rule: &&Rule| rule.literals.iter().any(|literal| literal.starts_with(|one: char| one.is_ascii_alphabetic()));
    for rule in parts_rules().filter(letter) {
        assert!(rule.behind.is_none(), "{}", rule.entity);
    }
}

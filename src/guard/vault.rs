//! The values that placeholders stand for: of a request, and of a session where a guardrail says so.
//!
//! A session's values are kept sealed (AES-256-GCM, with a key that this process made up), are found by a keyed hash, and go
//! when its time is over. Nothing here is ever written down.

use super::fold::Fold;
use super::spot::{Hit, Spotter};
use aho_corasick::{AhoCorasick, MatchKind};
use moka::{Expiry, sync::Cache};
use parking_lot::Mutex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hmac, rand};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Most sessions whose values are kept; the one that was used longest ago goes first. What binds are the bytes below.
const MOST_SESSIONS: u64 = 1_000_000;
/// Most values of one session; further ones are a request's only.
const MOST_VALUES: usize = 10_000;
/// Most bytes of all sessions together; what does not fit is a request's only.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes of one key's sessions, so that none fills the room of the others.
const MOST_OF_KEY: u64 = MOST_BYTES / 8;
/// Bytes of memory of a session without values, and of a value without its text, about.
const ABOUT: u64 = 256;
/// Longest placeholder, spaces inside of it included.
const LONGEST: usize = 64;

/// What hashes and seals; made once a process.
pub struct Safe {
    seal: LessSafeKey,
    mac: hmac::Key,
    random: rand::SystemRandom,
    sessions: Cache<(Arc<str>, Arc<str>), Arc<Session>>,
    room: Arc<Room>,
    /// By key; gone with its last session.
    rooms: Mutex<HashMap<Arc<str>, Weak<Room>>>,
}

/// Bytes that are taken, of those that there are.
struct Room {
    most: u64,
    taken: AtomicU64,
}

impl Room {
    fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicU64::new(0) })
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|&taken| taken <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a session holds of the room of all and of its key's; given back when it goes.
struct Share {
    rooms: [Arc<Room>; 2],
    held: u64,
}

impl Share {
    fn take(&mut self, bytes: u64) -> bool {
        let [of_all, of_key] = &self.rooms;
        if !of_key.take(bytes) {
            return false;
        }
        if !of_all.take(bytes) {
            of_key.give(bytes);
            return false;
        }
        self.held += bytes;
        true
    }

    fn empty(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.rooms.iter().for_each(|room| room.give(held));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.empty();
    }
}

/// One session's values.
pub struct Session {
    ttl: Duration,
    until: Mutex<Option<tokio::time::Instant>>,
    values: Mutex<SealedValues>,
}

struct SealedValues {
    share: Share,
    /// By the keyed hash of the value.
    values: HashMap<(&'static str, [u8; 32]), Sealed>,
    /// The highest number of each entity.
    last: HashMap<&'static str, u32>,
}

impl SealedValues {
    fn clear(&mut self) {
        self.values.clear();
        self.last.clear();
        self.share.empty();
    }
}

struct Sealed {
    number: u32,
    nonce: [u8; NONCE_LEN],
    sealed: Vec<u8>,
}

/// A session that nobody asks for goes out of memory when its time is over.
struct Idle;

#[expect(clippy::disallowed_types, reason = "it is the cache's own clock")]
impl Expiry<(Arc<str>, Arc<str>), Arc<Session>> for Idle {
    fn expire_after_create(
        &self,
        _: &(Arc<str>, Arc<str>),
        session: &Arc<Session>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(session.ttl)
    }

    fn expire_after_read(
        &self,
        _: &(Arc<str>, Arc<str>),
        session: &Arc<Session>,
        _: std::time::Instant,
        _: Option<Duration>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(session.ttl)
    }
}

/// The values of a request.
#[derive(Default)]
pub struct Vault {
    values: Arc<Values>,
    session: Option<Arc<Session>>,
}

/// By entity.
type Values = HashMap<&'static str, OfEntity>;

#[derive(Default, Clone)]
struct OfEntity {
    numbers: HashMap<Arc<str>, u32>,
    values: HashMap<u32, Arc<str>>,
    /// The highest number.
    last: u32,
}

impl OfEntity {
    fn put(&mut self, number: u32, value: Arc<str>) {
        self.numbers.insert(Arc::clone(&value), number);
        self.values.insert(number, value);
        self.last = self.last.max(number);
    }
}

impl Safe {
    /// With fresh keys.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn new() -> Result<Self, ring::error::Unspecified> {
        let random = rand::SystemRandom::new();
        let mut key = [0; 32];
        rand::SecureRandom::fill(&random, &mut key)?;
        let seal = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?);
        let mac = hmac::Key::generate(hmac::HMAC_SHA256, &random)?;
        let sessions = Cache::builder().max_capacity(MOST_SESSIONS).expire_after(Idle).build();
        Ok(Self { seal, mac, random, sessions, room: Room::new(MOST_BYTES), rooms: Mutex::default() })
    }

    /// The session `name` of the key `key`, made if need be; it lasts for `ttl` from now. Without room for it, it lasts for
    /// this request only.
    pub fn session(&self, key: &Arc<str>, name: &Arc<str>, ttl: Duration) -> Arc<Session> {
        let of_both = (Arc::clone(key), Arc::clone(name));
        let now = tokio::time::Instant::now();
        let session = self.sessions.get(&of_both).unwrap_or_else(|| {
            let mut share = Share { rooms: [Arc::clone(&self.room), self.room_of(key)], held: 0 };
            let fits = share.take(ABOUT + name.len() as u64);
            let values = SealedValues { share, values: HashMap::new(), last: HashMap::new() };
            let made = Arc::new(Session { ttl, until: Mutex::new(None), values: Mutex::new(values) });
            if fits { self.sessions.get_with(of_both, || made) } else { made }
        });
        let mut until = session.until.lock();
        if until.is_some_and(|until| until <= now) {
            session.values.lock().clear();
        }
        *until = Some(now + ttl);
        drop(until);
        session
    }

    fn room_of(&self, key: &Arc<str>) -> Arc<Room> {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get(key).and_then(Weak::upgrade) {
            return room;
        }
        rooms.retain(|_, room| room.strong_count() > 0);
        let room = Room::new(MOST_OF_KEY);
        rooms.insert(Arc::clone(key), Arc::downgrade(&room));
        room
    }

    /// A keyed hash of `value`, the same for equal values as long as the process runs.
    pub fn hash(&self, value: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.mac, value.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    fn seal(&self, value: &str) -> Option<([u8; NONCE_LEN], Vec<u8>)> {
        let mut nonce = [0; NONCE_LEN];
        rand::SecureRandom::fill(&self.random, &mut nonce).ok()?;
        let mut sealed = value.as_bytes().to_vec();
        let under = Nonce::assume_unique_for_key(nonce);
        self.seal.seal_in_place_append_tag(under, Aad::empty(), &mut sealed).ok()?;
        Some((nonce, sealed))
    }

    fn open(&self, one: &Sealed) -> Option<Arc<str>> {
        let mut bytes = one.sealed.clone();
        let under = Nonce::assume_unique_for_key(one.nonce);
        let opened = self.seal.open_in_place(under, Aad::empty(), &mut bytes).ok()?;
        std::str::from_utf8(opened).ok().map(Arc::from)
    }
}

impl Vault {
    /// With the values that `session` has already.
    pub fn of_session(safe: &Safe, session: Arc<Session>) -> Self {
        let mut opened = Values::new();
        for ((entity, _), one) in &session.values.lock().values {
            if let Some(value) = safe.open(one) {
                opened.entry(entity).or_default().put(one.number, value);
            }
        }
        Self { values: Arc::new(opened), session: Some(session) }
    }

    /// Whether there is nothing to be given back.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The placeholder for `value`; equal values of an entity have the same one.
    pub fn token(&mut self, safe: &Safe, entity: &'static str, value: &str) -> String {
        let known = self.values.get(entity).and_then(|of| of.numbers.get(value)).copied();
        let number = known.unwrap_or_else(|| self.number(safe, entity, value));
        format!("<{}_{number}>", entity.to_ascii_uppercase())
    }

    fn number(&mut self, safe: &Safe, entity: &'static str, value: &str) -> u32 {
        let mut number = self.values.get(entity).map_or(0, |of| of.last).saturating_add(1);
        if let Some(session) = &self.session {
            let SealedValues { values, last, share } = &mut *session.values.lock();
            let digest = safe.hash(value);
            let last = last.entry(entity).or_default();
            // Another request of the session may have met the value, or taken the number.
            let known = values.get(&(entity, digest)).map(|one| one.number);
            number = known.unwrap_or(number.max(last.saturating_add(1)));
            if known.is_none()
                && values.len() < MOST_VALUES
                && share.take(ABOUT + value.len() as u64)
                && let Some((nonce, sealed)) = safe.seal(value)
            {
                values.insert((entity, digest), Sealed { number, nonce, sealed });
                *last = (*last).max(number);
            }
        }
        Arc::make_mut(&mut self.values).entry(entity).or_default().put(number, value.into());
        number
    }

    /// What puts placeholders in the places of values.
    pub fn hider(&self) -> Hider {
        Hider { text: Hidden::of(&self.values, Fold::Text), json: Hidden::of(&self.values, Fold::Json) }
    }

    /// What gives the values back; `None`: there are none.
    pub fn restorer(&self) -> Option<Restorer> {
        (!self.values.is_empty()).then(|| Restorer { values: Arc::clone(&self.values) })
    }
}

/// Puts placeholders in the places of values.
pub struct Hider {
    text: Option<Hidden>,
    json: Option<Hidden>,
}

/// Values as they stand in texts of one fold, and what stands for them.
struct Hidden {
    finder: Option<AhoCorasick>,
    values: Vec<String>,
    tokens: Vec<String>,
}

impl Hidden {
    fn of(all: &Values, fold: Fold) -> Option<Self> {
        let (mut values, mut tokens) = (Vec::new(), Vec::new());
        for (entity, of) in all {
            for (number, value) in of.values.iter().filter(|(_, value)| !value.is_empty()) {
                let escaped = serde_json::Value::from(&**value).to_string();
                let value = if fold == Fold::Json { &escaped[1..escaped.len() - 1] } else { value };
                values.push(value.to_owned());
                tokens.push(format!("<{}_{number}>", entity.to_ascii_uppercase()));
            }
        }
        // The longest first: one value may be the beginning of another.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values).ok();
        (!values.is_empty()).then_some(Self { finder, values, tokens })
    }
}

impl Hider {
    /// `text` with placeholders in the places of values, however those stand in a text that is folded so.
    pub fn hidden<'a>(&self, fold: Fold, text: &'a str) -> Cow<'a, str> {
        let hidden = if fold == Fold::Json { &self.json } else { &self.text };
        let Some(Hidden { finder, values, tokens }) = hidden else { return Cow::Borrowed(text) };
        match finder {
            Some(finder) if finder.is_match(text) => finder.replace_all(text, tokens).into(),
            Some(_) => Cow::Borrowed(text),
            // More than one automaton holds.
            None => {
                let each = values.iter().zip(tokens);
                each.fold(text.to_owned(), |text, (value, token)| text.replace(value, token)).into()
            }
        }
    }
}

/// The name of an entity that a service made up, for as long as the process runs; of so many, then they are all `other`.
pub fn lasting(name: &str) -> &'static str {
    const MOST: usize = 1024;
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock();
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    if names.len() >= MOST || name.len() > 40 {
        return "other";
    }
    let known: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.push(known);
    known
}

/// Finds placeholders: in any case, with spaces inside of the brackets, in other brackets or without.
#[derive(Clone)]
pub struct Restorer {
    values: Arc<Values>,
}

/// The entity of the hits of a [`Restorer`].
pub const PLACEHOLDER: &str = "placeholder";

impl Restorer {
    /// The value that the placeholder `text` stands for.
    pub fn value(&self, text: &str) -> Option<&str> {
        let name = text.trim_matches(|one: char| "<>[](){} ".contains(one));
        let (entity, number) = name.rsplit_once(['_', ' ', '-'])?;
        let number: u32 = number.parse().ok()?;
        let named = self.values.iter().filter(|(name, _)| is_named(name, entity));
        named.into_iter().find_map(|(_, of)| of.values.get(&number)).map(|value| &**value)
    }

    /// Where the placeholder that begins at `from` ends; `None`: none does.
    fn at(&self, text: &str, from: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let first = *bytes.get(from)?;
        let bracket = opening(first);
        if bracket.is_none()
            && (!first.is_ascii_alphabetic() || from.checked_sub(1).is_some_and(|at| is_word(bytes[at])))
        {
            return None;
        }
        let within = &bytes[from..bytes.len().min(from + LONGEST)];
        let skip = |at: usize| at + within[at..].iter().take_while(|&&byte| byte == b' ').count();
        let begin = if bracket.is_some() { skip(1) } else { 0 };
        let name = within.get(begin..)?.iter().take_while(|&&byte| is_word(byte) || byte == b'-').count();
        let digits = within[begin..begin + name].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = begin + name;
        if digits == 0 || digits == name {
            return None;
        }
        if let Some(close) = bracket {
            let at = skip(end);
            if within.get(at) != Some(&close) {
                return None;
            }
            end = at + 1;
        }
        self.value(&text[from..from + end]).map(|_| from + end)
    }
}

impl Spotter for Restorer {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let begins = |byte: u8| opening(byte).is_some() || byte.is_ascii_alphabetic();
        let places = text.as_bytes().iter().enumerate().skip(from).filter(|(_, byte)| begins(**byte));
        places.into_iter().find_map(|(at, _)| {
            let end = self.at(text, at)?;
            Some(Hit { at: at..end, entity: PLACEHOLDER, grow: None })
        })
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let least = from.max(text.len().saturating_sub(LONGEST));
        let alive = (least..text.len()).find(|&at| {
            let rest = &bytes[at..];
            let inside = match rest.first() {
                Some(byte) if opening(*byte).is_some() => {
                    &rest[1 + rest[1..].iter().take_while(|&&byte| byte == b' ').count()..]
                }
                Some(byte) if byte.is_ascii_alphabetic() && (at == 0 || !is_word(bytes[at - 1])) => rest,
                _ => return false,
            };
            let name = inside.iter().take_while(|&&byte| is_word(byte) || byte == b'-').count();
            let behind = inside[name..].iter().all(|&byte| byte == b' ');
            behind && (name == inside.len() || inside.len() < rest.len()) && self.may_become(&inside[..name])
        });
        alive.unwrap_or(text.len())
    }
}

impl Restorer {
    /// Whether `name` is the beginning of a placeholder's name.
    fn may_become(&self, name: &[u8]) -> bool {
        self.values.keys().any(|entity| {
            let entity = entity.as_bytes();
            let same = name.iter().zip(entity).all(|(a, b)| alike(*a, *b));
            let rest = name.get(entity.len()..).unwrap_or_default();
            let (link, digits) = (rest.first(), rest.get(1..).unwrap_or_default());
            same && link.is_none_or(|byte| *byte == b'_' || *byte == b'-') && digits.iter().all(u8::is_ascii_digit)
        })
    }
}

fn is_named(entity: &str, name: &str) -> bool {
    entity.len() == name.len() && entity.bytes().zip(name.bytes()).all(|(a, b)| alike(a, b))
}

fn alike(a: u8, b: u8) -> bool {
    let link = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    link(a) == link(b)
}

const fn opening(byte: u8) -> Option<u8> {
    match byte {
        b'<' => Some(b'>'),
        b'[' => Some(b']'),
        b'{' => Some(b'}'),
        b'(' => Some(b')'),
        _ => None,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;

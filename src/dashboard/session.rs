//! Who is signed in: a table of random ids, kept by their hashes, bounded, each with an end.

use crate::{admin::audit::Actor, auth::Facts, config::Role};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A visitor who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// What they may do.
    pub role: Role,
    /// How the audit log names them.
    pub actor: Actor,
    /// What each form of theirs must bring along.
    pub csrf: String,
    /// What the role of somebody follows from who signed in at an issuer; `None`: they have a token.
    pub facts: Option<Arc<Facts>>,
    /// When they signed in: a reload may shorten sessions.
    pub begun_us: u64,
}

impl Visitor {
    /// Whether they may change something, and see content.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Who they are, as far as it is known.
    pub fn name(&self) -> Option<&str> {
        let person = &self.facts.as_ref()?.person;
        Some(person.name.as_ref().unwrap_or(&person.sub))
    }

    /// Whether a form was made for this visitor; time tells nothing.
    pub fn made(&self, token: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(token.as_bytes()))
    }
}

struct Session {
    visitor: Visitor,
    seen_us: u64,
    /// It is over then, however much it is used.
    ends_us: u64,
}

impl Session {
    fn is_over(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.seen_us) > IDLE_US || now_us > self.ends_us
    }
}

/// All sessions of this process; a restart ends them.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Begins a session of at most `longest_us` and gives its id, which is kept nowhere else. A full table drops the one
    /// that was idle longest; so does somebody with [`MOST_EACH`] of them, among their own.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn begin(
        &self,
        (role, actor): (Role, Actor),
        facts: Option<Facts>,
        longest_us: u64,
        now_us: u64,
    ) -> Result<String, getrandom::Error> {
        let (id, csrf) = (random()?, random()?);
        // By what the issuer never gives to somebody else: people change their names.
        let whose = |actor: &Actor| actor.person.as_ref().map(|person| (person.issuer.clone(), person.sub.clone()));
        let person = whose(&actor);
        let own = |session: &Session| person.is_some() && whose(&session.visitor.actor) == person;
        let mut table = self.0.lock();
        table.retain(|_, session| !session.is_over(now_us));
        let idlest = |table: &HashMap<[u8; 32], Session>, among: &dyn Fn(&Session) -> bool| {
            let some = table.iter().filter(|(_, session)| among(session));
            some.min_by_key(|(_, session)| session.seen_us).map(|(hash, _)| *hash)
        };
        if table.values().filter(|session| own(session)).count() >= MOST_EACH {
            idlest(&table, &own).map(|hash| table.remove(&hash));
        }
        if table.len() >= MOST {
            idlest(&table, &|_| true).map(|hash| table.remove(&hash));
        }
        let visitor = Visitor { role, actor, csrf, facts: facts.map(Arc::new), begun_us: now_us };
        table.insert(hash(&id), Session { visitor, seen_us: now_us, ends_us: now_us.saturating_add(longest_us) });
        Ok(id)
    }

    /// Who has this id. `acts`: whether they did something themselves, which a page that renews itself does not.
    pub fn visitor(&self, id: &str, acts: bool, now_us: u64) -> Option<Visitor> {
        let hash = hash(id);
        let mut table = self.0.lock();
        let session = table.get_mut(&hash)?;
        if session.is_over(now_us) {
            table.remove(&hash);
            return None;
        }
        if acts {
            session.seen_us = now_us.max(session.seen_us);
        }
        Some(session.visitor.clone())
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        self.0.lock().remove(&hash(id));
    }
}

/// 256 random bits in hexadecimal digits.
///
/// # Errors
///
/// When the operating system gives none.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn hash(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// Sessions at once.
const MOST: usize = 256;
/// Of them those of one person.
const MOST_EACH: usize = 16;
/// A session that nobody used for so long is over: 30 minutes.
const IDLE_US: u64 = 30 * 60 * 1_000_000;
/// No session by a token is longer: 12 hours.
pub(super) const LONGEST_US: u64 = 12 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::audit::Person;

    fn actor() -> Actor {
        Actor { role: "admin".to_owned(), token: "0123456789ab".to_owned(), person: None }
    }

    fn begin(sessions: &Sessions, now_us: u64) -> String {
        sessions.begin((Role::Admin, actor()), None, LONGEST_US, now_us).expect("randomness")
    }

    #[test]
    fn a_session_ends_by_idleness_by_age_and_by_signing_out() {
        let sessions = Sessions::default();
        let id = begin(&sessions, 0);
        assert!(sessions.visitor(&id, true, IDLE_US).is_some());
        assert!(sessions.visitor(&id, false, 2 * IDLE_US).is_some(), "a page that renews itself is shown");
        assert!(sessions.visitor(&id, true, 2 * IDLE_US + 1).is_none(), "and keeps nobody signed in");
        let id = begin(&sessions, 0);
        let mut now_us = 0;
        while now_us + IDLE_US <= LONGEST_US {
            now_us += IDLE_US;
            assert!(sessions.visitor(&id, true, now_us).is_some(), "{now_us}");
        }
        assert!(sessions.visitor(&id, true, LONGEST_US + 1).is_none());
        let id = begin(&sessions, 0);
        sessions.end(&id);
        assert!(sessions.visitor(&id, true, 1).is_none());
        assert!(sessions.visitor("", true, 1).is_none());
    }

    #[test]
    fn a_full_table_drops_the_one_that_was_idle_longest() {
        let sessions = Sessions::default();
        let ids: Vec<String> = (0..MOST as u64).map(|at| begin(&sessions, at)).collect();
        assert!(sessions.visitor(&ids[0], true, 1_000).is_some(), "the oldest is used");
        let new = begin(&sessions, 1_001);
        assert!(sessions.visitor(&ids[1], true, 1_002).is_none());
        for id in [&ids[0], &ids[2], &new] {
            assert!(sessions.visitor(id, true, 1_002).is_some());
        }
        assert_eq!(sessions.0.lock().len(), MOST);
    }

    #[test]
    fn one_person_has_so_many_sessions_and_pushes_nobody_else_out() {
        let sessions = Sessions::default();
        let first = begin(&sessions, 0);
        let person = |sub: &str| {
            let (issuer, sub) = ("https://login.example.com".to_owned(), sub.to_owned());
            // Another one at each sign-in.
            let person = Person { issuer, sub, name: Some(random().expect("randomness")) };
            Actor { token: String::new(), person: Some(person), ..actor() }
        };
        let enter =
            |sub: &str, at| sessions.begin((Role::Viewer, person(sub)), None, 1_000_000, at).expect("randomness");
        let other = enter("bob", 1);
        let ids: Vec<String> = (0..=MOST_EACH as u64).map(|at| enter("ann", 2 + at)).collect();
        assert!(sessions.visitor(&ids[0], true, 100).is_none() && sessions.visitor(&ids[1], true, 100).is_some());
        assert!([&first, &other].iter().all(|id| sessions.visitor(id, true, 100).is_some()));
        assert_eq!(sessions.0.lock().len(), MOST_EACH + 2);
        assert!(sessions.visitor(&other, true, 1_000_002).is_none(), "its own life is over");
    }

    #[test]
    fn a_form_of_another_session_is_not_taken() {
        let sessions = Sessions::default();
        let [one, other] = [0, 0].map(|_| {
            let id = begin(&sessions, 0);
            sessions.visitor(&id, true, 1).expect("it runs")
        });
        assert!(one.made(&one.csrf) && !one.made(&other.csrf) && !one.made("") && !one.made(&one.csrf[1..]));
    }
}

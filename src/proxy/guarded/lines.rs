//! Lines of files: requests of a batch on their way up, its answers on their way down. Each line for itself, as if it were
//! a request or an answer of its own.

use super::{
    Ends, Guarded, Looked, Stopped, Who,
    input::{MOST_AT_ONCE, folds},
    output::whole_answer,
    outside::Outside,
    refuse,
    remote::Asker,
};
use crate::{
    auth::Caller,
    config::{GuardAction, Hook},
    dialect::{
        self,
        strict::{self, Kind, Member},
        view,
    },
    guard::{Desk, Direction, FAILED, Mask, Refused, Set, Vault, Verdicts},
    model::{Api, Ask, Draft, Form, Speech},
    proxy::{
        evidence,
        exchange::Arrival,
        gateway::{Services, Snapshot},
        metadata::Metadata,
        reject::Reject,
        routes::facts,
    },
    routing,
};
use bytes::Bytes;
use serde_json::json;
use std::ops::Range;
use std::sync::Arc;

/// Whose lines they are, and what is to look at them. On its own, for they are looked at on other threads.
pub struct Party {
    pub services: Arc<Services>,
    pub snapshot: Arc<Snapshot>,
    pub arrival: Arrival,
    pub caller: Arc<Caller>,
    /// The end user.
    pub user: Option<Arc<str>>,
    pub metadata: Metadata,
    /// The model of the configuration that all lines are for.
    pub model: Arc<str>,
    /// The call that all lines are of.
    pub api: Api,
    /// The guardrails, if their conditions hold.
    pub mask: Mask,
}

/// A line that was looked at.
pub struct Line {
    /// What stands in its place; `None`: it stays as it is.
    pub edited: Option<Bytes>,
    /// What was said about it.
    pub verdicts: Verdicts,
    /// Of a request: the guardrails that were for it, by their conditions.
    pub held: Mask,
}

impl Party {
    /// Whether services are asked about what goes in this direction: then lines are not looked at at once.
    pub fn asks(&self, direction: Direction) -> bool {
        self.snapshot.guards.set(self.mask).is_some_and(|set| set.remotes(direction).next().is_some())
    }

    /// Whether answers are looked at.
    pub fn reads_answers(&self) -> bool {
        self.snapshot.guards.set(self.mask).is_some_and(|set| set.looks(Direction::Answer))
    }

    /// The names of those of `held` that look at requests and decide: who only tells has let all pass.
    pub fn deciding(&self, held: Mask) -> Vec<Arc<str>> {
        let Some(set) = self.snapshot.guards.set(held) else { return Vec::new() };
        let deciding = set.guards.iter().filter(|guard| guard.decides() && guard.looks(Direction::Request));
        deciding.map(|guard| Arc::clone(&guard.name)).collect()
    }

    /// Records and counts what was said about all lines; returns it in one line, if there is any.
    pub fn said(&self, verdicts: &Verdicts) -> Option<String> {
        let (arrival, caller, user, guards) = (&self.arrival, &self.caller, self.user.as_ref(), &self.snapshot.guards);
        let asker = evidence::Asker { arrival, caller, user, model: &self.model, api: Api::Files, guards };
        asker.found(&self.services, verdicts);
        super::count(&self.services.metrics, verdicts);
        Some(verdicts.line()).filter(|line| !line.is_empty())
    }

    fn who(&self) -> Who<'_> {
        Who {
            request_id: &self.arrival.label,
            model: &self.model,
            team: &self.caller.team,
            key: &self.caller.key,
            user: self.user.as_deref(),
            metadata: &self.metadata,
            metrics: &self.services.metrics,
        }
    }

    /// The body of a line of requests as it may go up; takes its time, and asks nobody.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it, or it is no request.
    pub fn request_at_once(&self, body: &[u8]) -> Result<Line, Stopped> {
        let (ask, looked) = (self.parsed(body)?, self.looked());
        let Some((set, mask)) = self.holding(&looked, &ask)? else { return Ok(Line::as_it_is()) };
        let (ask, guarding) = looked.look_at_once((set, mask), ask)?;
        Ok(Line::of(body, &ask.body.bytes(), guarding.verdicts(), mask))
    }

    /// The same; services are asked.
    ///
    /// # Errors
    ///
    /// As [`Self::request_at_once`].
    pub async fn request(&self, body: &[u8]) -> Result<Line, Stopped> {
        let (ask, looked) = (self.parsed(body)?, self.looked());
        let Some((set, mask)) = self.holding(&looked, &ask)? else { return Ok(Line::as_it_is()) };
        let (ask, guarding) = looked.look((set, mask), ask).await?;
        Ok(Line::of(body, &ask.body.bytes(), guarding.verdicts(), mask))
    }

    fn parsed(&self, body: &[u8]) -> Result<Ask, Stopped> {
        let bad = |bad: dialect::BadRequest| Reject::BadRequest { message: bad.message, param: bad.param };
        Ok(dialect::parse(self.api, Draft::copy_of(body)).map_err(bad)?)
    }

    fn looked(&self) -> Looked<'_> {
        Looked {
            guards: &self.snapshot.guards,
            mask: self.mask,
            key: &self.caller.key,
            session: None,
            form: None,
            generate: None,
            who: self.who(),
        }
    }

    /// The guardrails that hold for `ask`; none of them may want to give values back.
    fn holding(&self, looked: &Looked<'_>, ask: &Ask) -> Result<Option<(Arc<Set>, Mask)>, Stopped> {
        let own = ask.metadata.iter().map(|(name, value)| (Arc::from(&**name), Arc::from(&**value)));
        let metadata: Metadata = self.metadata.iter().cloned().chain(own).collect();
        let user = self.user.as_deref().or(ask.user.as_deref());
        let facts = facts(ask, &self.caller, user, &metadata);
        let held = looked.set(|when| routing::failing(when, &facts).is_none());
        let tokenizes = |set: &Set| {
            let mut deciding = set.guards.iter().filter(|guard| guard.decides() && guard.looks(Direction::Request));
            deciding.find(|guard| guard.action == GuardAction::Tokenize).map(|guard| Arc::clone(&guard.name))
        };
        match held.as_ref().and_then(|(set, _)| tokenizes(set)) {
            Some(guard) => Err(Reject::Guard(Guarded::Tokenizes { guard }).into()),
            None => Ok(held),
        }
    }

    /// A line of answers as it may go down; takes its time, and asks nobody.
    pub fn answer_at_once(&self, line: &Bytes) -> Line {
        let Some((_, mut desk)) = self.desk() else { return Line::as_it_is() };
        let place = place_in(line);
        let ran = match &place {
            Place::Answer(at) => whole_answer(&mut desk, self.api, &line.slice(at.clone())),
            Place::None => Ok(line.clone()),
            Place::Unknown => unread(&mut desk, line),
        };
        self.told(line, place, (ran, &desk))
    }

    /// The same; services are asked.
    pub async fn answer(&self, line: &Bytes) -> Line {
        let Some((set, mut desk)) = self.desk() else { return Line::as_it_is() };
        let place = place_in(line);
        let ran = match &place {
            Place::Answer(at) => {
                let (ran, looked) = self.inside(desk, line.slice(at.clone())).await;
                desk = looked;
                match ran {
                    Ok(body) => self.outside(&set, &mut desk, body).await,
                    Err(refused) => Err(refused),
                }
            }
            Place::None => Ok(line.clone()),
            Place::Unknown => {
                let services = set.remotes(Direction::Answer);
                let asked = services.map(|(guard, _)| desk.failed(guard, Hook::Output, "the line is no answer"));
                match asked.collect::<Result<(), Refused>>() {
                    Ok(()) => unread(&mut desk, line),
                    Err(refused) => Err(refused),
                }
            }
        };
        self.told(line, place, (ran, &desk))
    }

    /// What the guardrails inside leave of an answer; on another thread if it is long.
    async fn inside(&self, mut desk: Desk, body: Bytes) -> (Result<Bytes, Refused>, Desk) {
        if body.len() as u64 <= MOST_AT_ONCE {
            return (whole_answer(&mut desk, self.api, &body), desk);
        }
        let api = self.api;
        let (set, safe) = (Arc::clone(desk.set()), Arc::clone(self.snapshot.guards.safe()));
        let looked = tokio::task::spawn_blocking(move || (whole_answer(&mut desk, api, &body), desk)).await;
        // A panic of the gateway's own, for those of guards are caught: nothing goes out.
        looked.unwrap_or_else(|_| {
            let guard = Arc::clone(&set.guards[0].name);
            let refused = Refused { guard, hook: Hook::Output, entity: FAILED.into(), why: None };
            (Err(refused), Desk::new(set, safe, Vault::default()))
        })
    }

    /// What services leave of it.
    async fn outside(&self, set: &Set, desk: &mut Desk, body: Bytes) -> Result<Bytes, Refused> {
        let asker = Arc::new(Asker::from(&self.who()));
        let Some(mut outside) = Outside::new(set, self.api, &asker) else { return Ok(body) };
        outside.keep_whole(body, true);
        while let Some(asking) = outside.asks(desk) {
            let told = asking.ask().await;
            outside.heard(desk, &asking, told);
        }
        let now_s = self.services.clock.now_us() / 1_000_000;
        let out = outside.let_out(&Ends { id: self.arrival.id, model: &self.model, now_s }, false);
        out.refused.map_or(Ok(out.bytes), Err)
    }

    /// Conditions are taken to hold: what they ask for is not known any more.
    fn desk(&self) -> Option<(Arc<Set>, Desk)> {
        let set = self.snapshot.guards.set(self.mask)?;
        let desk = Desk::new(Arc::clone(&set), Arc::clone(self.snapshot.guards.safe()), Vault::default());
        Some((set, desk))
    }

    /// The line, with what its guardrails left of its answer.
    fn told(&self, line: &Bytes, place: Place, (ran, desk): (Result<Bytes, Refused>, &Desk)) -> Line {
        let verdicts = desk.verdicts().clone();
        let edited = match (ran, place) {
            (Ok(left), Place::Answer(at)) => {
                (left != line.slice(at.clone())).then(|| view::edited(line, &[(at, left)]))
            }
            (Ok(left), Place::None | Place::Unknown) => Some(left).filter(|left| left != line),
            (Err(refused), place) => Some(self.refused(line, place, refused)),
        };
        Line { edited, verdicts, held: 0 }
    }

    /// What stands in the place of a line whose answer is refused: the dialect's refusal, or an error where there is no word
    /// for it, or where another look may say otherwise.
    fn refused(&self, line: &Bytes, place: Place, refused: Refused) -> Bytes {
        let reject = refuse(refused);
        if let (Reject::Guard(Guarded::Blocked { .. }), Place::Answer(at)) = (&reject, place)
            && let Some(refusal) = view::refused_whole(self.api, &line.slice(at.clone()))
        {
            return view::edited(line, &[(at, refusal)]);
        }
        let members = strict::check(line).map(|outline| outline.members).unwrap_or_default();
        let raw = |name: &str| {
            let found = members.iter().find(|member| &*member.key == name.as_bytes());
            let text = found.and_then(|member| std::str::from_utf8(line.get(member.value.range())?).ok());
            text.unwrap_or("null")
        };
        let error = json!({"code": reject.code(), "message": reject.to_string()});
        let (id, custom_id, end) = (raw("id"), raw("custom_id"), if line.ends_with(b"\n") { "\n" } else { "" });
        let told = format!(r#"{{"id":{id},"custom_id":{custom_id},"response":null,"error":{error}}}{end}"#);
        Bytes::from(told)
    }
}

impl Line {
    fn as_it_is() -> Self {
        Self { edited: None, verdicts: Verdicts::default(), held: 0 }
    }

    fn of(before: &[u8], after: &Bytes, verdicts: &Verdicts, held: Mask) -> Self {
        Self { edited: (**after != *before).then(|| after.clone()), verdicts: verdicts.clone(), held }
    }
}

/// Where a line's answer stands.
enum Place {
    Answer(Range<usize>),
    /// There is none: the request failed.
    None,
    /// In no place that is known.
    Unknown,
}

/// Of `{"id","custom_id","response":{"status_code","request_id","body"},"error"}`. Source:
/// <https://developers.openai.com/api/docs/guides/batch>.
fn place_in(line: &[u8]) -> Place {
    if line.trim_ascii().is_empty() {
        return Place::None;
    }
    let Ok(outline) = strict::check(line) else { return Place::Unknown };
    let named = |members: &[Member<'_>], name: &[u8]| {
        members.iter().find(|member| &*member.key == name).map(|member| (member.kind, member.value))
    };
    match named(&outline.members, b"response") {
        Some((Kind::Null, _)) => Place::None,
        Some((Kind::Object, response)) => match named(&strict::members(line, response), b"body") {
            Some((Kind::Object, body)) => Place::Answer(body.range()),
            _ => Place::Unknown,
        },
        _ => Place::Unknown,
    }
}

/// A line in which no answer is found: all of it is a text, the source of JSON.
fn unread(desk: &mut Desk, line: &Bytes) -> Result<Bytes, Refused> {
    let text = view::decoded(Form::Json, line);
    let told = desk.answer(Speech::Assistant, folds(Form::Json), &text)?;
    Ok(told.map_or_else(|| line.clone(), |told| view::replacement(Form::Json, &told)))
}

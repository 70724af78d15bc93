//! Does to a request's and its answer's texts what its guardrails say, and keeps what they said.

mod clerk;
mod total;

use super::caught::caught;
use super::fold::{Fold, Folder};
use super::judge::Judgement;
use super::kinds::Body;
use super::policy::ModelPolicy;
use super::set::{Direction, Guard, Plan, Set, Watch};
use super::vault::{Hider, Restorer, Safe, Vault};
use super::verdicts::{FAILED, Verdicts};
use super::window::{Found, Window};
use crate::config::{GuardAction, Hook};
use crate::model::{Api, Speech};
use clerk::Clerk;
use std::sync::Arc;
use total::{Counter, Sums};

/// Longest text of a stream that is kept for what decides about whole texts: of a longer one it cannot say.
const MOST_JUDGED: usize = 1024 * 1024;

/// A text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The guardrail that says so.
    pub guard: Arc<str>,
    /// Where it looked.
    pub hook: Hook,
    /// What it found; [`FAILED`]: it could not say.
    pub entity: Arc<str>,
    /// More about it, for people; never the text.
    pub why: Option<String>,
}

/// The guardrails of one request at work.
pub struct Desk {
    set: Arc<Set>,
    safe: Arc<Safe>,
    vault: Vault,
    verdicts: Verdicts,
    /// How much the texts of the answer have together so far.
    sums: Sums,
}

impl Desk {
    /// With the values that `vault` has already.
    pub fn new(set: Arc<Set>, safe: Arc<Safe>, vault: Vault) -> Self {
        let sums = Sums::of(&set);
        Self { set, safe, vault, verdicts: Verdicts::default(), sums }
    }

    /// The guardrails.
    pub fn set(&self) -> &Arc<Set> {
        &self.set
    }

    /// What was said so far.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Whether texts that go in this direction are looked at. Answers are, where placeholders were put into the request.
    pub fn looks(&self, direction: Direction) -> bool {
        self.set.looks(direction) || (direction == Direction::Answer && !self.vault.is_empty())
    }

    /// Whether placeholders stand for what somebody said.
    pub fn hides(&self) -> bool {
        !self.vault.is_empty()
    }

    /// Whether texts of answers may come out changed.
    pub fn edits_answers(&self) -> bool {
        !self.vault.is_empty()
            || Speech::ALL.iter().any(|&speech| self.set.plan(Direction::Answer, speech).edit.is_some())
    }

    /// Whether texts of answers that come in pieces may be held back: in order to be changed, or refused.
    pub fn holds_answers(&self) -> bool {
        self.edits_answers()
            || Speech::ALL.iter().any(|&speech| self.set.plan(Direction::Answer, speech).block.is_some())
    }

    /// Looks at the parameters of a request.
    ///
    /// # Errors
    ///
    /// A guardrail refuses them.
    pub fn parameters(&mut self, api: Api, body: &[u8]) -> Result<(), Refused> {
        self.policies(|policy| policy.check(api, body))
    }

    /// Looks at a field of a form.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it.
    pub fn field(&mut self, api: Api, name: &str, value: &str) -> Result<(), Refused> {
        self.policies(|policy| policy.check_field(api, name, value))
    }

    fn policies(&mut self, check: impl Fn(&ModelPolicy) -> Option<Judgement>) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        for (guard, policy) in set.policies() {
            let checked = caught(|| check(policy));
            self.judged(guard, Hook::Input, checked.ok())?;
        }
        Ok(())
    }

    /// Looks at a whole text of a request; returns it as it may go out, if it may not go as it is.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it.
    pub fn request(&mut self, speech: Speech, fold: Fold, text: &str) -> Result<Option<String>, Refused> {
        let set = Arc::clone(&self.set);
        let plan = set.plan(Direction::Request, speech);
        if plan.is_empty() {
            return Ok(None);
        }
        self.judge(Direction::Request, speech, fold, text)?;
        let mut channel = Channel::new(plan, (Direction::Request, speech), fold, None);
        channel.judged = None;
        let mut out = String::new();
        channel.whole();
        channel.push(self, text, &mut out)?;
        channel.finish(self, &mut out)?;
        Ok((out != text).then_some(out))
    }

    /// What of a text of a request may go out as it is or edited, of which only the beginning is here: not its last part, in
    /// which what would have followed may change something.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it.
    pub fn beginning(&mut self, speech: Speech, fold: Fold, text: &str) -> Result<String, Refused> {
        let set = Arc::clone(&self.set);
        let plan = set.plan(Direction::Request, speech);
        if plan.is_empty() {
            return Ok(text.to_owned());
        }
        self.judge(Direction::Request, speech, fold, text)?;
        let mut channel = Channel::new(plan, (Direction::Request, speech), fold, None);
        channel.judged = None;
        let mut out = String::new();
        channel.push(self, text, &mut out)?;
        Ok(out)
    }

    /// A service wants a text to be refused.
    ///
    /// # Errors
    ///
    /// The guardrail lets it.
    pub fn blocked_by(&mut self, guard: &Guard, hook: Hook, entity: &str, why: Option<String>) -> Result<(), Refused> {
        let action = if guard.action == GuardAction::Flag { GuardAction::Flag } else { GuardAction::Block };
        self.verdicts.note_foreign(&guard.name, hook, entity, (action, guard.audit));
        match guard.decides() {
            true => Err(Refused { guard: Arc::clone(&guard.name), hook, entity: entity.into(), why }),
            false => Ok(()),
        }
    }

    /// A service found something; `replaced`: it says what stands there instead.
    pub fn noted(&mut self, guard: &Guard, hook: Hook, entity: &str, replaced: bool) {
        let action = if replaced { GuardAction::Redact } else { guard.action };
        self.verdicts.note_foreign(&guard.name, hook, entity, (action, guard.audit));
    }

    /// What stands in the place of `value`, which a service found.
    pub fn instead_of(
        &mut self,
        guard: &Guard,
        direction: Direction,
        (entity, value): (&str, &str),
        fold: Fold,
    ) -> String {
        let found =
            Found { spotter: 0, entity: super::vault::lasting(entity), value, folded: value, fold, partial: false };
        let set = Arc::clone(&self.set);
        let speech = Speech::User;
        let mut clerk = Clerk { desk: self, owners: &[], set: &set, direction, speech, restorer: None };
        clerk.instead(guard.action, &found)
    }

    /// Makes texts of an answer such that a service may see them: with placeholders where values were given back.
    pub fn hider(&self) -> Hider {
        self.vault.hider()
    }

    /// What a service made of such a text, with its values given back.
    pub fn restored(&mut self, fold: Fold, text: String) -> String {
        let Some(restorer) = self.vault.restorer() else { return text };
        let at = (Direction::Answer, Speech::Assistant);
        let mut channel = Channel::new(&Plan::default(), at, fold, Some(restorer));
        let mut out = String::with_capacity(text.len());
        let told = channel.push(self, &text, &mut out).and_then(|()| channel.finish(self, &mut out));
        // Nothing but placeholders is looked for, and nothing refuses them.
        if told.is_ok() { out } else { text }
    }

    /// Looks at a whole text of an answer, as if it came as a stream; returns it as it may go out, if it may not go as it is.
    ///
    /// # Errors
    ///
    /// A guardrail refuses it.
    pub fn answer(&mut self, speech: Speech, fold: Fold, text: &str) -> Result<Option<String>, Refused> {
        let mut channel = self.channel(speech, fold);
        if channel.is_idle() {
            return Ok(None);
        }
        let judged = channel.judged.take();
        let mut out = String::with_capacity(text.len());
        channel.push(self, text, &mut out)?;
        channel.finish(self, &mut out)?;
        if judged.is_some() {
            self.judge(Direction::Answer, speech, fold, text)?;
        }
        Ok((out != text).then_some(out))
    }

    /// A text of an answer that is about to come.
    pub fn channel(&self, speech: Speech, fold: Fold) -> Channel {
        let plan = self.set.plan(Direction::Answer, speech);
        let counted = self.sums.counter(&self.set, speech);
        Channel { counted, ..Channel::new(plan, (Direction::Answer, speech), fold, self.vault.restorer()) }
    }

    /// Asks what decides about whole texts.
    fn judge(&mut self, direction: Direction, speech: Speech, fold: Fold, text: &str) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        let judges = &set.plan(direction, speech).judges;
        if judges.is_empty() {
            return Ok(());
        }
        let mut folder = Folder::new(fold);
        folder.push(text);
        folder.finish();
        for &at in judges {
            let guard = &set.guards[at];
            let (Body::Judge(judges), Some(hook)) = (&guard.body, guard.hook(direction, speech)) else { continue };
            for judge in judges {
                let seen = if judge.wants_original() { text } else { folder.text() };
                let judged = caught(|| judge.judge(seen, speech));
                self.judged(guard, hook, judged.ok())?;
            }
        }
        Ok(())
    }

    /// A text is too long for what decides about whole texts.
    fn cannot_judge(&mut self, direction: Direction, speech: Speech) -> Result<(), Refused> {
        let set = Arc::clone(&self.set);
        for &at in &set.plan(direction, speech).judges {
            let guard = &set.guards[at];
            let hook = guard.hook(direction, speech).unwrap_or(Hook::Output);
            self.failed(guard, hook, "the text is longer than 1 MiB")?;
        }
        Ok(())
    }

    /// Does what follows from a judgement; `None`: the guard panicked.
    fn judged(&mut self, guard: &Guard, hook: Hook, judged: Option<Option<Judgement>>) -> Result<(), Refused> {
        let Some(judged) = judged else { return self.failed(guard, hook, "it broke down") };
        let Some(judgement) = judged else { return Ok(()) };
        let action = if judgement.flag_only { GuardAction::Flag } else { guard.action };
        self.verdicts.note(&guard.name, hook, judgement.entity, (action, guard.audit));
        match action == GuardAction::Block && !guard.audit {
            true => Err(Refused {
                guard: Arc::clone(&guard.name),
                hook,
                entity: judgement.entity.into(),
                why: Some(judgement.why),
            }),
            false => Ok(()),
        }
    }

    /// A guardrail could not say.
    ///
    /// # Errors
    ///
    /// It is closed then.
    pub fn failed(&mut self, guard: &Guard, hook: Hook, why: &str) -> Result<(), Refused> {
        let closed = !guard.open && guard.decides();
        let action = if closed { GuardAction::Block } else { GuardAction::Flag };
        self.verdicts.note(&guard.name, hook, FAILED, (action, !closed));
        tracing::error!(guard = &*guard.name, hook = hook.name(), why, closed, "a guardrail could not say");
        match closed {
            true => {
                let (guard, why) = (Arc::clone(&guard.name), Some(why.to_owned()));
                Err(Refused { guard, hook, entity: FAILED.into(), why })
            }
            false => Ok(()),
        }
    }
}

/// One text on its way.
pub struct Channel {
    direction: Direction,
    speech: Speech,
    fold: Fold,
    block: Option<Looking>,
    edit: Option<Looking>,
    watch: Vec<Looking>,
    restorer: Option<Restorer>,
    /// The text so far, where something decides about all of it.
    judged: Option<String>,
    /// Where texts count together.
    counted: Option<Counter>,
}

/// The owner of the spotter that gives values back.
const RESTORER: usize = usize::MAX;

impl Channel {
    fn new(plan: &Plan, (direction, speech): (Direction, Speech), fold: Fold, restorer: Option<Restorer>) -> Self {
        let looking = |spotters, owners| Looking { window: Window::new(spotters, fold), owners, broken: false };
        let open = |watch: &Watch| looking(Arc::clone(&watch.spotters), Arc::clone(&watch.owners));
        let edit = match (&plan.edit, &restorer) {
            (edit, None) => edit.as_ref().map(open),
            (edit, Some(restorer)) => {
                let mut spotters: Vec<Arc<dyn super::Spotter>> = vec![Arc::new(restorer.clone())];
                let mut owners = vec![RESTORER];
                spotters.extend(edit.iter().flat_map(|watch| watch.spotters.iter().cloned()));
                owners.extend(edit.iter().flat_map(|watch| watch.owners.iter().copied()));
                Some(looking(spotters.into(), owners.into()))
            }
        };
        Self {
            direction,
            speech,
            fold,
            block: plan.block.as_ref().map(open),
            edit,
            watch: plan.watch.iter().map(open).collect(),
            restorer,
            judged: (!plan.judges.is_empty()).then(String::new),
            counted: None,
        }
    }

    /// Nothing looks at it.
    pub fn is_idle(&self) -> bool {
        let counts = self.judged.is_some() || self.counted.is_some();
        self.block.is_none() && self.edit.is_none() && self.watch.is_empty() && !counts
    }

    /// Nothing goes out before all of it is there.
    fn whole(&mut self) {
        let all = self.block.iter_mut().chain(&mut self.edit).chain(&mut self.watch);
        all.for_each(|looking| looking.window.set_whole());
    }

    /// Takes the next piece and appends what may go out.
    ///
    /// # Errors
    ///
    /// A guardrail refuses the text; what may still go out was appended.
    pub fn push(&mut self, desk: &mut Desk, piece: &str, out: &mut String) -> Result<(), Refused> {
        if let Some(judged) = self.judged.as_mut().filter(|judged| judged.len() <= MOST_JUDGED) {
            judged.push_str(piece);
        }
        self.count(desk, Some(piece))?;
        self.run(desk, Some(piece), out)
    }

    /// The text is whole: what is held goes out, and the next text may begin.
    ///
    /// # Errors
    ///
    /// As [`Self::push`].
    pub fn finish(&mut self, desk: &mut Desk, out: &mut String) -> Result<(), Refused> {
        self.count(desk, None)?;
        self.run(desk, None, out)?;
        match self.judged.as_mut().map(std::mem::take) {
            Some(text) if text.len() > MOST_JUDGED => desk.cannot_judge(self.direction, self.speech),
            Some(text) => desk.judge(self.direction, self.speech, self.fold, &text),
            None => Ok(()),
        }
    }

    /// Bytes that are held back.
    pub fn held(&self) -> usize {
        self.block.iter().chain(&self.edit).map(|looking| looking.window.held()).sum()
    }

    /// `piece` through all windows; `None`: the end.
    fn run(&mut self, desk: &mut Desk, piece: Option<&str>, out: &mut String) -> Result<(), Refused> {
        let at = (self.direction, self.speech);
        let mut aside = String::new();
        for looking in &mut self.watch {
            looking.step((desk, at, None), piece, piece.is_none(), &mut aside)?;
            aside.clear();
        }
        let Some(edit) = &mut self.edit else {
            return match &mut self.block {
                Some(block) => block.step((desk, at, None), piece, piece.is_none(), out),
                None => {
                    out.push_str(piece.unwrap_or_default());
                    Ok(())
                }
            };
        };
        let restorer = self.restorer.as_ref();
        let Some(block) = &mut self.block else {
            return edit.step((desk, at, restorer), piece, piece.is_none(), out);
        };
        let blocked = block.step((desk, at, None), piece, piece.is_none(), &mut aside);
        // What stands in front of what is refused may go out, as its guardrails leave it.
        edit.step((desk, at, restorer), Some(&aside), piece.is_none() || blocked.is_err(), out)?;
        blocked
    }
}

type Place<'a> = (&'a mut Desk, (Direction, Speech), Option<&'a Restorer>);

/// A window, and whose its spotters are.
struct Looking {
    window: Window,
    owners: Arc<[usize]>,
    /// A guard broke down in it, and all that look in it are open: texts pass.
    broken: bool,
}

impl Looking {
    /// `piece` through the window, and its end behind it if it is the `last`.
    fn step(
        &mut self,
        (desk, (direction, speech), restorer): Place<'_>,
        piece: Option<&str>,
        last: bool,
        out: &mut String,
    ) -> Result<(), Refused> {
        if self.broken {
            out.push_str(piece.unwrap_or_default());
            return Ok(());
        }
        let set = Arc::clone(&desk.set);
        let mut before = out.len();
        let ran = {
            let Self { window, owners, .. } = self;
            let mut clerk = Clerk { desk, owners, set: &set, direction, speech, restorer };
            caught(|| {
                if let Some(piece) = piece {
                    window.push(piece, &mut clerk, out)?;
                }
                before = out.len(); // what went out before the end is not held any more
                if last { window.finish(&mut clerk, out) } else { Ok(()) }
            })
        };
        let guards = self.owners.iter().filter_map(|&at| set.guards.get(at));
        let Ok(ran) = ran else {
            // Whose fault it was is not known: none that looks here could say. Nothing half done goes out.
            out.truncate(before);
            for guard in guards {
                desk.failed(guard, guard.hook(direction, speech).unwrap_or(Hook::Output), "it broke down")?;
            }
            self.broken = true;
            out.push_str(self.window.rest());
            return Ok(());
        };
        ran.map_err(|blocked| {
            let guard = self.owners.get(blocked.spotter).and_then(|&at| set.guards.get(at));
            Refused {
                guard: guard.map_or_else(|| Arc::from(""), |guard| Arc::clone(&guard.name)),
                hook: guard.and_then(|guard| guard.hook(direction, speech)).unwrap_or(Hook::Output),
                entity: blocked.entity.into(),
                why: None,
            }
        })
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;

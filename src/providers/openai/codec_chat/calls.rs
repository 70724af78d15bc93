//! Which piece of a stream belongs to which tool call: servers leave out the index, use one index for all, or repeat
//! ids and names.

use super::shape::{Call, ToolCall};
use crate::{
    model::{ChatEvent, Listener},
    providers::codec::MOST_CALLS,
};
use std::borrow::Cow;

/// The calls of one answer.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In the order in which they came.
    calls: Vec<Known>,
    /// Calls that were told.
    told: u32,
}

/// A call that began.
#[derive(Debug)]
struct Known {
    /// The server's number for it.
    index: Option<u32>,
    /// The server's id; empty as long as it has told none.
    id: String,
    name: String,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its name is not known yet; arguments that came before it.
    Waiting(String),
    /// Told under this number.
    Told(u32),
}

impl Calls {
    /// Whether any call was told.
    pub(super) const fn any(&self) -> bool {
        self.told > 0
    }

    /// Takes one piece; false: it begins a call more than are kept apart. `whole`: of an answer that came whole, where each
    /// piece is a call of its own.
    pub(super) fn take(&mut self, choice: u32, piece: &ToolCall<'_>, whole: bool, out: &mut Listener<'_>) -> bool {
        let none = Call::default();
        let call = piece.function.as_ref().or(piece.custom.as_ref()).unwrap_or(&none);
        let (id, name) = (piece.id.as_str(), call.name.as_str());
        let found = if whole { None } else { self.find(piece.index.0, id, name) };
        if found.is_none() && self.calls.len() >= MOST_CALLS {
            return false;
        }
        let at = found.unwrap_or_else(|| {
            self.calls.push(Known {
                index: piece.index.0,
                id: id.to_owned(),
                name: String::new(),
                state: State::Waiting(String::new()),
            });
            self.calls.len() - 1
        });
        self.tell(at, choice, name, call.arguments(), out);
        true
    }

    /// Takes the single call of the API before tools.
    pub(super) fn take_function(&mut self, choice: u32, call: Call<'_>, out: &mut Listener<'_>) {
        let piece = ToolCall { function: Some(call), ..ToolCall::default() };
        if self.calls.is_empty() {
            self.take(choice, &piece, true, out);
        } else if let Some(call) = &piece.function {
            self.tell(self.calls.len() - 1, choice, call.name.as_str(), call.arguments(), out);
        }
    }

    /// The call that a piece goes on with; `None`: it begins a new one. A new id begins a call even under a number that
    /// is taken, if it comes with a name: some servers send another id with each piece of one call.
    fn find(&self, index: Option<u32>, id: &str, name: &str) -> Option<usize> {
        let at = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index)?,
            None if id.is_empty() => self.calls.len().checked_sub(1)?,
            None => match self.calls.iter().rposition(|call| call.id == id) {
                Some(at) => at,
                None if name.is_empty() => self.calls.len().checked_sub(1)?,
                None => return None,
            },
        };
        let call = self.calls.get(at)?;
        let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
        let other_name = !name.is_empty() && !call.name.is_empty() && call.name != name;
        // Without number and id nothing but the name tells two calls of one function apart.
        let named_again = index.is_none() && id.is_empty() && !name.is_empty() && !call.name.is_empty();
        let new = (other_id && !name.is_empty()) || (other_name && id.is_empty()) || named_again;
        (!new).then_some(at)
    }

    fn tell(&mut self, at: usize, choice: u32, name: &str, arguments: Cow<'_, str>, out: &mut Listener<'_>) {
        let Some((before, rest)) = self.calls.split_at_mut_checked(at) else { return };
        let Some(call) = rest.first_mut() else { return };
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        match &mut call.state {
            State::Waiting(early) if call.name.is_empty() => early.push_str(&arguments),
            State::Waiting(early) => {
                let early = std::mem::take(early);
                let number = self.told;
                self.told = self.told.saturating_add(1);
                call.state = State::Told(number);
                let made_up = call.id.is_empty() || before.iter().any(|other| other.id == call.id);
                let id = if made_up { Cow::Owned(format!("call_{number}")) } else { Cow::Borrowed(&*call.id) };
                out(ChatEvent::ToolStart { choice, call: number, id, name: (&*call.name).into() });
                for json in [Cow::Owned(early), arguments] {
                    if !json.is_empty() {
                        out(ChatEvent::ToolArguments { choice, call: number, json });
                    }
                }
            }
            State::Told(number) if !arguments.is_empty() => {
                out(ChatEvent::ToolArguments { choice, call: *number, json: arguments });
            }
            State::Told(_) => {}
        }
    }
}

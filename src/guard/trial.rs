//! What a guardrail would do about a text, without a request.

use super::{Desk, Direction, Fold, Guard, Guards, Refused, Set, Vault, Verdicts, kinds::Body};
use crate::{
    config::Hook,
    model::{Api, Speech},
};
use std::sync::Arc;

/// What it would do.
#[derive(Debug)]
pub struct Trial {
    /// The text as it would go out; `None`: it would not.
    pub text: Option<String>,
    /// Why not.
    pub refused: Option<Refused>,
    /// What was found.
    pub verdicts: Verdicts,
}

/// It cannot be tried so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTried {
    /// It does not look there.
    #[error("guardrail `{guard}` does not look at `{hook}`; it looks at {on}")]
    Elsewhere {
        /// The guardrail's name.
        guard: Arc<str>,
        /// Where it was to look.
        hook: &'static str,
        /// Where it looks.
        on: String,
    },
    /// It asks a service.
    #[error("guardrail `{0}` asks a service: send it a request")]
    Service(Arc<str>),
}

impl Guards {
    /// Has `guard` look at `text`: by `hook` as what a user, the model or a tool says. A guardrail for parameters takes it as the
    /// body of a chat.
    ///
    /// # Errors
    ///
    /// It cannot be tried so.
    pub fn trial(&self, guard: &Arc<Guard>, hook: Hook, text: &str) -> Result<Trial, NotTried> {
        if matches!(guard.body, Body::Remote(_)) {
            return Err(NotTried::Service(Arc::clone(&guard.name)));
        }
        let (direction, speech, fold) = match hook {
            Hook::Input => (Direction::Request, Speech::User, Fold::Text),
            Hook::Output => (Direction::Answer, Speech::Assistant, Fold::Text),
            Hook::ToolCall => (Direction::Request, Speech::ToolCall, Fold::Json),
            Hook::ToolResult => (Direction::Request, Speech::ToolResult, Fold::Text),
        };
        if guard.hook(direction, speech).is_none() {
            let on = guard.hooks.iter().map(|hook| format!("`{}`", hook.name())).collect::<Vec<_>>().join(", ");
            return Err(NotTried::Elsewhere { guard: Arc::clone(&guard.name), hook: hook.name(), on });
        }
        let set = Arc::new(Set::of(vec![Arc::clone(guard)]));
        let mut desk = Desk::new(set, Arc::clone(self.safe()), Vault::default());
        let edited = |edited: Option<String>| edited.unwrap_or_else(|| text.to_owned());
        let told = match (&guard.body, direction) {
            (Body::Policy(_), _) => desk.parameters(Api::ChatCompletions, text.as_bytes()).map(|()| text.to_owned()),
            (_, Direction::Request) => desk.request(speech, fold, text).map(edited),
            (_, Direction::Answer) => desk.answer(speech, fold, text).map(edited),
        };
        let verdicts = desk.verdicts().clone();
        Ok(match told {
            Ok(text) => Trial { text: Some(text), refused: None, verdicts },
            Err(refused) => Trial { text: None, refused: Some(refused), verdicts },
        })
    }
}

//! Guardrails that keys and teams were given at run time.

use crate::{
    auth::Caller,
    guard::{Guards, Mask},
    proxy::reject::Reject,
};

/// Those of `guards` that the caller's key and team were given.
///
/// # Errors
///
/// There is one that this snapshot does not have: what it would have looked at does not pass without it.
pub fn given_to(guards: &Guards, caller: &Caller) -> Result<Mask, Reject> {
    let mut bits = caller.guardrails.iter().map(|name| {
        guards.asked_for(name).map_err(|name| Reject::AuthUnavailable {
            code: "key_rules_unreadable",
            message: format!(
                "the api key `{}` or its team `{}` is under the guardrail `{name}`, which this gateway does not have any \
                 more; ask its operator to mend that",
                caller.key, caller.team
            ),
        })
    });
    bits.try_fold(0, |mask, bit| bit.map(|bit: Mask| mask | bit))
}

//! What a request leaves out of what the model could be told, for something else in the request excludes it.

use super::Place;
use super::ability::{Ability, Off};
use super::blocks::conversation;
use super::encode::{self, Choice, choice, is_taken, max_tokens, sampling, tier};
use super::format::Shape;
use super::thinking::{self, Said, ends_in_bare_calls};
use crate::{
    model::{Chat, Effort, Feature, Format, Use},
    providers::codec::{Goal, forces_nothing, uses_of},
};

/// What the body says of thinking.
fn said(chat: &Chat, to: &Goal<'_>, ability: Ability, shape: Shape<'_>) -> Said {
    let forced = choice(chat, shape, ability).as_ref().is_some_and(Choice::is_forced);
    let bare_calls = || ends_in_bare_calls(&conversation(chat, true).1);
    thinking::said(&chat.thinking, ability, max_tokens(chat, to), forced, bare_calls)
}

/// What of `chat.uses` the body says with the nearest value that the model takes.
pub(super) fn clamped(chat: &Chat, to: &Goal<'_>, place: Place) -> Vec<Use> {
    let ability = place.ability(to.model);
    let said = said(chat, to, ability, Shape::of(chat, ability));
    encode::clamped(chat, &sampling(chat, ability, &said))
}

/// What of `chat.uses` the body does not say.
pub(super) fn uses(chat: &Chat, to: &Goal<'_>, place: Place) -> Vec<Use> {
    let ability = place.ability(to.model);
    let shape = Shape::of(chat, ability);
    let said = said(chat, to, ability, shape);
    let mut lost = unsampled(chat, ability, &said);
    if is_thoughtless(chat, ability, &said) {
        lost.push(Feature::ReasoningEffort);
    }
    if chat.format != Format::Text && shape == Shape::Free {
        lost.extend([Feature::JsonObject, Feature::JsonSchema]);
    }
    if forces_nothing(chat) {
        lost.push(Feature::ForcedTool);
    }
    // An empty one ends nothing anywhere.
    if chat.stop.iter().any(|stop| !stop.is_empty() && !is_taken(stop)) {
        lost.push(Feature::StopSequences);
    }
    if chat.service_tier.as_deref().is_some_and(|asked| tier(asked).is_none()) {
        lost.push(Feature::ServiceTier);
    }
    uses_of(chat, &lost)
}

/// Sampling that is not said. A temperature or a `top_p` of 1 is what holds unsaid: leaving it out changes nothing.
fn unsampled(chat: &Chat, ability: Ability, said: &Said) -> Vec<Feature> {
    let asked = &chat.sampling;
    let sent = sampling(chat, ability, said);
    let tells = |number: Option<f64>| number.is_some_and(|number| (number - 1.0).abs() > f64::EPSILON);
    let lost = [
        (tells(asked.temperature) && sent.temperature.is_none(), Feature::Temperature),
        (tells(asked.top_p) && sent.top_p.is_none(), Feature::TopP),
        (asked.top_k.is_some() && sent.top_k.is_none(), Feature::TopK),
    ];
    lost.into_iter().filter(|(lost, _)| *lost).map(|(_, feature)| feature).collect()
}

/// Whether what is asked of thinking is not said: it is to be on and is not, or nothing is said of it at all. That it is
/// off need not be said to a model that does not think by itself.
fn is_thoughtless(chat: &Chat, ability: Ability, said: &Said) -> bool {
    let asked = &chat.thinking;
    let off = asked.off || asked.effort == Some(Effort::None) || asked.budget_tokens == Some(0);
    if asked.is_on() {
        return !said.is_on();
    }
    asked.is_said() && *said == Said::default() && !(off && ability.off == Off::Default)
}

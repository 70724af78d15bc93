//! The laws of spotters, for the tests of each guard: where a text is cut must not matter.

use super::{Blocked, Fold, Found, Spotter, Verdict, Window, Words};
use std::sync::Arc;

/// Replaces each hit by its entity and value in brackets; blocks at an entity of this name.
pub struct Brackets(pub &'static str);

impl Words for Brackets {
    fn verdict(&mut self, found: &Found<'_>) -> Verdict {
        if found.entity == self.0 {
            return Verdict::Block;
        }
        Verdict::Replace(format!("[{} {}{}]", found.entity, found.value, if found.partial { " …" } else { "" }))
    }
}

/// `pieces` edited one after another as one text, and whether it was blocked.
pub fn edited(spotters: &Arc<[Arc<dyn Spotter>]>, fold: Fold, pieces: &[&str]) -> (String, Option<Blocked>) {
    let mut window = Window::new(Arc::clone(spotters), fold);
    let (mut words, mut out) = (Brackets("blocked"), String::new());
    for piece in pieces {
        if let Err(blocked) = window.push(piece, &mut words, &mut out) {
            return (out, Some(blocked));
        }
    }
    let end = window.finish(&mut words, &mut out);
    (out, end.err())
}

/// Asserts that `text` comes out the same when it is cut at any one place, and when it comes character by character;
/// returns what comes out.
pub fn assert_cuts_do_not_matter(spotters: &Arc<[Arc<dyn Spotter>]>, fold: Fold, text: &str) -> String {
    let whole = edited(spotters, fold, &[text]);
    for (at, _) in text.char_indices() {
        let cut = edited(spotters, fold, &[&text[..at], &text[at..]]);
        assert_eq!(cut, whole, "{text:?} cut at {at}");
    }
    let single: Vec<&str> = text.char_indices().map(|(at, one)| &text[at..at + one.len_utf8()]).collect();
    assert_eq!(edited(spotters, fold, &single), whole, "{text:?} by characters");
    for spotter in spotters.iter() {
        for (at, _) in text.char_indices() {
            let pending = spotter.pending(&text[..at], 0);
            assert!(pending <= at && at - pending <= super::LONGEST, "{text:?}: {pending} is held at {at}");
        }
    }
    whole.0
}

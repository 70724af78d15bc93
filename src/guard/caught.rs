//! Panics of guards: they are caught, and what they say stays unsaid, for it may hold a piece of the text.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    /// A guard runs on this thread.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// The guard broke down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokeDown;

/// Runs `guard`. If it panics, the log tells where, without the message: `slice index … of "my number is …"` would be
/// the text that nobody may read.
///
/// # Errors
///
/// It panicked.
pub(super) fn caught<T>(guard: impl FnOnce() -> T) -> Result<T, BrokeDown> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |told| {
            if !GUARDED.get() {
                return before(told);
            }
            let at = told.location().map_or_else(|| String::from("an unknown place"), ToString::to_string);
            tracing::error!(at, "a guardrail broke down: it fails by its on_failure");
        }));
    });
    let around = GUARDED.replace(true);
    let ran = catch_unwind(AssertUnwindSafe(guard));
    GUARDED.set(around);
    ran.map_err(|_| BrokeDown)
}

#[cfg(test)]
mod tests {
    use super::{BrokeDown, GUARDED, caught};

    #[test]
    fn what_panics_is_caught_and_the_thread_goes_on_as_before() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught::<()>(|| panic!("my number is 4111 1111 1111 1111")), Err(BrokeDown));
        assert!(!GUARDED.get());
        let inner = caught(|| (caught::<()>(|| panic!("inner")), GUARDED.get()));
        assert_eq!(inner, Ok((Err(BrokeDown), true)), "a guard inside of a guard leaves the outer one guarded");
    }
}

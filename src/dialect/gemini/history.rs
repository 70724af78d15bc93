//! Which result answers which call: by its id, else by the function's name and the order.

use std::collections::{HashMap, HashSet, VecDeque};

/// The calls so far.
#[derive(Default)]
pub(super) struct History {
    /// Ids of the calls.
    ids: HashSet<String>,
    /// Those that were answered.
    answered: HashSet<String>,
    /// Ids of the calls of each function, in order. Those that a result named by their id stay until they come first.
    waiting: HashMap<String, VecDeque<String>>,
    made_up: u32,
}

impl History {
    /// A call; returns its id.
    pub fn call(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.make_up());
        if !self.ids.insert(id.clone()) {
            self.answered.remove(&id); // called again
        }
        self.waiting.entry(name.to_owned()).or_default().push_back(id.clone());
        id
    }

    /// A result; returns the id of the call that it answers.
    pub fn result(&mut self, id: Option<String>, name: &str) -> String {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            if self.ids.contains(&id) {
                self.answered.insert(id.clone());
            }
            return id;
        }
        let Self { answered, waiting, .. } = self;
        let next = waiting.get_mut(name).and_then(|calls| {
            let mut calls = std::iter::from_fn(|| calls.pop_front());
            calls.find(|id| !answered.contains(id))
        });
        match next {
            Some(id) => {
                answered.insert(id.clone());
                id
            }
            None => self.make_up(),
        }
    }

    /// An id that no call before has; later ones count on from it.
    fn make_up(&mut self) -> String {
        loop {
            self.made_up = self.made_up.saturating_add(1);
            let id = format!("call_{}", self.made_up);
            if !self.ids.contains(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_without_an_id_answers_the_first_call_of_its_function_that_has_no_answer() {
        let mut history = History::default();
        assert_eq!(history.call(Some("call_1".to_owned()), "a"), "call_1");
        assert_eq!(history.call(None, "a"), "call_2", "no id comes twice");
        assert_eq!(history.call(Some(String::new()), "b"), "call_3");
        assert_eq!(history.result(Some("call_1".to_owned()), "a"), "call_1");
        assert_eq!(history.result(None, "a"), "call_2", "the first has its answer");
        assert_eq!(history.result(None, "b"), "call_3");
        assert_eq!(history.result(None, "b"), "call_4", "nothing is left to answer");
        assert_eq!(history.result(Some("other".to_owned()), "b"), "other");
    }

    #[test]
    fn a_hundred_thousand_calls_are_matched_with_their_results() {
        let mut history = History::default();
        let calls: Vec<_> = (0..100_000).map(|_| history.call(None, "f")).collect();
        for call in calls.iter().step_by(2) {
            assert_eq!(history.result(Some(call.clone()), "f"), *call);
        }
        for call in calls.iter().skip(1).step_by(2) {
            assert_eq!(history.result(None, "f"), *call);
        }
    }
}

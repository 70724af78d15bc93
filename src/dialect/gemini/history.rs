//! Which result answers which call: by its id, else by the function's name and the order.

/// The calls so far.
#[derive(Default)]
pub(super) struct History {
    calls: Vec<Called>,
    made_up: u32,
}

struct Called {
    id: String,
    name: String,
    answered: bool,
}

impl History {
    /// A call; returns its id.
    pub fn call(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.make_up());
        self.calls.push(Called { id: id.clone(), name: name.to_owned(), answered: false });
        id
    }

    /// A result; returns the id of the call that it answers.
    pub fn result(&mut self, id: Option<String>, name: &str) -> String {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
                call.answered = true;
            }
            return id;
        }
        match self.calls.iter_mut().find(|call| !call.answered && call.name == name) {
            Some(call) => {
                call.answered = true;
                call.id.clone()
            }
            None => self.make_up(),
        }
    }

    fn make_up(&mut self) -> String {
        loop {
            self.made_up += 1;
            let id = format!("call_{}", self.made_up);
            if self.calls.iter().all(|call| call.id != id) {
                return id;
            }
        }
    }
}

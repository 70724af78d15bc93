//! The names of the objects that are open, to find one that stands twice.

use std::borrow::Cow;
use std::collections::HashSet;

/// Members up to which names are compared one by one; beyond it they are hashed.
const FEW: usize = 24;

/// The names of all open objects, innermost last.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    names: Vec<Cow<'a, [u8]>>,
}

/// The names of one object.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    from: usize,
    /// All names, once there are many: an object of a million members stays linear.
    many: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Keys<'a> {
    pub(super) fn open(&self) -> Scope<'a> {
        Scope { from: self.names.len(), many: None }
    }

    pub(super) fn close(&mut self, scope: &Scope<'a>) {
        self.names.truncate(scope.from);
    }

    /// Takes a name of `scope`, which is the innermost; false if it stands there already.
    pub(super) fn insert(&mut self, scope: &mut Scope<'a>, name: Cow<'a, [u8]>) -> bool {
        if let Some(many) = &mut scope.many {
            return many.insert(name);
        }
        let here = &self.names[scope.from..];
        if here.iter().any(|other| **other == *name) {
            return false;
        }
        if here.len() == FEW {
            let mut many: HashSet<_> = self.names.drain(scope.from..).collect();
            many.insert(name);
            scope.many = Some(many);
        } else {
            self.names.push(name);
        }
        true
    }
}

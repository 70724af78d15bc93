//! The journal, its store and the questions asked of it.

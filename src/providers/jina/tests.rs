//! Golden pairs, from the public documentation.

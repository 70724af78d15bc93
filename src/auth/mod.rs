//! Keys to callers.

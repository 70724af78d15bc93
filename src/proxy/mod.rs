//! The life of a request on Pingora.

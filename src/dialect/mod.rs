//! Client-facing APIs: strict parsing of requests, errors.

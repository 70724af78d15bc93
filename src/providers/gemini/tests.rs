//! Settings, paths, errors.

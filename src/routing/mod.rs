//! Which targets may answer, in which order, and where they live.

//! Prices and model limits: versioned data and look-up.

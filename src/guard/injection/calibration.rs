//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.05;
/// Logit of a text without features.
pub const BIAS: f32 = -2.0;
/// Logits that so many of 1,000 benign texts reach, and what is added for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] =
    [(2, 3.0, 0.2), (5, 2.5, 0.2), (10, 2.0, 0.2), (20, 1.5, 0.2), (30, 1.0, 0.2), (50, 0.5, 0.2)];

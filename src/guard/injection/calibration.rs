//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0264785;
/// Logit of a text without features.
pub const BIAS: f32 = -3.70157;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 1.0468, 0.2220),
    (5, 0.4895, 0.2220),
    (10, 0.0548, 0.2220),
    (20, -0.3267, 0.2220),
    (30, -0.6131, 0.2220),
    (50, -0.9432, 0.2220),
];

//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0266676;
/// Logit of a text without features.
pub const BIAS: f32 = -3.69655;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 0.9628, 0.1200),
    (5, 0.7922, 0.1200),
    (10, 0.1810, 0.1200),
    (20, -0.2337, 0.1200),
    (30, -0.3768, 0.1200),
    (50, -0.9345, 0.1200),
];

//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0266676;
/// Logit of a text without features.
pub const BIAS: f32 = -3.69655;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 1.1677, 0.1021),
    (5, 0.8769, 0.1021),
    (10, -0.0643, 0.1021),
    (20, -0.5555, 0.1021),
    (30, -0.8253, 0.1021),
    (50, -1.1253, 0.1021),
];

//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0203181;
/// Logit of a text without features.
pub const BIAS: f32 = -2.94595;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 1.1485, 0.1712),
    (5, 0.5445, 0.3147),
    (10, 0.2153, 0.2255),
    (20, -0.0380, 0.2416),
    (30, -0.4720, 0.2610),
    (50, -0.8417, 0.2847),
];

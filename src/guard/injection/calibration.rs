//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0253246;
/// Logit of a text without features.
pub const BIAS: f32 = -3.68731;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 0.9465, 0.1224),
    (5, 0.6740, 0.1224),
    (10, 0.3374, 0.1224),
    (20, -0.5643, 0.1224),
    (30, -0.7809, 0.1224),
    (50, -1.1671, 0.1224),
];

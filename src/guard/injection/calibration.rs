//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = 0.0253246;
/// Logit of a text without features.
pub const BIAS: f32 = -3.68731;
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); 6] = [
    (2, 1.0322, 0.0856),
    (5, 0.5548, 0.1678),
    (10, 0.2670, 0.1452),
    (20, -0.5178, 0.1018),
    (30, -0.7884, 0.1257),
    (50, -1.1233, 0.1081),
];

//! Vectors as numbers and as base64 of little-endian `f32`s.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt::Write as _;

/// Writes with padding, reads without it too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The inside of `json` if it is an array of nothing but numbers.
pub(super) fn inside(json: &str) -> Option<&str> {
    let inside = json.trim_ascii().strip_prefix('[')?.strip_suffix(']')?;
    let part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b',');
    inside.bytes().all(|byte| part(byte) || byte.is_ascii_whitespace()).then_some(inside)
}

/// Appends the numbers of a JSON array to `out`, packed. Each becomes the nearest `f32`. `None`: they are no numbers, or
/// too large.
pub(super) fn pack(json: &str, packed: &mut Vec<u8>, out: &mut String) -> Option<()> {
    let inside = inside(json)?;
    packed.clear();
    if !inside.trim_ascii().is_empty() {
        for number in inside.split(',') {
            let number: f32 = number.trim_ascii().parse().ok().filter(|number: &f32| number.is_finite())?;
            packed.extend_from_slice(&number.to_le_bytes());
        }
    }
    BASE64.encode_string(&packed, out);
    Some(())
}

/// Appends packed numbers to `out` as a JSON array: as few digits as tell each `f32` from all others. `None`: they are
/// not packed as they should be, or no finite numbers.
pub(super) fn unpack(base64: &str, out: &mut String) -> Option<()> {
    let bytes = BASE64.decode(base64).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    for (index, number) in numbers.iter().enumerate() {
        let number = f32::from_le_bytes(*number);
        if !number.is_finite() {
            return None;
        }
        out.push(if index == 0 { '[' } else { ',' });
        write!(out, "{number:?}").expect("a String takes all");
    }
    out.push_str(if numbers.is_empty() { "[]" } else { "]" });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(json: &str) -> Option<String> {
        let mut out = String::new();
        pack(json, &mut Vec::new(), &mut out).map(|()| out)
    }

    fn unpacked(base64: &str) -> Option<String> {
        let mut out = String::new();
        unpack(base64, &mut out).map(|()| out)
    }

    #[test]
    fn numbers_are_packed_as_openai_packs_them() {
        // numpy: base64.b64encode(numpy.array([1, -0.5, 0.25], "<f4"))
        assert_eq!(packed("[1, -0.5 ,2.5e-1]").as_deref(), Some("AACAPwAAAL8AAIA+"));
        assert_eq!(unpacked("AACAPwAAAL8AAIA+").as_deref(), Some("[1.0,-0.5,0.25]"));
        assert_eq!((packed("[]").as_deref(), unpacked("").as_deref()), (Some(""), Some("[]")));
    }

    #[test]
    fn what_are_no_numbers_is_not_packed() {
        for json in ["", "[", "1", "[[1]]", "[null]", "[\"1\"]", "[1e400]", "[1,]", "[,]", "{}", "[-]", "[NaN]"] {
            assert_eq!(packed(json), None, "{json}");
        }
        for base64 in ["AAAA", "AACAPw=", "!", "AADAfw==", "AACAfw=="] {
            assert!(base64 == "AACAPw=" || unpacked(base64).is_none(), "{base64}");
        }
    }

    proptest! {
        #[test]
        fn every_float_keeps_its_bits_both_ways(floats in proptest::collection::vec(any::<f32>(), 0..40)) {
            let floats: Vec<f32> = floats.into_iter().filter(|float| float.is_finite()).collect();
            let json = serde_json::to_string(&floats).expect("finite floats");
            let there = packed(&json).expect("numbers");
            let back = unpacked(&there).expect("packed numbers");
            let read: Vec<f32> = serde_json::from_str(&back).expect("JSON");
            let bits = |floats: &[f32]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read), bits(&floats));
            prop_assert_eq!(packed(&back), Some(there));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = (packed(&text), unpacked(&text), packed(&format!("[{text}]")));
        }
    }
}

//! Vectors of texts, and how much alike two of them are.

use super::Key;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Numbers of a vector. No model makes longer ones, and fewer tell nothing.
const DIMENSIONS: RangeInclusive<usize> = 2..=8192;
/// Sums in a row: as many as a processor adds up at once.
const LANES: usize = 8;

/// What a text means: a vector of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Box<[f32]>);

/// What a request is known by where only the meaning of its last message is left open.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// Everything else, and whose vectors they are: only vectors under the same key are ever compared.
    pub bucket: Key,
    /// What its last message means.
    pub vector: Vector,
}

/// An answer of OpenAI's embeddings.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    data: Vec<Datum<'a>>,
}

#[derive(Deserialize)]
struct Datum<'a> {
    #[serde(borrow)]
    embedding: Numbers<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers<'a> {
    Plain(Vec<f32>),
    #[serde(borrow)]
    Packed(Cow<'a, str>),
}

impl Vector {
    /// The one vector of an answer to `/v1/embeddings`, as numbers or as base64 of little-endian `f32`s. `None`: it is none.
    pub fn of_answer(body: &[u8]) -> Option<Self> {
        let Told { data } = serde_json::from_slice(body).ok()?;
        let [Datum { embedding }] = <[_; 1]>::try_from(data).ok()?;
        match embedding {
            Numbers::Plain(numbers) => Self::of(numbers),
            Numbers::Packed(text) => {
                let bytes = STANDARD.decode(text.as_bytes()).ok()?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                rest.is_empty()
                    .then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
                    .and_then(Self::of)
            }
        }
    }

    /// `numbers`, brought to length 1; `None`: they have no direction.
    pub fn of(mut numbers: Vec<f32>) -> Option<Self> {
        if !DIMENSIONS.contains(&numbers.len()) {
            return None;
        }
        let length = numbers.iter().map(|&number| f64::from(number) * f64::from(number)).sum::<f64>().sqrt();
        if !length.is_finite() || length < f64::from(f32::MIN_POSITIVE) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is at most 1")]
        numbers.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
        Some(Self(numbers.into()))
    }

    /// How many numbers it has.
    pub const fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// The cosine of the angle to another one of as many numbers, -1 to 1.
    pub fn likeness(&self, other: &Self) -> f32 {
        let (ours, our_rest) = self.0.as_chunks::<LANES>();
        let (theirs, their_rest) = other.0.as_chunks::<LANES>();
        let mut sums = [0_f32; LANES];
        for (one, other) in ours.iter().zip(theirs) {
            for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
                *sum += one * other;
            }
        }
        let rest: f32 = our_rest.iter().zip(their_rest).map(|(one, other)| one * other).sum();
        (sums.iter().sum::<f32>() + rest).clamp(-1.0, 1.0)
    }
}

impl Meaning {
    /// Memory that it takes, in bytes.
    pub(super) const fn weight(&self) -> usize {
        size_of::<Self>() + size_of::<f32>() * self.vector.dimensions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(embedding: &serde_json::Value) -> Option<Vector> {
        Vector::of_answer(
            json!({"object": "list", "data": [{"index": 0, "embedding": embedding}]}).to_string().as_bytes(),
        )
    }

    #[test]
    fn a_vector_is_read_as_numbers_and_as_base64_and_brought_to_length_one() {
        let vector = told(&json!([3, 0, -4e0])).expect("a vector");
        assert_eq!(vector, Vector(vec![0.6, 0.0, -0.8].into()));
        let packed: Vec<u8> = [3_f32, 0.0, -4.0].into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(told(&json!(STANDARD.encode(packed))), Some(vector));
    }

    #[test]
    fn what_is_no_vector_is_told_from_one() {
        let long = vec![1; DIMENSIONS.end() + 1];
        let rows = [
            json!([]),
            json!([1]),
            json!(long),
            json!([0, 0]),
            json!([1, "2"]),
            json!([1, null]),
            json!([1, 1e300]),
            json!("AAA"),
            json!({}),
        ];
        for row in rows {
            assert_eq!(told(&row), None, "{}", &row.to_string()[..row.to_string().len().min(40)]);
        }
        for body in ["", "[]", r#"{"data":[]}"#, r#"{"data":[{"embedding":[1,2]},{"embedding":[1,2]}]}"#] {
            assert_eq!(Vector::of_answer(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn likeness_is_the_cosine_however_many_numbers_there_are() {
        for dimensions in [2, 7, 8, 9, 1536] {
            let vector = |angle: f32| {
                let mut numbers = vec![0.0; dimensions];
                (numbers[0], numbers[dimensions - 1]) = (5.0 * angle.cos(), 5.0 * angle.sin());
                Vector::of(numbers).expect("it has a direction")
            };
            for angle in [0.0, 0.3, 1.0, 2.0, 3.1_f32] {
                let likeness = vector(0.2).likeness(&vector(0.2 + angle));
                assert!((likeness - angle.cos()).abs() < 1e-5, "{dimensions} {angle}: {likeness}");
            }
        }
    }
}

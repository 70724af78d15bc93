//! Places counted in characters, as bytes.

use super::Flaw;
use std::ops::Range;

/// Something that a service found, its place counted in code points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub from: u64,
    pub to: u64,
    pub entity: &'a str,
    pub score: f64,
}

/// The places in bytes of `text`, in order. Places that overlap become one, of the entity with the highest score.
///
/// # Errors
///
/// [`Flaw::Place`]: one is empty, or not in the text.
pub(super) fn in_bytes<'a>(text: &str, mut spots: Vec<Spot<'a>>) -> Result<Vec<(Range<usize>, &'a str)>, Flaw> {
    spots.sort_by(|a, b| (a.from, b.to).cmp(&(b.from, a.to)));
    let mut joined: Vec<Spot<'a>> = Vec::new();
    for spot in spots {
        if spot.from >= spot.to {
            return Err(Flaw::Place);
        }
        match joined.last_mut() {
            Some(last) if spot.from < last.to => {
                last.to = last.to.max(spot.to);
                if spot.score > last.score {
                    (last.entity, last.score) = (spot.entity, spot.score);
                }
            }
            _ => joined.push(spot),
        }
    }
    // One walk over the text: places are in order.
    let mut walk = text.char_indices().map(|(at, _)| at).chain([text.len()]).zip(0_u64..);
    let mut byte_of = |place: u64| walk.find(|(_, count)| *count == place).map(|(at, _)| at);
    let mut last: Option<(u64, usize)> = None;
    let mut out = Vec::with_capacity(joined.len());
    for spot in joined {
        let from = match last {
            Some((place, at)) if place == spot.from => at,
            _ => byte_of(spot.from).ok_or(Flaw::Place)?,
        };
        let to = byte_of(spot.to).ok_or(Flaw::Place)?;
        last = Some((spot.to, to));
        out.push((from..to, spot.entity));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(from: u64, to: u64, entity: &str, score: f64) -> Spot<'_> {
        Spot { from, to, entity, score }
    }

    #[test]
    fn characters_are_counted_and_bytes_are_told() {
        let text = "é😀 Zoë, x";
        let cases = [
            ("a name", vec![spot(3, 6, "person", 0.8)], Ok(vec![("Zoë", "person")])),
            ("unordered", vec![spot(8, 9, "b", 1.0), spot(0, 1, "a", 1.0)], Ok(vec![("é", "a"), ("x", "b")])),
            ("side by side", vec![spot(0, 1, "a", 1.0), spot(1, 2, "b", 1.0)], Ok(vec![("é", "a"), ("😀", "b")])),
            ("overlapping", vec![spot(0, 4, "a", 0.5), spot(3, 6, "b", 0.9)], Ok(vec![("é😀 Zoë", "b")])),
            ("inside", vec![spot(0, 9, "a", 0.5), spot(3, 6, "b", 0.4)], Ok(vec![(text, "a")])),
            ("empty", vec![spot(3, 3, "a", 1.0)], Err(Flaw::Place)),
            ("backwards", vec![spot(4, 3, "a", 1.0)], Err(Flaw::Place)),
            ("behind the end", vec![spot(8, 10, "a", 1.0)], Err(Flaw::Place)),
            ("far behind the end", vec![spot(u64::MAX - 1, u64::MAX, "a", 1.0)], Err(Flaw::Place)),
        ];
        for (name, spots, want) in cases {
            let got = in_bytes(text, spots).map(|found| found.into_iter().map(|(at, e)| (&text[at], e)).collect());
            assert_eq!(got, want, "{name}");
        }
        assert_eq!(in_bytes("", Vec::new()), Ok(Vec::new()));
    }
}

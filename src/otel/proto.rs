//! Protocol Buffers, as far as OTLP needs them: writing straight into bytes, since a span is made of each request and
//! its attempts, and reading the few fields of answers.
//!
//! The wire format is that of <https://protobuf.dev/programming-guides/encoding/>; field numbers are those of
//! <https://github.com/open-telemetry/opentelemetry-proto>. Tests read what is written with that project's own types.

/// Bytes that are being written.
#[derive(Debug, Default, Clone)]
pub(super) struct Proto(pub Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// Bytes that a varint of `value` takes.
const fn width(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

impl Proto {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    /// A whole number, or a word of an enumeration.
    pub fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    pub fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Text that is put together of parts.
    pub fn text(&mut self, field: u32, parts: &[&str]) {
        self.tag(field, BYTES);
        self.varint(parts.iter().map(|part| part.len()).sum::<usize>() as u64);
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
    }

    /// Numbers of eight bytes each, one behind the other.
    pub fn packed(&mut self, field: u32, values: impl ExactSizeIterator<Item = u64>) {
        self.tag(field, BYTES);
        self.varint(values.len() as u64 * 8);
        values.for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
    }

    /// A message, written by `write`.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, BYTES);
        let at = self.0.len();
        write(self);
        let length = self.0.len() - at;
        let room = width(length);
        // Its length is known now, and stands in front.
        self.0.resize(at + length + room, 0);
        self.0.copy_within(at..at + length, at + room);
        let (mut rest, mut place) = (length, at);
        while rest >= 0x80 {
            self.0[place] = rest as u8 | 0x80;
            (rest, place) = (rest >> 7, place + 1);
        }
        self.0[place] = rest as u8;
    }

    /// An attribute (`KeyValue`) with text.
    pub fn attribute(&mut self, field: u32, key: &str, value: &str) {
        self.attribute_of(field, key, &[value]);
    }

    /// The same, of text that is put together of parts.
    pub fn attribute_of(&mut self, field: u32, key: &str, parts: &[&str]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.pair(field, key, 1 + width(length) + length);
        self.text(1, parts);
    }

    /// An attribute with a whole number.
    pub fn attribute_int(&mut self, field: u32, key: &str, value: u64) {
        self.pair(field, key, 1 + width(usize::try_from(value).unwrap_or(usize::MAX)));
        self.uint(3, value);
    }

    /// An attribute with a number.
    pub fn attribute_double(&mut self, field: u32, key: &str, value: f64) {
        self.pair(field, key, 9);
        self.double(4, value);
    }

    /// An attribute that is true.
    pub fn attribute_true(&mut self, field: u32, key: &str) {
        self.pair(field, key, 2);
        self.uint(2, 1);
    }

    /// An attribute up to its value, which takes `value` bytes.
    fn pair(&mut self, field: u32, key: &str, value: usize) {
        let length = 1 + width(key.len()) + key.len() + 1 + width(value) + value;
        self.tag(field, BYTES);
        self.varint(length as u64);
        self.bytes(1, key.as_bytes());
        self.tag(2, BYTES);
        self.varint(value as u64);
    }
}

/// A field of a message that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of `message`, up to the first that is broken.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = (u32, Value<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut message)?;
        let value = match u32::try_from(tag & 7).ok()? {
            VARINT => Value::Number(varint(&mut message)?),
            FIXED64 => Value::Bytes(take(&mut message, 8)?),
            BYTES => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            FIXED32 => Value::Bytes(take(&mut message, 4)?),
            _ => return None,
        };
        Some((u32::try_from(tag >> 3).ok()?, value))
    })
}

/// The message in `field` of `message`, if there is one.
pub(super) fn inner(message: &[u8], field: u32) -> Option<&[u8]> {
    fields(message).find_map(|(at, value)| match value {
        Value::Bytes(bytes) if at == field => Some(bytes),
        _ => None,
    })
}

/// The number in `field` of `message`; 0 if there is none.
pub(super) fn number(message: &[u8], field: u32) -> u64 {
    let found = fields(message).find_map(|(at, value)| match value {
        Value::Number(number) if at == field => Some(number),
        _ => None,
    });
    found.unwrap_or(0)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    proptest::proptest! {
        /// What is written is what the project's own types read.
        #[test]
        fn what_is_written_is_read(text in ".{0,300}", number in 0u64..=i64::MAX as u64, name in "[a-z.]{1,200}") {
            let mut out = Proto::default();
            out.bytes(1, &[7; 16]);
            out.text(5, &[&name, " ", &text]);
            out.fixed64(7, number);
            out.attribute(9, &name, &text);
            out.attribute_int(9, &name, number);
            out.attribute_double(9, &name, 1.5);
            out.attribute_true(9, &name);
            out.message(11, |event| {
                event.text(2, &[&text]);
                event.attribute_of(3, &name, &[&name, &text]);
            });
            out.fixed32(16, 0x101);
            let span = Span::decode(out.0.as_slice()).expect("a span");
            proptest::prop_assert_eq!(&span.name, &format!("{name} {text}"));
            proptest::prop_assert_eq!((span.start_time_unix_nano, span.flags, span.trace_id.len()), (number, 0x101, 16));
            let values: Vec<_> = span.attributes.iter().map(|pair| format!("{:?}", pair.value)).collect();
            proptest::prop_assert!(values[1].contains(&format!("({number})")), "{:?}", values);
            proptest::prop_assert!(values[2].contains("1.5") && values[3].contains("true"));
            proptest::prop_assert_eq!(&span.events[0].name, &text);
            proptest::prop_assert_eq!(inner(&out.0, 11).map(|event| inner(event, 2)), Some(Some(text.as_bytes())));
            proptest::prop_assert_eq!(fields(&out.0).count(), 9);
        }

        /// Whatever comes, it is read to some end.
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(0u8.., 0..200)) {
            proptest::prop_assert!(fields(&bytes).count() <= bytes.len());
        }
    }
}

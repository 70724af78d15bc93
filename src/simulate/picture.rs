//! Real pictures, as small as they can be.

/// Side of the square, in pixels.
const SIDE: u32 = 8;

/// A PNG of one colour that depends on nothing but `seed`: <https://www.w3.org/TR/png-3/>.
pub(super) fn png(seed: u64) -> Vec<u8> {
    let [red, green, blue, ..] = seed.to_le_bytes();
    // Each row begins with its filter, which is none.
    let row: Vec<u8> = [0].into_iter().chain([red, green, blue].repeat(SIDE as usize)).collect();
    let pixels = row.repeat(SIDE as usize);
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // 8 bits, RGB, deflate, adaptive filters, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut picture, b"IHDR", &header);
    chunk(&mut picture, b"IDAT", &stored(&pixels));
    chunk(&mut picture, b"IEND", &[]);
    picture
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a small picture");
    out.extend(length.to_be_bytes());
    let mut body = kind.to_vec();
    body.extend(data);
    out.extend(&body);
    out.extend(crc32fast::hash(&body).to_be_bytes());
}

/// A zlib stream of one block that is not compressed: <https://www.rfc-editor.org/rfc/rfc1950>.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("a small picture");
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(data);
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend((b << 16 | a).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::png;

    #[test]
    fn a_picture_is_a_png_and_its_own() {
        let picture = png(1);
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.ends_with(b"IEND\xae\x42\x60\x82"));
        assert_eq!(picture, png(1));
        assert_ne!(picture, png(2));
    }
}

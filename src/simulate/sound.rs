//! Sound of a length that is asked for: a hum in formats that are written without a codec, and the frames of silence,
//! or the mark alone, of those that need one.

/// Samples in a second of what is made.
const RATE: u32 = 24_000;

/// Milliseconds of sound for one token of text.
pub(super) const PIECE_MS: u64 = 100;

/// The formats of speech, with their content types: <https://platform.openai.com/docs/guides/text-to-speech>.
pub(super) const FORMATS: [(&str, &str); 6] = [
    ("mp3", "audio/mpeg"),
    ("opus", "audio/opus"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("wav", "audio/wav"),
    ("pcm", "audio/pcm"),
];

/// What stands before the first piece.
pub(super) fn head(format: &str) -> Vec<u8> {
    match format {
        "wav" => wav_head(u32::MAX),
        "flac" => b"fLaC".to_vec(),
        "opus" => b"OggS".to_vec(),
        _ => Vec::new(),
    }
}

/// A tenth of a second.
pub(super) fn piece(format: &str, number: u64) -> Vec<u8> {
    match format {
        "mp3" => mp3_frame().repeat(4),
        "wav" | "pcm" => hum(number),
        _ => vec![u8::try_from(number % 251).unwrap_or_default(); 400],
    }
}

/// Signed 16 bit samples in little-endian order, one channel.
pub(super) fn hum(number: u64) -> Vec<u8> {
    let samples = u64::from(RATE) * PIECE_MS / 1000;
    let wave = |at: u64| i16::try_from((at + number) % 120 * 100).unwrap_or_default() - 6_000;
    (0..samples).flat_map(|at| wave(at).to_le_bytes()).collect()
}

/// MPEG 1, layer 3, 128 kbit/s, 44.1 kHz: 417 bytes of silence, 26 ms.
fn mp3_frame() -> Vec<u8> {
    let mut frame = vec![0xFF, 0xFB, 0x90, 0x64];
    frame.resize(417, 0);
    frame
}

/// The head of a file of which the length is `bytes`, or not known.
pub(super) fn wav_head(bytes: u32) -> Vec<u8> {
    let mut out = b"RIFF".to_vec();
    out.extend(bytes.saturating_add(36).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(RATE.to_le_bytes());
    out.extend((RATE * 2).to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(16u16.to_le_bytes());
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out
}

/// How long a file is, in milliseconds: by its own rate if it is a WAV, else as if it had 128 kbit/s.
pub(super) fn length_ms(file: &[u8]) -> u64 {
    let bytes = file.len() as u64;
    let rate = file.get(28..32).and_then(|rate| rate.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default();
    if file.starts_with(b"RIFF") && rate > 0 {
        return bytes.saturating_sub(44).saturating_mul(1000) / u64::from(rate);
    }
    bytes / 16
}

#[cfg(test)]
mod tests {
    use super::{PIECE_MS, head, length_ms, piece};

    #[test]
    fn what_is_made_has_the_length_that_it_is_measured_with() {
        let mut file = head("wav");
        (0..7).for_each(|number| file.extend(piece("wav", number)));
        assert_eq!(length_ms(&file), 7 * PIECE_MS);
        assert_eq!(length_ms(&[0; 16_000]), 1000);
        assert_eq!(length_ms(b"RIFF"), 0);
    }
}

//! Lengths of sound, header by header.

use super::*;
use proptest::prelude::*;

/// A WAV of `seconds` at 16 kHz, 16 bits, one channel; its header says that it has `declared` bytes.
fn wav_of(seconds: usize, declared: u32) -> Vec<u8> {
    let format = [&fmt(1)[..8], &[0, 0, 0, 0], &fmt(1)[12..]].concat(); // bytes per second: a lie that nobody reads
    wav(&[(b"LIST", 3, b"abc\0"), (b"fmt ", 16, &format), (b"data", declared, &vec![0; seconds * 32_000])])
}

/// What a `fmt ` of 16 kHz, 16 bits and one channel holds.
fn fmt(tag: u16) -> Vec<u8> {
    let [low, high] = tag.to_le_bytes();
    vec![low, high, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0]
}

/// A `fmt ` in the extensible form.
fn extensible(tag: u16, behind: u8) -> Vec<u8> {
    let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, behind];
    [&fmt(0xfffe)[..], &[22, 0, 16, 0, 4, 0, 0, 0], &tag.to_le_bytes(), &guid].concat()
}

fn wav(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let mut file = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
    for (name, declared, bytes) in chunks {
        file.extend_from_slice(*name);
        file.extend_from_slice(&declared.to_le_bytes());
        file.extend_from_slice(bytes);
    }
    file
}

#[test]
fn a_wav_tells_its_length_exactly_also_when_it_was_written_as_a_stream() {
    let exact = Length { ms: 3_000, most_ms: 3_000, exact: true, told: true };
    assert_eq!(length(&wav_of(3, 96_000)), exact);
    assert_eq!(length(&wav_of(3, u32::MAX)), exact);
    let estimate = Length { exact: false, ..exact };
    assert_eq!(length(&wav_of(3, 0)), estimate);
    assert_eq!(length(&wav_of(3, 32_000)), estimate, "what its header leaves out may be heard all the same");
}

/// Its name, the size that it declares, and what it holds.
type Chunk<'a> = (&'a [u8; 4], u32, &'a [u8]);

#[test]
fn a_wav_that_decoders_may_read_differently_is_held_for_at_its_longest() {
    let sound = vec![0; 32_000];
    let (fast, slow) = ([&fmt(1)[..4], &[0, 0, 0, 1], &fmt(1)[8..]].concat(), fmt(1));
    let cases: [(&str, &[Chunk<'_>]); 6] = [
        ("a second sound", &[(b"fmt ", 16, &slow), (b"data", 2, b"ab"), (b"data", 32_000, &sound)]),
        ("two formats", &[(b"fmt ", 16, &slow), (b"fmt ", 16, &fast), (b"data", 32_000, &sound)]),
        ("a format behind", &[(b"fmt ", 16, &fast), (b"data", 2, b"ab"), (b"fmt ", 16, &slow), (b"x   ", 9, &sound)]),
        ("ADPCM in the extensible form", &[(b"fmt ", 40, &extensible(2, 0x71)), (b"data", 32_000, &sound)]),
        ("a GUID of somebody's own", &[(b"fmt ", 40, &extensible(1, 0x72)), (b"data", 32_000, &sound)]),
        ("no GUID", &[(b"fmt ", 16, &fmt(0xfffe)), (b"data", 32_000, &sound)]),
    ];
    for (name, chunks) in cases {
        let file = wav(chunks);
        let length = length(&file);
        assert_eq!((length.most_ms, length.exact), (file.len() as u64 * 2, false), "{name}");
    }
    for tag in [1, 3, 6, 7] {
        let file = wav(&[(b"fmt ", 40, &extensible(tag, 0x71)), (b"data", 32_000, &sound)]);
        assert_eq!(length(&file), Length { ms: 1_000, most_ms: 1_000, exact: true, told: true }, "{tag}");
    }
}

#[test]
fn flac_is_not_taken_for_shorter_than_its_bytes_are() {
    let mut flac = b"fLaC\0\0\0\x22".to_vec();
    flac.extend_from_slice(&[0; 10]);
    // 16 kHz, one channel, 16 bits, and one sample.
    flac.extend_from_slice(&((16_000u64 << 44) | (15 << 36) | 1).to_be_bytes());
    flac.resize(320_000, 0);
    assert_eq!(length(&flac), Length { ms: 10_000, most_ms: 640_000, exact: false, told: true });
    // 655 kHz, eight channels.
    flac[18..26].copy_from_slice(&((655_350u64 << 44) | (7 << 41) | (31 << 36) | 1).to_be_bytes());
    assert_eq!(length(&flac).ms, 1_667);
}

#[test]
fn other_sound_is_estimated_and_bounded() {
    let mut flac = b"fLaC\0\0\0\x22".to_vec();
    flac.extend_from_slice(&[0; 10]);
    flac.extend_from_slice(&((44_100u64 << 44) | 88_200).to_be_bytes());
    let mp3 = [b"ID3\x04\0\0\0\0\0\x02zz\xff\xfb\x90\0".to_vec(), vec![0; 15_996]].concat();
    let slow = [b"\xff\xf3\x10\0".to_vec(), vec![0; 996]].concat();
    let cases = [
        ("flac", flac, 2_000, false),
        ("mp3 of 128 kbit/s", mp3, 1_000, false),
        ("mp3 of 8 kbit/s", slow, 1_000, false),
        ("ogg", [b"OggS".to_vec(), vec![0; 3_996]].concat(), 1_000, false),
        ("webm", [b"\x1a\x45\xdf\xa3".to_vec(), vec![0; 3_996]].concat(), 1_000, false),
        ("unknown", vec![0; 16_000], 1_000, false),
        ("nothing", Vec::new(), 0, false),
    ];
    for (name, file, ms, exact) in cases {
        let length = length(&file);
        assert_eq!((length.ms, length.exact), (ms, exact), "{name}");
        assert!(length.most_ms >= ms.max(file.len() as u64 * 2), "{name}: {length:?}");
    }
}

#[test]
fn speech_is_timed_by_its_format() {
    assert_eq!(spoken_ms(Some("pcm"), b"", 96_000), 2_000);
    assert_eq!(spoken_ms(Some("wav"), &wav_of(1, u32::MAX)[..100], 64_056), 2_000);
    assert_eq!(spoken_ms(None, b"\xff\xf3\xc4\xc4", 20_000), 1_250, "128 kbit/s");
}

#[test]
fn subtitles_end_at_their_last_time() {
    let cases: [(&str, Option<u64>); 6] = [
        ("1\n00:00:00,000 --> 00:00:04,500\nHi\n\n2\n00:00:04,500 --> 01:02:03,004\nBye\n", Some(3_723_004)),
        ("WEBVTT\n\n00:00.000 --> 00:07.250 align:start\nHi", Some(7_250)),
        ("WEBVTT\n\n", None),
        ("a --> b", None),
        ("-->", None),
        ("--> 99999999999999999999:00.0", None),
    ];
    for (text, want) in cases {
        assert_eq!(text_end_ms(text.as_bytes()), want, "{text}");
    }
}

proptest! {
    /// No bytes make the readers of headers panic, and nothing is longer than its bound.
    #[test]
    fn any_bytes_have_a_length(start in 0usize..6, bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..120) {
        let heads: [&[u8]; 6] = [b"", b"RIFF0000WAVE", b"RIFF0000WAVEfmt ", b"fLaC", b"ID3", b"\xff\xfb"];
        let mut file = heads[start].to_vec();
        file.extend_from_slice(&bytes);
        let found = length(&file);
        prop_assert!(found.ms <= found.most_ms);
        spoken_ms(None, &file, cut as u64);
        text_end_ms(&file);
        let mut wav = wav_of(0, 7);
        wav.truncate(cut);
        length(&wav);
    }
}

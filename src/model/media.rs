//! Pictures and sound of a request, as far as their cost depends on them. Nothing is decoded: headers are read.

/// What a call is about that makes or reads pictures or sound.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Media {
    /// Width and height of the pictures that are asked for, in pixels; `None`: the provider chooses.
    pub size: Option<(u32, u32)>,
    /// `quality` as asked for.
    pub quality: Option<String>,
    /// Pictures that are shown while each one is made (`partial_images`).
    pub partial_images: u64,
    /// Pictures that are sent: `image`, `image[]`, `mask`.
    pub pictures: u64,
    /// `response_format` as asked for.
    pub response_format: Option<String>,
    /// How long the sound is that is sent.
    pub sound: Option<Length>,
}

impl Media {
    /// Whether the answer is a text that is no JSON.
    pub fn wants_text(&self) -> bool {
        matches!(self.response_format.as_deref(), Some("text" | "srt" | "vtt"))
    }
}

/// How long a piece of sound is, as far as its bytes tell without decoding them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Milliseconds, rounded up.
    pub ms: u64,
    /// It cannot be longer than this.
    pub most_ms: u64,
    /// All of its bytes are uncompressed sound, so that it is as long as they are; else `ms` is an estimate.
    pub exact: bool,
    /// Its header tells `ms`, truly or not; else it is estimated from the number of bytes.
    pub told: bool,
}

/// Bytes of a second of the sparsest sound: Opus goes down to 6 kbit/s (RFC 6716), MP3 to 8. Silence may be coded in
/// less: a file of nothing but that may be longer.
const SPARSEST: u64 = 500;
/// Bytes of a second of compressed sound whose coding is not known: 128 kbit/s.
const USUAL: u64 = 16_000;
/// Bytes of a second of Opus, in Ogg or WebM: 32 kbit/s.
const OPUS: u64 = 4_000;
/// `pcm` of OpenAI's speech: 24 kHz, 16 bits, one channel
/// (<https://platform.openai.com/docs/guides/text-to-speech#supported-output-formats>).
const SPOKEN_PCM: u64 = 48_000;

/// Most bytes of a second of FLAC that is not unusual: 48 kHz, 16 bits, two channels, not compressed at all.
const LOSSLESS: u64 = 192_000;

/// How fast sound goes by.
#[derive(Debug, Clone, Copy)]
struct Pace {
    bytes_per_second: u64,
    /// Bytes before the sound.
    skip: u64,
    /// Milliseconds, as its header tells. Nobody checks what it tells: it is an estimate.
    told_ms: Option<u64>,
    /// Nothing is compressed: the bytes behind `skip` are no longer than this.
    plain: bool,
    /// And all of them are sound.
    exact: bool,
}

impl Pace {
    const fn of(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, skip: 0, told_ms: None, plain: false, exact: false }
    }

    /// Milliseconds of a file of `all` bytes. What a WAV declares is not gone by: streams declare nothing, or the largest
    /// number, and what is declared to be no sound may be heard all the same.
    fn ms(&self, all: u64) -> u64 {
        self.told_ms.unwrap_or_else(|| at(all.saturating_sub(self.skip), self.bytes_per_second))
    }
}

fn at(bytes: u64, bytes_per_second: u64) -> u64 {
    bytes.saturating_mul(1_000).div_ceil(bytes_per_second.max(1))
}

/// How long the sound in `file` is: by the bytes of an uncompressed WAV, by the header of FLAC; of MP3 by the rate of its
/// first frame; else by the usual rate of its container.
pub fn length(file: &[u8]) -> Length {
    let (pace, all) = (pace(file), file.len() as u64);
    let ms = pace.ms(all);
    let most_ms = match pace.plain {
        true => at(all.saturating_sub(pace.skip), pace.bytes_per_second),
        false => at(all, SPARSEST),
    };
    Length { ms, most_ms: most_ms.max(ms), exact: pace.exact, told: pace.plain || pace.told_ms.is_some() }
}

/// How long speech is that was answered in `format`: `head` are its first bytes, `all` how many there are.
pub fn spoken_ms(format: Option<&str>, head: &[u8], all: u64) -> u64 {
    if format == Some("pcm") { at(all, SPOKEN_PCM) } else { Pace { told_ms: None, ..pace(head) }.ms(all) }
}

fn pace(file: &[u8]) -> Pace {
    match file {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => wav(file).unwrap_or(Pace::of(USUAL)),
        [b'f', b'L', b'a', b'C', ..] => flac(file),
        [b'O', b'g', b'g', b'S', ..] | [0x1a, 0x45, 0xdf, 0xa3, ..] => Pace::of(OPUS),
        _ => mp3(file).unwrap_or(Pace::of(USUAL)),
    }
}

/// Uncompressed WAV (<https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html>); `None`: a coding whose bytes
/// do not tell the time, or a file that two decoders may read differently.
fn wav(file: &[u8]) -> Option<Pace> {
    let (mut bytes_per_second, mut sound) = (None, None);
    for (place, chunk) in chunks(file) {
        match chunk.get(..4)? {
            // Where there are two, nobody knows by which one a decoder goes.
            b"fmt " if bytes_per_second.is_some() => return None,
            b"fmt " => bytes_per_second = Some(plain(chunk)?),
            b"data" if sound.is_some() => return None,
            b"data" => sound = Some((place + 8, little(chunk.get(4..8)?))),
            _ => {}
        }
    }
    let (skip, declared) = sound?;
    let there = file.len().saturating_sub(skip) as u64;
    let exact = declared.saturating_add(declared % 2) >= there;
    Some(Pace { skip: skip as u64, plain: true, exact, ..Pace::of(bytes_per_second?) })
}

/// The chunks of a WAV as far as they are there, each with its place, its name and its size first.
fn chunks(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    const MOST: usize = 64;
    let mut place = Some(12usize);
    let next = move || {
        let (at, chunk) = place.and_then(|at| Some((at, file.get(at..)?)))?;
        let size = little(chunk.get(4..8)?);
        let padded = usize::try_from(size.saturating_add(size % 2)).ok();
        place = padded.and_then(|padded| at.checked_add(8)?.checked_add(padded));
        Some((at, chunk))
    };
    std::iter::from_fn(next).take(MOST)
}

/// Bytes of a second by a `fmt ` chunk; `None`: what it names is compressed, or unknown. The extensible form names the coding
/// by a GUID (<https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible>).
fn plain(chunk: &[u8]) -> Option<u64> {
    const BEHIND_TAG: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let (tag, channels) = (little(chunk.get(8..10)?), little(chunk.get(10..12)?));
    let (rate, frame) = (little(chunk.get(12..16)?), little(chunk.get(20..22)?));
    let bits = little(chunk.get(22..24)?);
    let coding = match tag {
        0xfffe if little(chunk.get(4..8)?) >= 40 && chunk.get(34..48)? == BEHIND_TAG => little(chunk.get(32..34)?),
        tag => tag,
    };
    // PCM, numbers with a point, A-law, mu-law.
    let plain = matches!(coding, 1 | 3 | 6 | 7) && frame > 0 && frame == channels * bits.div_ceil(8);
    Some(rate * frame).filter(|pace| plain && *pace > 0)
}

/// FLAC tells its samples (RFC 9639 §8.2), unless it was written as a stream. No decoder holds it to that, so it is not taken
/// for shorter than its bytes are if they are not compressed.
fn flac(file: &[u8]) -> Pace {
    let told = || {
        let info: [u8; 8] = file.get(18..26)?.try_into().ok()?;
        let info = u64::from_be_bytes(info);
        let (rate, samples) = (info >> 44, info & 0xf_ffff_ffff);
        let (channels, bits) = ((info >> 41 & 7) + 1, (info >> 36 & 31) + 1);
        let raw = (rate * channels * bits).div_ceil(8).min(LOSSLESS);
        let least = at(file.len() as u64, raw);
        (rate > 0 && samples > 0).then(|| samples.saturating_mul(1_000).div_ceil(rate).max(least))
    };
    Pace { told_ms: told(), ..Pace::of(USUAL) }
}

/// The rate of the first frame of an MP3, behind an ID3v2 tag
/// (<https://www.codeproject.com/Articles/8295/MPEG-Audio-Frame-Header>).
fn mp3(file: &[u8]) -> Option<Pace> {
    const FIRST: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const SECOND: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let skip = match file {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            10 + [a, b, c, d].into_iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7f))
        }
        _ => 0,
    };
    let [0xff, second, third, ..] = *file.get(skip..)? else { return None };
    let layer_three = second & 0xe6 == 0xe2;
    let rates = if second & 0x18 == 0x18 { FIRST } else { SECOND };
    let kbits = rates.get(usize::from(third >> 4)).filter(|rate| layer_three && **rate > 0)?;
    Some(Pace { skip: skip as u64, ..Pace::of(kbits * 125) })
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Where subtitles (SRT, WebVTT) end, in milliseconds: the last time behind an arrow in `tail`, their last bytes.
pub fn text_end_ms(tail: &[u8]) -> Option<u64> {
    let at = memchr::memmem::rfind(tail, b"-->")?;
    let text = tail.get(at + 3..)?.trim_ascii_start();
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.' | b',')).unwrap_or(text.len());
    let (whole, thousandths) = std::str::from_utf8(text.get(..end)?).ok()?.split_once(['.', ','])?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number < 1_000_000);
    let seconds = whole.split(':').try_fold(0u64, |sum, part| sum.checked_mul(60)?.checked_add(number(part)?))?;
    seconds.checked_mul(1_000)?.checked_add(number(thousandths)?)
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;

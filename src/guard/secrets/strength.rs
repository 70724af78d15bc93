//! How random a value looks.

use super::reader::hex;

/// What a value is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mix {
    pub(super) lower: usize,
    pub(super) upper: usize,
    pub(super) digits: usize,
    pub(super) others: usize,
    /// Neighbours of different kinds, where both are letters or digits; a capital in front of small letters is none.
    pub(super) turns: usize,
    /// Letters and digits in the longest run of small letters.
    pub(super) word: usize,
}

/// Counts what `value` has.
pub(super) fn mix(value: &[u8]) -> Mix {
    let mut mix = Mix::default();
    let (mut run, mut last) = (0, 0_u8);
    for &byte in value {
        let kind = match byte {
            b'a'..=b'z' => 1,
            b'A'..=b'Z' => 2,
            b'0'..=b'9' => 3,
            _ => 0,
        };
        match kind {
            1 => mix.lower += 1,
            2 => mix.upper += 1,
            3 => mix.digits += 1,
            _ => mix.others += 1,
        }
        run = if kind == 1 { run + 1 } else { 0 };
        mix.word = mix.word.max(run);
        if kind != 0 && last != 0 && kind != last && !(last == 2 && kind == 1) {
            mix.turns += 1;
        }
        last = kind;
    }
    mix
}

/// Shannon's entropy of the bytes of `value`, in hundredths of a bit a byte.
pub(super) fn entropy(value: &[u8]) -> u32 {
    let mut counts = [0_u16; 256];
    for &byte in value {
        let count = &mut counts[usize::from(byte)];
        *count = count.saturating_add(1);
    }
    let length = value.len().max(1) as f32;
    let bits: f32 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f32::from(count) / length;
            -share * share.log2()
        })
        .sum();
    (bits * 100.0) as u32
}

/// Not a row of crosses or of one digit: what an issuer makes has many different characters.
pub(super) fn varied(body: &[u8]) -> bool {
    let floor = match body.len() {
        0..=5 => 0,
        6..=11 => 150,
        12..=19 => 220,
        _ => 260,
    };
    entropy(body) >= floor
}

/// Has digits and letters, as what is random has.
pub(super) fn mixed(body: &[u8]) -> bool {
    varied(body) && body.iter().any(u8::is_ascii_digit) && body.iter().any(u8::is_ascii_alphabetic)
}

/// As [`mixed`], and small and capital letters.
pub(super) fn mixed_case(body: &[u8]) -> bool {
    mixed(body) && body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase)
}

/// GitHub's and npm's tokens end with six digits of base62: the CRC-32 of what stands before them
/// (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>). A token whose
/// sum is right counts, and one that looks random: it may have been mistyped, or be of a newer format.
pub(super) fn summed(body: &[u8]) -> bool {
    sum_is_right(body) || (mixed(body) && mix(body).turns * 5 >= body.len())
}

fn sum_is_right(body: &[u8]) -> bool {
    let Some((value, sum)) = body.split_last_chunk::<6>() else { return false };
    let mut rest = crc32(value);
    let mut want = [b'0'; 6];
    for digit in want.iter_mut().rev() {
        let index = (rest % 62) as usize;
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".get(index).copied().unwrap_or(b'0');
        rest /= 62;
    }
    want == *sum
}

/// CRC-32 as of IEEE 802.3.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

/// Looks as if a machine had made it.
pub(super) fn random(value: &[u8]) -> bool {
    let mix = mix(value);
    let letters = mix.lower + mix.upper;
    if value.len() < 12 || letters == 0 || (mix.word > 7 && mix.word * 3 > value.len()) {
        return false;
    }
    if value.iter().all(|&byte| hex(byte) || byte == b'-') {
        return value.len() >= 20 && mix.digits >= 4 && mix.turns * 6 >= value.len() && entropy(value) >= 270;
    }
    let floor = if value.len() < 20 { 280 } else { 320 };
    let kinds = [mix.lower, mix.upper, mix.digits].iter().filter(|&&count| count > 0).count();
    let others_few = mix.others * 4 <= value.len();
    kinds >= 2
        && mix.turns * 5 >= value.len()
        && others_few
        && (mix.digits > 0 || value.len() >= 20)
        && entropy(value) >= floor
}

/// Looks as if a person had chosen it as a password: letters, and what is none in more than one kind.
pub(super) fn chosen(value: &[u8]) -> bool {
    let mix = mix(value);
    let letters = mix.lower + mix.upper;
    let kinds = [mix.lower, mix.upper, mix.digits, mix.others].iter().filter(|&&count| count > 0).count();
    value.len() >= 8 && letters > 0 && mix.digits > 0 && (kinds >= 3 || mix.turns >= 3) && entropy(value) >= 240
}

/// Whether `value` only stands for one: `your-key-here`, `${TOKEN}`, `xxxx`.
pub(super) fn stands_for(value: &[u8]) -> bool {
    const WORDS: [&[u8]; 26] = [
        b"example",
        b"your",
        b"xxxx",
        b"changeme",
        b"change_me",
        b"change-me",
        b"placeholder",
        b"dummy",
        b"sample",
        b"redacted",
        b"replace",
        b"insert",
        b"secret_key",
        b"api_key",
        b"apikey",
        b"access_key",
        b"password",
        b"....",
        b"****",
        b"${",
        b"{{",
        b"%(",
        b"$(",
        b"<",
        b"environ",
        b"1234567",
    ];
    if matches!(value.first(), Some(b'$' | b'%' | b'{' | b'<' | b'[' | b'(' | b'*'))
        && value.get(1).is_none_or(|byte| !byte.is_ascii_digit())
    {
        return true;
    }
    WORDS.iter().any(|word| value.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)))
}

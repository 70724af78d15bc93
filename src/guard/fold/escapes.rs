//! Escapes: HTML's character references, JSON's backslashes.

/// What stands at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// An escape of this character, of so many bytes.
    Char(char, usize),
    /// No escape.
    None,
    /// What follows will show; at most 12 bytes.
    Unfinished,
}

/// The references that have a name here. Source: <https://html.spec.whatwg.org/multipage/named-characters.html>.
const NAMED: &[(&str, char)] = &[
    ("AMP", '&'),
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dash", '-'),
    ("dollar", '$'),
    ("emsp", ' '),
    ("ensp", ' '),
    ("equals", '='),
    ("excl", '!'),
    ("GT", '>'),
    ("gt", '>'),
    ("hyphen", '-'),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lsqb", '['),
    ("LT", '<'),
    ("lt", '<'),
    ("nbsp", ' '),
    ("NewLine", '\n'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quest", '?'),
    ("QUOT", '"'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
    ("Tab", '\t'),
    ("verbar", '|'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// The character reference at the beginning of `text`, which begins with `&`; `last`: no more follows.
pub fn reference(text: &str, last: bool) -> Escape {
    const LONGEST: usize = 12;
    let bytes = &text.as_bytes()[..text.len().min(LONGEST)];
    let name = bytes[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#').count();
    match bytes.get(1 + name) {
        Some(b';') => {}
        None if !last && text.len() < LONGEST => return Escape::Unfinished,
        _ => return Escape::None,
    }
    let name = &text[1..=name];
    let character = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        }
        .and_then(char::from_u32),
        None => NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| *character),
    };
    character.map_or(Escape::None, |character| Escape::Char(character, name.len() + 2))
}

/// JSON's escape at the beginning of `text`, which begins with a backslash; `last`: no more follows.
pub fn json(text: &str, last: bool) -> Escape {
    let unfinished = if last { Escape::None } else { Escape::Unfinished };
    let character = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
        Some(b'u') => return unicode(text, last),
        Some(_) => return Escape::None,
        None => return unfinished,
    };
    Escape::Char(character, 2)
}

fn unicode(text: &str, last: bool) -> Escape {
    let unfinished = if last { Escape::None } else { Escape::Unfinished };
    let unit = |at: usize| {
        let digits = text.as_bytes().get(at..at + 4)?;
        digits.iter().try_fold(0_u32, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    };
    if text.len() < 6 {
        return unfinished;
    }
    let Some(first) = unit(2) else { return Escape::None };
    if let Some(character) = char::from_u32(first) {
        return Escape::Char(character, 6);
    }
    let rest = &text.as_bytes()[6..];
    let follows = rest.iter().zip(b"\\u").take_while(|(a, b)| a == b).count();
    if follows < rest.len().min(2) || first >= 0xdc00 {
        return Escape::Char('\u{fffd}', 6);
    }
    if text.len() < 12 {
        return if last { Escape::Char('\u{fffd}', 6) } else { Escape::Unfinished };
    }
    match unit(8).filter(|second| (0xdc00..0xe000).contains(second)) {
        Some(second) => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Escape::Char(char::from_u32(code).unwrap_or('\u{fffd}'), 12)
        }
        None => Escape::Char('\u{fffd}', 6),
    }
}

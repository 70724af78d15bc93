//! Characters folded to what they look like.

/// Whether nobody sees it: zero width, direction marks, variation selectors, soft hyphens.
pub fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0001}' | '\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Appends what `character` folds to. ASCII stays as it is.
pub fn fold_char(character: char, out: &mut String) {
    match character {
        '\0'..='\u{7f}' => out.push(character),
        // Tag characters: ASCII that nobody sees.
        '\u{e0020}'..='\u{e007e}' => out.push(ascii(u32::from(character) - 0xe_0000)),
        // Full width.
        '\u{ff01}'..='\u{ff5e}' => out.push(ascii(u32::from(character) - 0xff01 + 0x21)),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => out.push(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
        _ => out.push(character),
    }
}

fn ascii(code: u32) -> char {
    char::from_u32(code).unwrap_or('\u{fffd}')
}

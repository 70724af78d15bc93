use super::*;
use crate::guard::fold;
use proptest::prelude::*;

fn fold_all(text: &str) -> String {
    let mut out = String::new();
    text.chars().for_each(|one| fold_char(one, &mut out));
    out
}

#[test]
fn what_looks_like_ascii_is_ascii() {
    let cases = [
        ("ascii", "Hello, World! 0~", "Hello, World! 0~"),
        ("full width", "Ｈｅｌｌｏ　＠１２", "Hello @12"),
        ("accents", "Crème brûlée, Ångström, Łódź, ﬁancée", "Creme brulee, Angstrom, Lodz, fiancee"),
        ("accents of their own", "Cre\u{300}me bru\u{302}le\u{301}e", "Creme brulee"),
        ("German", "Straße, Füße, ẞ", "Strasse, Fusse, SS"),
        ("Vietnamese", "Nguyễn Đặng", "Nguyen Dang"),
        ("Turkish", "ışık İzmir", "isik Izmir"),
        ("Cyrillic in Latin", "раssword ѕесrеt АВСЕНІЈКМОРЅТХУ", "password secret ABCEHIJKMOPSTXY"),
        ("Greek in Latin", "pαsswοrd ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "password ABEZHIKMNOPTYX"),
        ("Armenian and Cherokee", "օհո ᎪᏴᏟ", "ohn ABC"),
        ("mathematical", "𝐇𝑒𝓁𝔩𝕠 𝖂𝗈𝘳𝙡𝚍 𝟜𝟚 ℂℍℤ", "Hello World 42 CHZ"),
        ("mathematical Greek", "𝛂𝚨", "aA"),
        ("circled", "Ⓗⓔⓛⓛⓞ ①②⑩ ⑴ ❶➁⓿ 🅗🅔 🄰🅰🇺🇸", "Hello 1210 (1) 120 HE AAUS"),
        ("small capitals", "ʜᴇʟʟᴏ ᴡᴏʀʟᴅ ꜰɢʙɪᴊᴋᴍɴᴘꜱᴛᴜᴠʏᴢ", "hello world fgbijkmnpstuvyz"),
        ("high and low", "ᵃᵇᶜ ₁²³ ʰⁿ", "abc 123 hn"),
        ("letterlike", "№ ™ ℡ Ⅷ ﬃ ǆ", "No TM TEL VIII ffi dz"),
        ("digits of other scripts", "٠١٢ ۹ ०१२ ๑ 〇 ４", "012 9 012 1 〇 4"),
        ("quotes and dashes", "‘a’ “b” c—d–e‐f−g … ″", "'a' \"b\" c-d-e-f-g ... \""),
        ("signs", "a․b∕c⁄d∶e＠f﹫g‹h›", "a.b/c/d:e@f@g<h>"),
        ("fractions", "½", "1/2"),
        ("half-width kana", "ｶﾅ", "カナ"),
        ("presentation forms", "ﻣﺮﺣﺒﺎ ﷲ", "مرحبا الله"),
        ("kana and Hangul", "がギ 한국어 ㄱ", "がギ 한국어 ㄱ"),
        ("ideographs", "漢字 ㍿ \u{f900}\u{2f800}", "漢字 株式会社 \u{8c48}\u{4e3d}"),
        ("Hindi, Hebrew, Thai", "हिन्दी עִברית ไทย", "हिन्दी עִברית ไทย"),
        ("Cyrillic words", "пароль Йод ёлка", "пapoлb Иoд eлka"),
        ("emoji", "👍🏽 ❤ 1\u{fe0f}\u{20e3}", "👍🏽 ❤ 1"),
        ("spaces", "a\u{a0}b\u{2003}c\u{3000}d\u{2028}e\u{1680}f", "a b c d\ne f"),
        ("accents without letters", "a´b`c¨d", "a'b`c¨d"),
    ];
    for (name, text, want) in cases {
        assert_eq!(fold_all(text), want, "{name}");
    }
}

#[test]
fn what_nobody_sees_is_none() {
    let ranges = [
        ('\u{ad}', '\u{ad}'),
        ('\u{34f}', '\u{34f}'),
        ('\u{61c}', '\u{61c}'),
        ('\u{115f}', '\u{1160}'),
        ('\u{180b}', '\u{180f}'),
        ('\u{200b}', '\u{200f}'),
        ('\u{202a}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{fe00}', '\u{fe0f}'),
        ('\u{feff}', '\u{feff}'),
        ('\u{ffa0}', '\u{ffa0}'),
        ('\u{fff9}', '\u{fffb}'),
        ('\u{1d173}', '\u{1d17a}'),
        ('\u{e0000}', '\u{e001f}'),
        ('\u{e007f}', '\u{e01ef}'),
        ('\u{300}', '\u{36f}'),
    ];
    for unseen in ranges.into_iter().flat_map(|(from, to)| from..=to) {
        assert!(is_unseen(unseen), "{unseen:?}");
        assert_eq!(fold_all(&unseen.to_string()), "", "{unseen:?}");
    }
    assert_eq!(fold_all("\u{e0061}\u{e0020}\u{e007e}"), "a ~", "tags are the ASCII that they stand for");
    for seen in (' '..='\u{7f}').chain("é漢я\u{a0}\u{2028}\u{2800}".chars()) {
        assert!(!is_unseen(seen), "{seen:?}");
    }
}

/// Whatever a character is folded to is not folded further, and is seen.
#[test]
fn what_is_folded_stays_as_it_is() {
    for character in (0..=0x10_ffff).filter_map(char::from_u32) {
        let mut once = String::new();
        fold_char(character, &mut once);
        assert_eq!(fold_all(&once), once, "{character:?} U+{:04X}", u32::from(character));
        assert_eq!(once.is_empty(), is_unseen(character), "{character:?} U+{:04X}", u32::from(character));
        assert!(character.is_ascii() || once.len() <= 64, "{character:?} is folded to {once:?}");
    }
}

#[test]
fn no_letter_becomes_a_digit() {
    for character in (0x80..END).filter_map(char::from_u32).filter(|one| one.is_alphabetic()) {
        let text = fold_all(&character.to_string());
        // Numbers in circles and squares are symbols and numbers to Unicode, not letters.
        assert!(!text.chars().any(|one| one.is_ascii_digit()), "{character:?} {text:?}");
    }
}

proptest! {
    /// Folding twice is folding once. (Not so for references: `&amp;#64;` is one behind another.)
    #[test]
    fn folding_twice_is_folding_once(text in "[^&＆﹠ꝸ]{0,60}") {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once);
    }

    /// Each character is folded for itself.
    #[test]
    fn characters_are_folded_one_by_one(a in "\\PC{0,20}", b in "\\PC{0,20}") {
        prop_assert_eq!(fold_all(&format!("{a}{b}")), fold_all(&a) + &fold_all(&b));
    }
}

//! Codes of languages: ISO 639-1 where there is one, and 639-3, which the crate knows.
//! Source: <https://www.loc.gov/standards/iso639-2/php/code_list.php>.

use whatlang::Lang;

/// The codes of two letters of what can be told. Languages with several codes of three letters stand for the one that
/// the crate tells (`zh`: Mandarin).
const TWO_LETTERS: &[(&str, &str)] = &[
    ("af", "afr"),
    ("ak", "aka"),
    ("am", "amh"),
    ("ar", "ara"),
    ("az", "aze"),
    ("be", "bel"),
    ("bg", "bul"),
    ("bn", "ben"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("cy", "cym"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("eo", "epo"),
    ("es", "spa"),
    ("et", "est"),
    ("fa", "pes"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("gu", "guj"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("hy", "hye"),
    ("id", "ind"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("jv", "jav"),
    ("ka", "kat"),
    ("km", "khm"),
    ("kn", "kan"),
    ("ko", "kor"),
    ("la", "lat"),
    ("lt", "lit"),
    ("lv", "lav"),
    ("mk", "mkd"),
    ("ml", "mal"),
    ("mr", "mar"),
    ("my", "mya"),
    ("nb", "nob"),
    ("ne", "nep"),
    ("nl", "nld"),
    ("no", "nob"),
    ("or", "ori"),
    ("pa", "pan"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("si", "sin"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("sn", "sna"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("ta", "tam"),
    ("te", "tel"),
    ("th", "tha"),
    ("tk", "tuk"),
    ("tl", "tgl"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("ur", "urd"),
    ("uz", "uzb"),
    ("vi", "vie"),
    ("yi", "yid"),
    ("zh", "cmn"),
    ("zu", "zul"),
];

/// The language of a code, in any case.
pub(super) fn language(code: &str) -> Option<Lang> {
    let code = code.to_ascii_lowercase();
    let three = TWO_LETTERS.iter().find(|(two, _)| *two == code).map_or(&*code, |(_, three)| *three);
    Lang::from_code(three)
}

/// The shortest code of a language.
pub(super) fn code(language: Lang) -> &'static str {
    let three = language.code();
    TWO_LETTERS.iter().find(|(_, other)| *other == three).map_or(three, |(two, _)| *two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_of_a_language_that_can_be_told() {
        for (two, three) in TWO_LETTERS {
            assert_eq!(language(two).map(|one| one.code()), Some(*three), "{two}");
        }
        for one in Lang::all() {
            assert_eq!(language(code(*one)), Some(*one), "{one:?}");
        }
        assert_eq!((language("EN"), language("xx"), language("")), (Some(Lang::Eng), None, None));
    }
}

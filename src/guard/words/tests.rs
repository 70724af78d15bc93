use super::*;
use crate::guard::{
    Fold,
    laws::{assert_cuts_do_not_matter, edited},
};
use proptest::prelude::*;

fn read(text: &str) -> Arc<[Arc<dyn Spotter>]> {
    build(&Section::from_yaml("guards.w", text).expect("YAML")).expect(text).into()
}

#[test]
fn words_are_found_as_the_settings_say_wherever_the_text_is_cut() {
    let cases = [
        ("a word", "words: [cat]", "Cat, concat cats cat", "[word Cat], concat cats [word cat]"),
        ("substring", "words: [cat]\nmatch: substring", "Concat", "Con[word cat]"),
        ("the longest", "words: [bad, bad word]", "bad word, bad  WORDS", "[word bad word], [word bad]  WORDS"),
        ("spaces", "words: [a bad word]", "a\n bad   word", "[word a\n bad   word]"),
        ("case", "words: [Bad]\ncase_sensitive: true", "bad Bad BAD", "bad [word Bad] BAD"),
        (
            "accents",
            "words: [ÉTÉ, straße]",
            "été Été STRASSE Straße",
            "[word été] [word Été] [word STRASSE] [word Straße]",
        ),
        ("another script", "words: [слово]\nmatch: substring", "СЛОВО и слова", "[word СЛОВО] и слова"),
        (
            "folded",
            "words: [secret]",
            "ｓｅｃｒｅｔ s\u{200b}ecret &#115;ecret",
            "[word ｓｅｃｒｅｔ] [word s\u{200b}ecret] [word &#115;ecret]",
        ),
        (
            "allowed",
            "words: [ass]\nmatch: substring\nallow: [class, assess]",
            "Class assessor ass asses",
            "Class assessor [word ass] [word ass]es",
        ),
        ("not split", "words: [badword]", "b a d w o r d", "b a d w o r d"),
        (
            "split",
            "words: [badword, abc]\nsplit: true",
            "b a d w o r d, B.A.D.W.O.R.D b.a-dword a.b.c badword",
            "[word b a d w o r d], [word B.A.D.W.O.R.D] b.a-dword a.b.c [word badword]",
        ),
        ("short", "words: [x, no]", "x nox no", "[word x] nox [word no]"),
    ];
    for (name, settings, text, want) in cases {
        assert_eq!(assert_cuts_do_not_matter(&read(settings), Fold::Text, text), want, "{name}");
    }
    let out = assert_cuts_do_not_matter(&read("words: [cat]"), Fold::Json, r#"{"a":"\u0063at","cat":1}"#);
    assert_eq!(out, r#"{"a":"[word \\u0063at]","[word cat]":1}"#);
}

#[test]
fn only_what_may_become_a_word_is_held() {
    let words = read("words: [badword, two words]");
    for (text, held) in
        [("Hello wor", 0), ("a bad", 3), ("abad", 0), ("bady", 0), ("two ", 4), ("badword", 7), ("badword ", 0)]
    {
        assert_eq!(text.len() - words[0].pending(text, 0), held, "{text:?}");
    }
}

#[test]
fn files_are_read_and_mistakes_told() {
    let path = std::env::temp_dir().join(format!("words-{}.txt", std::process::id()));
    std::fs::write(&path, "# names\napollo\n\nproject hermes\n").expect("a file");
    let file = path.display();
    assert_eq!(
        assert_cuts_do_not_matter(&read(&format!("file: {file}")), Fold::Text, "Apollo, Project Hermes"),
        "[word Apollo], [word Project Hermes]"
    );
    std::fs::write(&path, format!("good\n{}\n", "x".repeat(61))).expect("a file");
    let long = "x".repeat(61);
    let cases = [
        (String::new(), "guards.w.words: names no word".to_owned()),
        ("words: ['  ']".to_owned(), "guards.w.words[0]: is an empty word".to_owned()),
        (format!("words: [{long}]"), "guards.w.words[0]: has 61 bytes; a word or phrase has 60 at most".to_owned()),
        (format!("file: {file}"), format!("guards.w.file: `{file}`, line 2: has 61 bytes")),
        ("file: /nowhere/at.all".to_owned(), "guards.w.file: cannot read `/nowhere/at.all`".to_owned()),
    ];
    for (settings, want) in cases {
        let error =
            build(&Section::from_yaml("guards.w", &settings).expect("YAML")).err().expect("a mistake").to_string();
        assert!(error.contains(&want), "{error}");
    }
    std::fs::remove_file(&path).expect("it was there");
}

/// What is not linear would take hours.
#[test]
fn time_is_linear_in_the_length_of_the_text() {
    let begin = std::time::SystemTime::now();
    for settings in
        ["words: [aaaaaaaaaaaaaaab]\nmatch: substring", "words: [aaaab]\nsplit: true\nallow: [aaaaaaaaaaaaaaaac]"]
    {
        let words = read(settings);
        for piece in ["a", "a ", "a.", " "] {
            let text = piece.repeat((1 << 20) / piece.len());
            assert!(words[0].next(&text, 0).is_none());
        }
    }
    assert!(begin.elapsed().expect("time goes on").as_secs() < MOST_SECONDS);
}

/// For what takes about one on an idle machine.
const MOST_SECONDS: u64 = 60;

proptest! {
    /// Where a text is cut changes nothing of what comes out.
    #[test]
    fn cuts_do_not_matter(
        text in r#"([abd .\-é"]|bad|word|BAD WORD|b\.a\.d\.d|b a d d|classbad|&#98;|\u{200b}){0,30}"#,
        cuts in prop::collection::vec(0_usize..200, 0..6),
        json in any::<bool>(),
        substring in any::<bool>(),
        split in any::<bool>(),
    ) {
        let matching = if substring { "substring" } else { "word" };
        let words = read(&format!("words: [bad, badd, bad word, é, dab]\nmatch: {matching}\nsplit: {split}\nallow: [classbad, bad é]"));
        let fold = if json { Fold::Json } else { Fold::Text };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let parts: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(edited(&words, fold, &parts), edited(&words, fold, &[&text]));
        let single: Vec<&str> = text.char_indices().map(|(at, one)| &text[at..at + one.len_utf8()]).collect();
        prop_assert_eq!(edited(&words, fold, &single), edited(&words, fold, &[&text]));
    }
}

use super::*;
use crate::guard::{
    Fold, LONGEST,
    laws::{assert_cuts_do_not_matter, edited},
};
use proptest::prelude::*;

fn spotters(patterns: &[(&'static str, &str)], unicode: bool) -> Arc<[Arc<dyn Spotter>]> {
    let patterns = patterns.iter().map(|(name, text)| Pattern::new(name, text, unicode).expect(text)).collect();
    Patterns::together(patterns).into_iter().map(|patterns| Arc::new(patterns) as Arc<dyn Spotter>).collect()
}

#[test]
fn patterns_match_as_written_wherever_the_text_is_cut() {
    let cases = [
        ("digits", r"TKT-\d+", false, "see TKT-123, TKT-4", "see [p TKT-123], [p TKT-4]"),
        ("the first alternative", "ab|abc", false, "abcd", "[p ab]cd"),
        ("lazy", r"<.+?>", false, "a <b> <c>", "a [p <b>] [p <c>]"),
        ("words", r"\bcat\b", false, "cat concat cat's", "[p cat] concat [p cat]'s"),
        ("lines", r"(?m)^x+$", false, "xx\nxy\nx", "[p xx]\nxy\n[p x]"),
        ("any case", "(?i)apollo", false, "APOLLO Apollo", "[p APOLLO] [p Apollo]"),
        ("a byte is rounded to its character", "a.", false, "a日 ab", "[p a日] [p ab]"),
        ("inside of a character", r"[\x80-\xff]b", false, "日b", "[p 日b]"),
        ("an accent is folded away", "eb", false, "éb", "[p éb]"),
        ("Unicode", r"\p{Han}+", true, "日本 a 語", "[p 日本] a [p 語]"),
        ("folded", "TKT-1", false, "ＴＫＴ-1 T\u{200b}KT-1", "[p ＴＫＴ-1] [p T\u{200b}KT-1]"),
    ];
    for (name, pattern, unicode, text, want) in cases {
        let spotters = spotters(&[("p", pattern)], unicode);
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, text), want, "{name}");
        let alone: Arc<[Arc<dyn Spotter>]> =
            Arc::from([Arc::new(Pattern::new("p", pattern, unicode).expect(name)) as Arc<dyn Spotter>]);
        assert_eq!(assert_cuts_do_not_matter(&alone, Fold::Text, text), want, "{name}");
    }
}

#[test]
fn of_patterns_that_match_at_one_place_the_first_counts() {
    let spotters = spotters(&[("long", "abc"), ("short", "ab"), ("later", "b+")], false);
    assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, "abc abd bb"), "[long abc] [short ab]d [later bb]");
}

#[test]
fn what_has_no_end_is_cut_and_an_end_that_is_too_far_is_none() {
    let spotters = spotters(&[("run", "x+"), ("block", "(?s)BEGIN.*END")], false);
    let out = assert_cuts_do_not_matter(&spotters, Fold::Text, &"x".repeat(600));
    assert_eq!(out.matches("[run").count(), 3, "{out}");
    let near = format!("BEGIN{}END", "-".repeat(MOST_BYTES - 8));
    assert!(assert_cuts_do_not_matter(&spotters, Fold::Text, &near).starts_with("[block"));
    let far = format!("BEGIN{}END", "-".repeat(MOST_BYTES - 7));
    assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, &far), far);
    assert!(Pattern::new("p", "x+", false).expect("good").is_cut());
    assert!(!Pattern::new("p", "x{3}", false).expect("good").is_cut());
}

#[test]
fn in_json_a_match_stays_in_its_string() {
    let spotters = spotters(&[("ticket", r"TKT-\d+")], false);
    let out = assert_cuts_do_not_matter(&spotters, Fold::Json, r#"{"a":"T\u004bT-12","n":3}"#);
    assert_eq!(out, r#"{"a":"[ticket T\\u004bT-12]","n":3}"#);
}

#[test]
fn only_what_may_match_is_held() {
    let spotters = spotters(&[("ticket", r"TKT-\d+"), ("name", r"(?i)\bproject apollo\b")], false);
    for (text, held) in [
        ("Hello wor", 0),
        ("a T", 1),
        ("TKT-1", 5),
        ("TKT-1 ", 0),
        ("the project", 7),
        ("the projects", 0),
        ("subproject", 0),
    ] {
        assert_eq!(text.len() - spotters[0].pending(text, 0), held, "{text:?}");
    }
}

#[test]
fn what_no_stream_can_have_is_refused_with_the_place() {
    let cases = [
        (r"a(b", "unclosed group, at character 2 (`(`)"),
        (r"é[z-a]", "at character 3 (`z-a`)"),
        (r"\p{Greek}", "at character 1"),
        ("x*", "matches the empty text"),
        ("[a&&b]", "matches nothing"),
        ("ab$", "write `(?m)$` for that of a line, or `\\b`, at character 3"),
        ("^ab", "write `(?m)^` for that of a line, or `\\b`, at character 1"),
        ("(?Rm)^a", "`(?R)` is not offered"),
        ("a{300}", "300 bytes at least"),
        ("[ab]*a[ab]{16}", "automaton is larger than 1024 KiB"),
    ];
    for (pattern, want) in cases {
        let why = Pattern::new("p", pattern, false).err().expect(pattern);
        assert!(why.contains(want), "{pattern}: {why}");
    }
    let why = Pattern::new("p", r"\bé", true).err().expect("refused");
    assert!(why.contains("(?-u:\\b)"), "{why}");
}

#[test]
fn settings_are_read_and_mistakes_told() {
    let read = |text: &str| build(&Section::from_yaml("guards.r", text).expect("YAML"));
    let many: String = (0..100).map(|at| format!("  p{at}: 'X{at}Y'\n")).collect();
    assert_eq!(read(&format!("patterns:\n{many}")).expect("good").len(), 2, "64 a search");
    let cases = [
        ("patterns: {}", "guards.r.patterns: names no pattern"),
        ("patterns: { Bad: 'x' }", "guards.r.patterns.Bad: `Bad` is no name of an entity"),
        (
            "patterns: { bad: 'x(' }",
            "guards.r.patterns.bad: the pattern `x(` is refused: unclosed group, at character 2",
        ),
    ];
    for (text, want) in cases {
        let error = read(text).err().expect("a mistake").to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// Patterns that make others backtrack for ages: what is not linear would take hours.
#[test]
fn time_is_linear_whatever_the_pattern() {
    let begin = std::time::SystemTime::now();
    for pattern in ["(a+)+b", "(a|aa)+c", "(?s)a.*b.*c.*d", "(x+x+)+y", r"\w+@\w+"] {
        let spotters = spotters(&[("p", pattern)], false);
        let text = "a".repeat(1 << 18);
        assert!(spotters[0].next(&text, 0).is_none(), "{pattern}");
        assert!(text.len() - spotters[0].pending(&text, 0) <= LONGEST);
    }
    assert!(begin.elapsed().expect("time goes on").as_secs() < MOST_SECONDS);
}

/// For what takes less than one on an idle machine.
const MOST_SECONDS: u64 = 60;

proptest! {
    /// Where a text is cut changes nothing of what comes out.
    #[test]
    fn cuts_do_not_matter(
        text in r#"([abx1 \n"é\u{200b}-]|TKT-|BEGIN|END|&#65;|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx){0,40}"#,
        cuts in prop::collection::vec(0_usize..400, 0..6),
        json in any::<bool>(),
    ) {
        let patterns = [("a", r"TKT-\d+"), ("b", r"\bab+\b"), ("c", "(?s)BEGIN.*?END"), ("d", "x{20,}|é."), ("e", "(?m)^1$"), ("f", r"a[^b]*b")];
        let spotters = spotters(&patterns, false);
        let fold = if json { Fold::Json } else { Fold::Text };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let parts: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(edited(&spotters, fold, &parts), edited(&spotters, fold, &[&text]));
    }

    /// Many patterns in one pass find what each finds for itself.
    #[test]
    fn together_is_as_one_by_one(text in "[abTK1 é-]{0,60}") {
        let texts = [r"TKT?-?\d+", "ab+", "[a-b]1|é", "K."];
        let alone: Vec<Pattern> = texts.iter().map(|text| Pattern::new("p", text, false).expect("good")).collect();
        let first = alone.iter().filter_map(|one| one.next(&text, 0)).map(|hit| hit.at.start).min();
        let all = spotters(&texts.map(|text| ("p", text)), false);
        prop_assert_eq!(all[0].next(&text, 0).map(|hit| hit.at.start), first);
        let pending = alone.iter().map(|one| one.pending(&text, 0)).min();
        prop_assert_eq!(Some(all[0].pending(&text, 0)), pending);
    }
}

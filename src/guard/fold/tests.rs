use super::*;
use proptest::prelude::*;

fn folded(fold: Fold, pieces: &[&str]) -> (String, Vec<(String, String)>) {
    let mut folder = Folder::new(fold);
    pieces.iter().for_each(|piece| folder.push(piece));
    folder.finish();
    let of = |from: usize, to: usize| folder.raw()[folder.raw_of(&(from..to))].to_owned();
    let characters = folder.text().char_indices().map(|(at, one)| (one.to_string(), of(at, at + one.len_utf8())));
    (folder.text().to_owned(), characters.collect())
}

#[test]
fn what_looks_like_a_text_is_folded_to_it_and_each_character_knows_its_original() {
    let cases = [
        ("plain", Fold::Text, "a.b@example.com", "a.b@example.com"),
        ("full width", Fold::Text, "\u{ff21}\u{ff22}\u{ff20}x", "AB@x"),
        ("zero width", Fold::Text, "4111\u{200b}1111\u{2060}", "41111111"),
        ("tags", Fold::Text, "x\u{e0061}\u{e0062}", "xab"),
        ("references", Fold::Text, "a&#64;b&#x2E;c &commat; AT&T &unknown; &", "a@b.c @ AT&T &unknown; &"),
        ("JSON in a text is text", Fold::Text, r"a\u0040b", r"a\u0040b"),
        ("JSON", Fold::Json, r#"{"a":"x\u0040y\n\"\ud83d\ude00 \ud83d"}"#, "{\"a\":\"x@y\n\"\u{1f600} \u{fffd}\"}"),
    ];
    for (name, fold, raw, want) in cases {
        let (text, _) = folded(fold, &[raw]);
        assert_eq!(text, want, "{name}");
    }
    let (_, characters) = folded(Fold::Text, &["a&#64;\u{200b}b"]);
    let want = [("a", "a"), ("@", "&#64;"), ("b", "b")];
    assert_eq!(characters, want.map(|(one, raw)| (one.to_owned(), raw.to_owned())));
}

proptest! {
    /// Where a text is cut must not change what it is folded to.
    #[test]
    fn cuts_do_not_matter(
        text in r#"([a-c&#;x64\\u"\u{200b}\u{ff20}0]|&#64;|\\u0040|\\ud83d\\ude00){0,40}"#,
        cuts in proptest::collection::vec(0_usize..200, 0..6),
        json in any::<bool>(),
    ) {
        let fold = if json { Fold::Json } else { Fold::Text };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(folded(fold, &pieces), folded(fold, &[&text]));
    }

    /// Letting go of the front changes nothing of what is held.
    #[test]
    fn releases_do_not_matter(text in r#"([a-c&#;x64\u{200b}\u{ff20}0]|&#64;){1,40}"#, at in 0_usize..100, keep in 0_usize..9) {
        let mut folder = Folder::new(Fold::Text);
        folder.push(&text);
        folder.finish();
        let at = folder.text().floor_char_boundary(at);
        let begin = if at >= folder.text().len() { folder.raw().len() } else { folder.raw_begin(at) };
        let (behind, raw) = (folder.text()[at..].to_owned(), folder.raw()[begin..].to_owned());
        folder.release(at, keep);
        prop_assert_eq!(&folder.text()[folder.held()..], &behind);
        prop_assert_eq!(folder.raw(), &raw);
        let held = folder.held()..folder.text().len();
        if !behind.is_empty() {
            let all = folder.raw_of(&held);
            prop_assert!(all.start == 0 && folder.raw()[all.end..].chars().all(is_unseen));
        }
    }
}

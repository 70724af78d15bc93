use super::*;
use proptest::prelude::*;

fn language(yaml: &str) -> Result<Language, ConfigError> {
    Language::read(&Section::from_yaml("guards.tongue", yaml)?)
}

/// Written for this test.
const SENTENCES: &[(&str, &str)] = &[
    ("en", "Please have a look at the attached report and tell me what you think about the numbers of last year."),
    ("de", "Bitte sehen Sie sich den beigefügten Bericht an und sagen Sie mir, was Sie über die Zahlen denken."),
    ("fr", "Veuillez regarder le rapport ci-joint et me dire ce que vous pensez des chiffres de l'année dernière."),
    ("es", "Por favor, mire el informe adjunto y dígame qué piensa usted de las cifras del año pasado."),
    ("it", "Per favore guardi il rapporto allegato e mi dica che cosa pensa dei numeri dell'anno scorso."),
    (
        "pt",
        "Por favor, veja o relatório em anexo e diga-me o que você acha dos números do ano passado, que não são bons.",
    ),
    ("nl", "Kijk alstublieft naar het bijgevoegde rapport en vertel me wat u van de cijfers van vorig jaar vindt."),
    ("pl", "Proszę spojrzeć na załączony raport i powiedzieć mi, co pan myśli o liczbach z zeszłego roku."),
    ("tr", "Lütfen ekteki rapora bakın ve geçen yılın rakamları hakkında ne düşündüğünüzü bana söyleyin."),
    ("vi", "Vui lòng xem báo cáo đính kèm và cho tôi biết bạn nghĩ gì về các con số của năm ngoái."),
    ("ru", "Пожалуйста, посмотрите приложенный отчёт и скажите мне, что вы думаете о цифрах прошлого года."),
    ("uk", "Будь ласка, подивіться на доданий звіт і скажіть мені, що ви думаєте про цифри минулого року."),
    ("el", "Παρακαλώ δείτε τη συνημμένη αναφορά και πείτε μου τι πιστεύετε για τους αριθμούς του περασμένου έτους."),
    ("ar", "يرجى الاطلاع على التقرير المرفق وإخباري برأيك في أرقام العام الماضي وما الذي يجب أن نفعله بعد ذلك."),
    ("he", "אנא עיין בדוח המצורף ואמור לי מה דעתך על המספרים של השנה שעברה ומה עלינו לעשות עכשיו."),
    ("hi", "कृपया संलग्न रिपोर्ट देखें और मुझे बताएं कि आप पिछले साल के आंकड़ों के बारे में क्या सोचते हैं।"),
    (
        "zh",
        "请看一下附件中的报告，告诉我你对去年的数字有什么看法，以及我们接下来应该做什么，谢谢你的帮助，祝你有愉快的一天。",
    ),
    (
        "ja",
        "添付の報告書をご覧になり、昨年の数字についてどう思われるか教えてください。次に何をすべきかも知りたいです。",
    ),
    (
        "ko",
        "첨부된 보고서를 보시고 작년 수치에 대해 어떻게 생각하시는지 말씀해 주세요. 다음에 무엇을 해야 하는지도 알고 싶습니다.",
    ),
    ("th", "กรุณาดูรายงานที่แนบมาและบอกฉันว่าคุณคิดอย่างไรเกี่ยวกับตัวเลขของปีที่แล้ว"),
];

#[test]
fn languages_are_told_and_judged_by_the_list() {
    for (code, text) in SENTENCES {
        let denied = language(&format!("deny: [{code}]")).expect(code).judge(text, Speech::User);
        let denied = denied.unwrap_or_else(|| panic!("{code} was not told"));
        assert_eq!(
            (denied.entity, &*denied.why, denied.flag_only),
            ("language", &*format!("the language is `{code}`"), false)
        );
        assert_eq!(language(&format!("allow: [{code}]")).expect(code).judge(text, Speech::User), None, "{code}");
        let other = if *code == "en" { "de" } else { "en" };
        assert!(language(&format!("allow: [{other}]")).expect(code).judge(text, Speech::User).is_some(), "{code}");
    }
}

#[test]
fn short_texts_and_what_is_no_prose_pass() {
    let judge = language("allow: [en]").expect("a list");
    let text = SENTENCES[1].1;
    assert!(judge.judge(text, Speech::ToolResult).is_some());
    for speech in [Speech::ToolCall, Speech::Definition, Speech::Refusal] {
        assert_eq!(judge.judge(text, speech), None, "{speech:?}");
    }
    assert_eq!(judge.judge("Guten Tag, wie geht es Ihnen?", Speech::User), None);
    let (english, german) = (SENTENCES[0].1.repeat(200), SENTENCES[1].1.repeat(200));
    assert_eq!(judge.judge(&english, Speech::User), None);
    assert!(judge.judge(&format!("{english}{german}"), Speech::User).is_some(), "the end counts");
    assert!(judge.judge(&format!("{german}{english}"), Speech::User).is_some(), "the beginning counts");
    assert!(judge.judge(&SENTENCES[10].1.repeat(200), Speech::User).is_some(), "cut inside of a character");
}

#[test]
fn what_has_no_language_goes_by_the_setting() {
    let digits = "0123456789 ".repeat(10);
    let cases = [("pass", None), ("flag", Some(true)), ("refuse", Some(false))];
    for (word, want) in cases {
        let said = language(&format!("allow: [en]\nunsure: {word}")).expect(word).judge(&digits, Speech::User);
        assert_eq!(said.map(|said| said.flag_only), want, "{word}");
    }
}

#[test]
fn mistakes_name_their_key() {
    let cases = [
        ("", "guards.tongue: needs one of `allow` and `deny`"),
        ("allow: [en]\ndeny: [de]", "needs one of"),
        ("allow: [en, english]", "guards.tongue.allow: `english` is no ISO 639 code"),
        ("deny: [en]\nmin_confidence: 90", "guards.tongue.min_confidence: is 90; write a number from 0 to 1"),
        ("deny: [en]\nunsure: block", "`refuse`"),
    ];
    for (yaml, want) in cases {
        let said = language(yaml).expect_err(yaml).to_string();
        assert!(said.contains(want), "{yaml:?}: {said}");
    }
}

proptest! {
    /// Whatever the text is, something is said about it, or nothing.
    #[test]
    fn no_text_is_too_odd(text in "(?s).{0,200}", words in "[a-zéäж漢\u{200b}\u{0}1 ]{0,80}") {
        let judge = language("allow: [en]\nmin_chars: 0\nmin_confidence: 0\nunsure: refuse").expect("a list");
        for text in [&text, &words, &words.repeat(100)] {
            let _ = judge.judge(text, Speech::User);
        }
    }
}

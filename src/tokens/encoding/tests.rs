use super::*;

#[test]
fn a_model_has_the_tokenizer_of_its_family() {
    let o200k = Some(Encoding::O200kBase);
    let cl100k = Some(Encoding::Cl100kBase);
    let cases = [
        ("gpt-4o", o200k),
        ("gpt-4o-mini-2024-07-18", o200k),
        ("gpt-4.1-nano", o200k),
        ("gpt-5.1-codex", o200k),
        ("gpt-5", o200k),
        ("gpt-5.9-mini", o200k),
        ("o1", o200k),
        ("o3-mini", o200k),
        ("openai/gpt-4o", o200k),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", o200k),
        ("gpt-4", cl100k),
        ("gpt-4-turbo", cl100k),
        ("gpt-3.5-turbo-0125", cl100k),
        ("gpt-35-turbo", cl100k),
        ("ft:gpt-3.5-turbo:acme", cl100k),
        ("text-embedding-3-small", cl100k),
        ("gpt-oss-120b", Some(Encoding::O200kHarmony)),
        ("openai/gpt-oss-20b:free", Some(Encoding::O200kHarmony)),
        ("claude-haiku-4-5", None),
        ("gpt-40", None),
        ("o100", None),
        ("gpt-50", None),
        ("llama-3.1-8b", None),
        ("", None),
    ];
    for (model, want) in cases {
        assert_eq!(encoding_of(model), want, "{model}");
    }
}

#[test]
fn a_text_has_the_tokens_that_openai_documents() {
    // From OpenAI's cookbook, "How to count tokens with tiktoken".
    assert_eq!(count_text(Encoding::Cl100kBase, "tiktoken is great!"), 6);
    assert_eq!(count_text(Encoding::O200kBase, "tiktoken is great!"), 6);
    assert_eq!(count_text(Encoding::Cl100kBase, "2 + 2 = 4"), 7);
    assert_eq!(count_text(Encoding::Cl100kBase, "お誕生日おめでとう"), 9);
    assert_eq!(count_text(Encoding::O200kBase, "お誕生日おめでとう"), 8);
    assert_eq!(count_text(Encoding::O200kBase, ""), 0);
}

#[test]
fn control_tokens_in_a_text_count_as_text() {
    assert!(count_text(Encoding::O200kBase, "<|endoftext|>") > 1);
}

#[test]
fn counting_in_pieces_counts_the_same() {
    let text = "The gateway weighs every request in tokens and money. ".repeat(2_000);
    let whole = Encoding::O200kBase.bpe().count_ordinary(&text);
    assert_eq!(count_text(Encoding::O200kBase, &text), whole as u64);
}

#[test]
fn texts_that_tokenizers_dislike_are_counted_in_reasonable_time() {
    let texts = [" ".repeat(1 << 20), "a".repeat(1 << 20), "\n \t".repeat(1 << 18), "é".repeat(1 << 19)];
    for text in texts {
        let tokens = count_text(Encoding::O200kBase, &text);
        assert!(tokens > 0 && tokens <= 1 << 20, "{tokens}");
    }
}

use super::*;

#[test]
fn a_turn_begins_alike_with_and_without_a_mark_for_the_cache() {
    let plain = br#"[{"role":"user","content":[{"type":"text","text":"hi"}]}"#;
    let marked = br#"[{"role":"user","content":[{"type":"text","text":"hi", "cache_control":{"type":"ephemeral"}}]}"#;
    assert_eq!(beginning(plain), br#"[{"role":"user","content":[{"type":"text","text":"hi""#);
    assert_eq!(beginning(plain), beginning(marked));
    assert_eq!(beginning(b"\"hi\""), b"\"hi\"");
    assert_eq!(beginning(b"[]"), b"[");
}

#[test]
fn sealed_thoughts_are_no_text() {
    let body = br#"{"a":{"signature": "12345"},"b":[{"encrypted_content":"123"}],"c":"\"signature\""}"#;
    assert!((8..=10).contains(&sealed_bytes(body)));
    assert_eq!(sealed_bytes(br#"{"signature"#), 0);
    assert_eq!(sealed_bytes(br#"{"signature":null}"#), 0);
}

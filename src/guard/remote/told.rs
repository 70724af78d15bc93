//! Words of a service, made fit to be told on.

use super::Flaw;

/// Characters of a reason.
const MOST_REASON: usize = 300;
/// Bytes of an entity's name.
const MOST_NAME: usize = 64;
/// Kinds of entities in an answer.
pub(super) const MOST_ENTITIES: usize = 256;

/// One line of bounded length; `None` where nothing is left of it.
pub(super) fn reason(text: Option<String>) -> Option<String> {
    let text = text?;
    let line: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(MOST_REASON).collect();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// `US_SSN`, `self-harm/intent` → `us_ssn`, `self_harm_intent`.
pub(super) fn entity(name: &str) -> String {
    let plain = |one: char| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '_' };
    let name: String = name.chars().take(MOST_NAME).map(plain).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Adds to what was found.
///
/// # Errors
///
/// With more kinds than an answer may have.
pub(super) fn count(entities: &mut Vec<(String, usize)>, name: &str, times: usize) -> Result<(), Flaw> {
    let name = entity(name);
    match entities.iter().position(|(known, _)| *known == name) {
        Some(at) => entities[at].1 = entities[at].1.saturating_add(times),
        None if entities.len() < MOST_ENTITIES => entities.push((name, times)),
        None => return Err(Flaw::Contradiction("it names more than 256 kinds of entities")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_service_are_bounded() {
        assert_eq!(reason(Some(" a\r\nb\u{7f} ".to_owned())).as_deref(), Some("a  b"));
        assert_eq!(reason(Some("ö".repeat(1_000))).map(|line| line.chars().count()), Some(300));
        assert_eq!((reason(Some("\n".to_owned())), reason(None)), (None, None));
        let names = [("US_SSN", "us_ssn"), ("self-harm/intent", "self_harm_intent"), ("", "unnamed"), ("é\"", "__")];
        for (name, want) in names {
            assert_eq!(entity(name), want);
        }
        assert_eq!(entity(&"x".repeat(100)).len(), 64);
        let mut many = Vec::new();
        assert!((0..256).all(|one| count(&mut many, &one.to_string(), 1).is_ok()));
        assert!(count(&mut many, "one more", 1).is_err() && count(&mut many, "7", 1).is_ok());
    }
}

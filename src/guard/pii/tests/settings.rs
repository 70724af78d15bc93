use super::{DEFAULT, ENTITIES, Fold, Section, assert_cuts_do_not_matter, build, guard, marked};

#[test]
fn entities_and_groups_are_chosen_by_name() {
    let text = "bob@example.com, 536-22-1234, 192.168.1.17";
    assert_eq!(marked(&guard("entities: [email]"), text), "[email bob@example.com], 536-22-1234, 192.168.1.17");
    assert_eq!(marked(&guard("entities: [us]"), text), "bob@example.com, [us_ssn 536-22-1234], 192.168.1.17");
    assert_eq!(marked(&guard("entities: [network]"), text), "bob@example.com, 536-22-1234, [ip 192.168.1.17]");
    for entity in DEFAULT {
        assert!(ENTITIES.contains(entity), "{entity}");
    }
}

#[test]
fn values_domains_and_networks_are_allowed() {
    let allow = "allow: [support@example.com, '@corp.example', 10.0.0.0/8, '2001:db8::/32', '+1 415 555 2671']";
    let spotters = guard(allow);
    for text in [
        "Support@Example.com",
        "x.y@corp.example",
        "10.1.2.3",
        "2001:db8::17",
        "call +1 415 555 2671.",
        "10.255.0.1 and support@example.com",
    ] {
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, text), text);
    }
    for (text, want) in [
        ("support@example.com.br", "[email support@example.com.br]"),
        ("my-support@example.com", "[email my-support@example.com]"),
        ("x@sub.corp.example", "[email x@sub.corp.example]"),
        ("11.1.2.3", "[ip 11.1.2.3]"),
        ("+1 415 555 2672", "[phone +1 415 555 2672]"),
    ] {
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, text), want);
    }
}

#[test]
fn confidence_says_whether_words_are_needed() {
    let npi = "1245319599";
    assert_eq!(marked(&guard("{ entities: [us_npi], min_confidence: low }"), npi), "[us_npi 1245319599]");
    assert_eq!(marked(&guard("entities: [us_npi]"), npi), npi);
    let high = guard("min_confidence: high");
    assert_eq!(marked(&high, "536-22-1234"), "536-22-1234");
    assert_eq!(marked(&high, "SSN 536-22-1234"), "SSN [us_ssn 536-22-1234]");
    assert_eq!(marked(&high, "4111 1111 1111 1111"), "[credit_card 4111 1111 1111 1111]");
}

#[test]
fn entities_of_the_operator_are_found_at_every_cut() {
    let spotters = guard(
        "custom: { employee_id: { regex: 'EMP-\\d{6}' }, badge: { regex: '\\b[A-Z]{2}\\d+\\b', context: [badge, Ausweis] }, any: { regex: 'x.*y' } }",
    );
    for (text, want) in [
        ("EMP-123456 and EMP-12345", "[employee_id EMP-123456] and EMP-12345"),
        ("badge AB12 or AB12x", "badge [badge AB12] or AB12x"),
        ("the AB12 one", "the AB12 one"),
        ("a x 1 y 2 y b\nx", "a [any x 1 y 2 y] b\nx"),
        ("xäöüy ä", "[any xäöüy] ä"),
        ("bob@example.com EMP-123456", "[email bob@example.com] [employee_id EMP-123456]"),
    ] {
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, text), want);
    }
    let long = format!("x{}y", "-".repeat(300));
    assert_eq!(marked(&spotters, &long), long, "a match that is too long is none");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (yaml, want) in [
        ("entities: [emial]", "`emial` is no entity and no group; did you mean `email`?"),
        ("entities: []", "is empty"),
        ("allow: [10.0.0.0/33]", "0 to 32"),
        ("custom: { Bad: { regex: x } }", "small letters"),
        ("custom: { email: { regex: x } }", "built in"),
        ("custom: { x: { regex: '(' } }", "custom.x.regex"),
        ("custom: { x: { regex: 'a*' } }", "empty text"),
        ("custom: { x: { regex: '\\p{Greek}{200}' } }", "custom.x.regex"),
        ("custom: { x: { regex: 'x', contexts: [] } }", "context"),
        ("min_confidence: sure", "min_confidence"),
        ("entity: [email]", "entities"),
    ] {
        let section = Section::from_yaml("guardrails.pii", yaml).expect("yaml");
        let error = build(&section).err().unwrap_or_else(|| panic!("{yaml}")).to_string();
        assert!(error.contains(want) && error.contains("guardrails.pii"), "{yaml}: {error}");
    }
}

//! What looks like a value and is none: nothing is found with the default entities.

use super::{Fold, assert_cuts_do_not_matter, guard};

const NOTHING: &[&str] = &[
    // Wrong checksums.
    "4111 1111 1111 1112",
    "IBAN DE89 3704 0044 0532 0130 01",
    "DE8937040044053201300",
    "NHS number 9434765918",
    "ABN 51 824 753 557",
    "529.982.247-26",
    "2341 2341 2347",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
    "12345678A",
    "X1234567A",
    "RSSMRA85T10A562T",
    "131052-308U",
    "811228-9875",
    "S1234567A",
    // Never given out.
    "000-12-3456 and 666-12-3456 and 123-00-4567 and 123-45-0000",
    "QQ123456C",
    // Parts of longer numbers and names.
    "84111111111111111 and 41111111111111118 and a4111111111111111",
    "id_4111111111111111 and 4111111111111111_x",
    "123e4567-e89b-12d3-a456-426614174000",
    "1536-22-12345",
    "0.4111111111111111",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    // Prices, versions, dates, times.
    "It costs $4,155,552,671.00 or €415 555 or 1,234,567.89",
    "version 1.2.3.4, v10.0.19041.1, Chrome/120.0.6099.129, 2.31.0",
    "on 2024-01-31 at 12:34:56.789, 31.12.2024, 12/31/2024, 2024-01-31T12:34:56Z",
    "1700000000, 1700000000000, 20240131123456",
    "order number 4155552671, invoice 20240001234, ticket 1234567890",
    "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2",
    "51 Franklin Street, Boston, MA 02110-1301 USA",
    "2012 2013 2014 2015 2016",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "3.14159265358979 and 1e-10 and 0x1F and 100%",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.0 and ::1 and 1.2.3 and 1.2.3.4.5 and 256.1.1.1",
    "std::vec::Vec, a::b, fe::ed, 12:30, 1:2:3, 10:20:30:40",
    "react@18.2.0, @decorator, @user, a@b, icon@2x.png, git@github.com:owner/name.git, user@localhost",
    "page 12-34, sections 1.2-1.5, lines 100-200, RFC 5321 4.5.3.1",
    "GPT-4 has 1,760,000,000,000 parameters; Llama 3.1 405B; H100 80GB",
    "the code is 123 and 4567",
    "a password is required",
    "+1 and +2 and +123, 1+1=2, ++i, C++17, +0200, UTC+01:00",
    "(1) first (2) second (10) tenth, f(12345678), (2024) 12",
    // Texts in other languages.
    "Das kostet 1.234.567,89 Euro, am 31. Dezember 2024 um 12.30 Uhr.",
    "Le 14 juillet 1789, 12 345 678 habitants.",
    "El 25 % de 1.000.000 personas en 2024.",
    "価格は1,234円で、2024年12月31日です。",
    "Цена 1 234 567 руб., 31.12.2024",
    "السعر ١٢٣ في 2024",
];

#[test]
fn what_only_looks_like_a_value_stays() {
    let spotters = guard("");
    let wrong: Vec<_> = NOTHING
        .iter()
        .map(|text| (text, super::marked(&spotters, text)))
        .filter(|(text, marked)| *text != marked)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for text in NOTHING {
        assert_eq!(assert_cuts_do_not_matter(&spotters, Fold::Text, text), *text);
    }
}

/// A word says what a number is; another word, or none, and it is none.
#[test]
fn what_is_ambiguous_needs_a_word() {
    let spotters = guard("");
    for (plain, told) in [
        ("4155552671", "phone: 4155552671"),
        ("536221234", "ssn 536221234"),
        ("44051401359", "PESEL 44051401359"),
        ("111222333", "BSN 111222333"),
        ("021000021", "ABA 021000021"),
        ("52998224725", "cpf: 52998224725"),
    ] {
        assert_eq!(super::marked(&spotters, plain), plain);
        assert_ne!(super::marked(&spotters, told), told);
        let far = told.replacen(' ', &" ".repeat(70), 1);
        assert_eq!(super::marked(&spotters, &far), far, "the word is too far away");
    }
}

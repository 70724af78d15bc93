//! Values that are found, by entity: test numbers of public documentation, and made-up ones.

use super::{ENTITIES, Fold, assert_cuts_do_not_matter, guard, marked};

/// Entities, and texts in which `<…>` is what is found.
const FOUND: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "write to <bob@example.com>.",
            "<o'brien.b-c+tag%x@mail-1.sub.example.co.uk>, now",
            "mailto:<bob_1@example.org>?subject=x",
            "email=<a@b.io>&x=1",
            "<jörg.müller@müller.de> und",
            "邮箱是<zhang@example.cn>。",
            "('<x.y@example.com>')",
            "to:<bob@example.com>;<eve@example.com>",
            "\"<BOB@EXAMPLE.COM>\"",
        ],
    ),
    (
        "phone",
        &[
            "<+1 415 555 2671> is it",
            "<+14155552671>,",
            "<+1-415-555-2671x123>",
            "<+44 (0)20 7946 0958>",
            "<+44 20 7946 0958>",
            "<+49 30 901820> und",
            "<+49 (0) 7245 123456>",
            "<+33 1 23 45 67 89>",
            "<+34 912 345 678>",
            "<+39 06 12345678>",
            "<+91 98765 43210>",
            "<+55 11 91234-5678>",
            "<+61 2 1234 5678>",
            "<001-415-555-2671x12>",
            "<(415) 555-2671>",
            "<(415)555-2671x1234>",
            "<415-555-2671>.",
            "<415.555.2671>",
            "<1-415-555-2671>",
            "<1 (415) 555-2671>",
            "call <4155552671>",
            "Tel. <030 901820>",
            "Telefonnummer: <(01234) 567890>",
            "<020 7946 0958>",
            "<07911 123456>",
            "<06 12 34 56 78>",
            "<0612345678>",
            "<(11) 91234-5678>",
            "<(02) 1234 5678>",
            "<0412 345 678>",
            "<98765 43210>",
            "teléfono <912 345 678>",
            "reach me at <555-0132>",
        ],
    ),
    (
        "credit_card",
        &[
            "<4111111111111111>",
            "<4111 1111 1111 1111>, thanks",
            "<4111-1111-1111-1111>",
            "<378282246310005>",
            "<3782 822463 10005>",
            "<6011111111111117>",
            "<3530111333300000>",
            "<30569309025904>",
            "<5555555555554444>",
            "<2223003122003222>",
            "card:<5105105105105100>;",
            "visa <4222222222222>",
            "<6200000000000005>",
            "x,<4242424242424242>,12",
        ],
    ),
    ("card_cvv", &["CVV: <123>", "CVC <1234>.", "security code is <987>"]),
    ("card_expiry", &["exp <12/27>", "expires <01/2029>,", "valid thru: <12-29>"]),
    (
        "iban",
        &[
            "<DE89 3704 0044 0532 0130 00>.",
            "<DE89370400440532013000>",
            "<GB82 WEST 1234 5698 7654 32>",
            "<FR1420041010050500013M02606>",
            "<NL91ABNA0417164300>,",
            "IBAN:<de89370400440532013000>",
            "<ES91-2100-0418-4502-0005-1332>",
            "<MT84MALT011000012345MTLCAST001S>",
        ],
    ),
    ("swift_bic", &["SWIFT: <DEUTDEFF>", "BIC <NEDSZAJJXXX>."]),
    ("us_ssn", &["<536-22-1234>", "SSN <536 22 1234>", "social security number: <536221234>.", "SSN-<536-22-1234>"]),
    ("us_itin", &["<912-70-1234>"]),
    ("us_passport", &["passport <C03005988>"]),
    ("us_driver_license", &["driver's license <D1234567>", "DL: <F25592150094>"]),
    ("us_bank_account", &["account number <12345678901>"]),
    ("us_routing", &["routing number <021000021>", "ABA: <011401533>"]),
    ("us_npi", &["NPI <1245319599>"]),
    ("us_mbi", &["<1EG4-TE5-MK73>", "<1EG4TE5MK73>"]),
    ("uk_passport", &["UK passport number <AB1234567>"]),
    ("uk_nhs", &["NHS number <943 476 5919>", "NHS: <9434765919>"]),
    ("uk_nino", &["<AB123456C>", "<AB 12 34 56 C>.", "<JG-10-37-59-A>"]),
    ("uk_utr", &["UTR <1955839661>"]),
    ("uk_postcode", &["<SW1A 1AA>", "<M1 1AE>,", "<EC1A1BB>"]),
    ("de_tax_id", &["Steuer-ID: <86 095 742 719>", "Steueridentifikationsnummer <86095742719>"]),
    ("de_id_card", &["Personalausweis <T220001293>"]),
    ("fr_nir", &["<1 85 05 78 006 084 91>", "<185057800608491>"]),
    ("es_nif", &["<12345678Z>", "<12345678-Z>"]),
    ("es_nie", &["<X1234567L>", "<X-1234567-L>", "<Y1234567X>"]),
    ("it_codice_fiscale", &["<RSSMRA85T10A562S>", "<rssmra85t10a562s>"]),
    ("pl_pesel", &["PESEL <44051401359>"]),
    ("nl_bsn", &["BSN: <111222333>"]),
    ("fi_hetu", &["<131052-308T>"]),
    ("se_personnummer", &["<811228-9874>", "<19811228-9874>", "personnummer <198112289874>"]),
    ("br_cpf", &["<529.982.247-25>", "CPF <52998224725>"]),
    ("br_cnpj", &["<11.222.333/0001-81>", "CNPJ: <11222333000181>"]),
    ("ca_sin", &["SIN <046 454 286>", "SIN: <046454286>"]),
    ("au_tfn", &["TFN <123 456 782>"]),
    ("au_abn", &["<51 824 753 556>", "ABN: <51824753556>"]),
    ("au_medicare", &["<2123 45670 1>", "Medicare <2123456701>"]),
    ("in_aadhaar", &["<2341 2341 2346>", "Aadhaar: <234123412346>"]),
    ("in_pan", &["<ABCPE1234F>"]),
    ("sg_nric", &["<S1234567D>", "<F1234567N>"]),
    ("kr_rrn", &["<900101-1234567>"]),
    ("tr_id", &["TC Kimlik <10000000146>"]),
    ("za_id", &["<8001015009087>"]),
    (
        "ip",
        &[
            "<192.168.1.17>.",
            "<8.8.8.8>:53",
            "<10.0.0.0>/8",
            "<2001:db8::1>",
            "<2001:0db8:85a3:0000:0000:8a2e:0370:7334>,",
            "[<fe80::1ff:fe23:4567:890a>]",
        ],
    ),
    ("mac", &["<00:1A:2B:3C:4D:5E>", "<00-1a-2b-3c-4d-5e>.", "<001a.2b3c.4d5e>"]),
    ("url", &["<https://example.com/a?b=c>.", "(<http://example.com/x>)", "<www.example.com>,"]),
    ("uuid", &["<123e4567-e89b-12d3-a456-426614174000>"]),
    (
        "date_of_birth",
        &[
            "born <31/12/1980>",
            "DOB: <1980-12-31>",
            "date of birth <12-31-80>.",
            "born on <31 December 1980>",
            "Birthday: <December 31, 1980>",
            "geboren am <31. Dezember 1980>",
            "né le <3 mars 1980>",
            "nacido el <31 de diciembre de 1980>",
        ],
    ),
    ("bank_account", &["sort code <12-34-56 12345678>", "Kontonummer <532013000>"]),
    (
        "crypto_wallet",
        &[
            "<1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa>",
            "<3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy>",
            "<bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4>",
            "<BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4>",
            "<0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed>",
            "<bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0>",
            "<rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh>",
        ],
    ),
    ("vin", &["<1M8GDM9AXKP042788>", "VIN <WVWZZZ1JZ3W386752>"]),
    ("vehicle_plate", &["license plate <ABC-1234>", "Kennzeichen: <M AB 1234>"]),
    (
        "person",
        &[
            "My name is <Ada Lovelace>.",
            "Mr. <Brown> called",
            "I met <John Smith> there",
            "<Maria van der Berg>,",
            "ich heiße <Jürgen Müller>",
        ],
    ),
    (
        "address",
        &[
            "at <221B Baker Street>",
            "<350 Fifth Avenue, New York, NY 10118>.",
            "<Hauptstraße 5, 10115 Berlin>",
            "<12 rue de la Paix>",
            "<P.O. Box 123>",
        ],
    ),
    ("username", &["username: <bob_77>", "login=<bob>"]),
    ("password", &["password: <hunter2>", "my password is <Tr0ub4dor&3>.", "pwd=<s3cret>"]),
];

/// On its own and among all others, an entity is found; what else is found there does not matter.
#[test]
fn values_are_found_wherever_the_text_is_cut() {
    let all = guard("entities: [all]");
    let mut wrong = Vec::new();
    for (entity, texts) in FOUND {
        let alone = guard(&format!("entities: [{entity}]"));
        for text in *texts {
            let plain = text.replace(['<', '>'], "");
            let want = text.replace('<', &format!("[{entity} ")).replace('>', "]");
            let (one, all_of) = (marked(&alone, &plain), marked(&all, &plain));
            if one != want || all_of != want {
                wrong.push(format!("want {want}\n  alone {one}\n  all   {all_of}"));
                continue;
            }
            assert_eq!(assert_cuts_do_not_matter(&all, Fold::Text, &plain), want);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every entity has a value here.
#[test]
fn no_entity_is_left_out() {
    let missing: Vec<_> = ENTITIES.iter().filter(|entity| !FOUND.iter().any(|(name, _)| name == *entity)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

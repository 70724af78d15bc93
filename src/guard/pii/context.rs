//! Words in front of a place that say what stands there.

use super::entity::{ENTITIES, Entity};
use super::look::Look;
use Entity::*;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use std::sync::LazyLock;

/// What the words in front of a place speak of, and how near they are.
pub(super) struct Context {
    /// Where the last word of each entity ends, counted from 1 at the far end; 0: there is none.
    near: [u8; ENTITIES.len()],
    /// The same for words of numbers that are none of ours.
    other: u8,
}

impl Context {
    /// Of the start of `look`.
    pub(super) fn of(look: &Look<'_>) -> Self {
        let text = look.context();
        let mut context = Self { near: [0; ENTITIES.len()], other: 0 };
        // In a table of numbers there are no words: each has a letter.
        if !text.iter().any(|&byte| is_letter(byte)) {
            return context;
        }
        for found in WORDS.finder.find_overlapping_iter(text) {
            let (_, entities) = TABLE[WORDS.rows[found.pattern().as_usize()]];
            if !stands_apart(text, found.start(), found.end()) {
                continue;
            }
            let place = u8::try_from(found.end()).unwrap_or(u8::MAX);
            if entities.is_empty() {
                context.other = place;
            }
            for &entity in entities {
                context.near[entity as usize] = place;
            }
        }
        context
    }

    /// How near a word for `entity` is; 0: there is none, or one for something else is nearer.
    pub(super) const fn near(&self, entity: Entity) -> u8 {
        let near = self.near[entity as usize];
        if near >= self.other { near } else { 0 }
    }
}

/// Whether what was found is a word: short ones alone, long ones also as the beginning of a longer word
/// (`Telefonnummer`).
fn stands_apart(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map_or(0, |at| text[at]);
    let first = text[start];
    // `userPhone` has two words.
    let begins = !before.is_ascii_alphabetic() || (before.is_ascii_lowercase() && first.is_ascii_uppercase());
    let after = text.get(end).copied().unwrap_or(0);
    let last = text[end - 1];
    let ends = !after.is_ascii_alphabetic()
        || (last.is_ascii_lowercase() && after.is_ascii_uppercase())
        || (after == b's' && !text.get(end + 1).is_some_and(u8::is_ascii_alphabetic));
    begins && (ends || end - start >= 6)
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

struct Words {
    finder: AhoCorasick,
    rows: Vec<usize>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let words = || TABLE.iter().enumerate().flat_map(|(row, (words, _))| words.split('|').map(move |word| (row, word)));
    let finder = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words().map(|(_, word)| word))
        .expect("a few hundred words");
    Words { finder, rows: words().map(|(row, _)| row).collect() }
});

/// Words, and what they speak of; nothing: of other numbers.
const TABLE: &[(&str, &[Entity])] = &[
    (
        "phone|telephone|tel|mobile|cell|cellphone|fax|call|calling|called|dial|dialed|whatsapp|sms|text me|texted|reach me|reach us|reach him|reach her|reach out|contact|hotline|ring|landline|voicemail|extension|signal|callback|telefon|telefono|telefono|telephone|handy|mobil|mobiltelefon|rufnummer|anrufen|ruf mich|erreichbar|portable|appelez|appeler|appelle|movil|movil|celular|llamar|llama|llame|llamame|telefone|telemovel|ligue|ligar|cellulare|chiamare|chiama|chiamami|numero di telefono|phone number|mobile number|contact number",
        &[Phone],
    ),
    (
        "credit card|debit card|card|card number|visa|mastercard|amex|cc|pan|kreditkarte|carte|tarjeta|cartao|carta",
        &[CreditCard],
    ),
    (
        "cvv|cvv2|cvc|cvc2|cvn|security code|card code|verification code on the back|prufziffer|cryptogramme|codigo de seguridad|codigo de seguranca|codice di sicurezza",
        &[CardCvv],
    ),
    (
        "exp|expiry|expires|expiration|expire|expiring|exp date|valid thru|valid through|valid until|valid to|good thru|gultig bis|ablaufdatum|expire fin|caducidad|vencimiento|validade|scadenza",
        &[CardExpiry],
    ),
    ("iban", &[Iban]),
    ("ip|ip address|ipv4|host|hosts|server|gateway|dns|peer|client|router|addr|subnet|ping|ssh", &[Ip]),
    ("swift|bic|swift code|bic code|swift/bic", &[SwiftBic]),
    (
        "bank account|account number|account no|account #|acct|acct no|checking account|savings account|account|a/c|account_number|accountnumber",
        &[BankAccount, UsBankAccount],
    ),
    ("kontonummer|konto|compte|cuenta|conta|conto|rekening|beneficiary account|sort code", &[BankAccount]),
    ("bitcoin|btc|ethereum|eth|wallet|crypto|litecoin|ltc|monero|xmr|dogecoin|tron|ripple", &[CryptoWallet]),
    ("ssn|social security|social security number|soc sec|ss#|social", &[UsSsn]),
    ("itin|individual taxpayer|taxpayer identification|taxpayer id|tin", &[UsItin, UsSsn]),
    ("passport|passeport|reisepass|pasaporte|passaporto|passaporte", &[UsPassport, UkPassport]),
    (
        "driver's license|drivers license|driver license|driver's licence|driving licence|driving license|driver licence|license number|licence number|dl|dl#|dln|driver's lic|fuhrerschein|fuhrerschein|permis de conduire",
        &[UsDriverLicense],
    ),
    ("routing|routing number|aba|rtn|aba number|routing transit|transit number", &[UsRouting]),
    ("npi|national provider|provider identifier|provider id|provider number", &[UsNpi]),
    ("mbi|medicare beneficiary|medicare number|medicare id|medicare", &[UsMbi, AuMedicare]),
    ("nhs|national health service|health service number|nhs number", &[UkNhs]),
    ("nino|ni number|national insurance|ni no", &[UkNino]),
    ("utr|unique taxpayer reference|taxpayer reference|self assessment", &[UkUtr]),
    (
        "steuer-id|steuer id|steuerid|steuernummer|steuerliche identifikationsnummer|identifikationsnummer|idnr|tin|tax id|tax number|tax identification|steuer-identifikationsnummer|steueridentifikationsnummer",
        &[DeTaxId],
    ),
    (
        "personalausweis|ausweisnummer|ausweis|id card|identity card|perso|ausweisnr|id-karte|reisepass|passnummer",
        &[DeIdCard],
    ),
    (
        "nir|numero de securite sociale|securite sociale|securite sociale|insee|numero insee|secu|social security",
        &[FrNir],
    ),
    ("nif|dni|documento nacional|identidad", &[EsNif]),
    ("nie|extranjero", &[EsNie]),
    ("codice fiscale|c.f.|fiscal code", &[ItCodiceFiscale]),
    ("pesel", &[PlPesel]),
    ("bsn|burgerservicenummer|sofi|sofinummer|citizen service", &[NlBsn]),
    ("hetu|henkilotunnus|personal identity code", &[FiHetu]),
    ("personnummer|personnr|personal number|samordningsnummer|swedish id", &[SePersonnummer]),
    ("cpf|cadastro de pessoas|contribuinte", &[BrCpf]),
    ("cnpj|empresa|cadastro nacional", &[BrCnpj]),
    ("sin|social insurance|assurance sociale|nas", &[CaSin]),
    ("tfn|tax file|tax file number", &[AuTfn]),
    ("abn|business number|australian business", &[AuAbn]),
    ("aadhaar|aadhar|adhaar|uidai|uid|आधार", &[InAadhaar]),
    ("permanent account|pan card|pan number|pan", &[InPan]),
    ("nric|fin number|identity card", &[SgNric]),
    ("rrn|resident registration|주민등록번호|주민번호", &[KrRrn]),
    ("tc kimlik|t.c. kimlik|kimlik|tckn|tckno|turkish id", &[TrId]),
    ("rsa id|south african id|sa id|id number", &[ZaId]),
    (
        "national id|national identification|identity number|citizen id|personal id|id number|identification number|government id",
        &[PlPesel, NlBsn, BrCpf, TrId, InAadhaar, SePersonnummer, DeIdCard],
    ),
    (
        "born|dob|d.o.b.|date of birth|birth date|birthdate|birthday|geboren|geburtsdatum|geb.|geburtstag|date de naissance|ne le|nee le|naissance|fecha de nacimiento|nacido|nacida|nacimiento|data di nascita|nato il|nata il|data de nascimento|nascido|nascida|nascimento",
        &[DateOfBirth],
    ),
    ("vin|vehicle identification|chassis|fahrgestellnummer|fin|frame number", &[Vin]),
    (
        "license plate|licence plate|number plate|plate|plates|plate number|registration plate|vehicle registration|reg no|kennzeichen|plaque|immatriculation|matricula|targa|placa",
        &[VehiclePlate],
    ),
    (
        "username|user name|user id|userid|login|login name|benutzername|nutzername|nom d'utilisateur|usuario|usuario|nome utente|utilisateur|screen name|user",
        &[Username],
    ),
    (
        "password|passwd|pwd|passwort|kennwort|mot de passe|contrasena|senha|parola d'ordine|passphrase|pass phrase|passcode|pass",
        &[Password],
    ),
    ("postcode|post code|postal code", &[UkPostcode]),
    (
        "order|order number|invoice|invoice number|ticket|ticket number|tracking|tracking number|serial|serial number|isbn|issn|item|sku|model|part number|reference|reference number|order id|request id|transaction|transaction id|bestellnummer|rechnungsnummer|commande|facture|pedido|factura|ordine|fattura|version|build|release|timestamp|commit|revision|issue|bug|pull request|rfc|doi|arxiv|pmid|size|bytes|total|population|amount|sum|count|port",
        &[],
    ),
];

#[cfg(test)]
mod tests {
    use super::{TABLE, is_letter};

    #[test]
    fn no_word_is_without_a_letter() {
        let words = TABLE.iter().flat_map(|(words, _)| words.split('|'));
        assert!(words.clone().all(|word| word.bytes().any(is_letter)));
    }
}

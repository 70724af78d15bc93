//! What the guard can find, by name and by group.

macro_rules! entities {
    ($($variant:ident $name:literal [$($group:literal)*],)*) => {
        /// What a place in a text is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Entity { $($variant,)* }

        /// All entities of the guard, by name.
        pub const ENTITIES: &[&str] = &[$($name,)*];

        /// The groups that each of them belongs to.
        const GROUPS: &[&[&str]] = &[$(&[$($group,)*],)*];
    };
}

entities! {
    Email "email" ["general"],
    Phone "phone" ["general"],
    CreditCard "credit_card" ["financial"],
    CardCvv "card_cvv" ["financial"],
    CardExpiry "card_expiry" ["financial"],
    Iban "iban" ["financial" "eu"],
    SwiftBic "swift_bic" ["financial"],
    BankAccount "bank_account" ["financial"],
    CryptoWallet "crypto_wallet" ["financial"],
    UsSsn "us_ssn" ["us"],
    UsItin "us_itin" ["us"],
    UsPassport "us_passport" ["us"],
    UsDriverLicense "us_driver_license" ["us"],
    UsBankAccount "us_bank_account" ["us" "financial"],
    UsRouting "us_routing" ["us" "financial"],
    UsNpi "us_npi" ["us"],
    UsMbi "us_mbi" ["us"],
    UkNhs "uk_nhs" ["uk"],
    UkNino "uk_nino" ["uk"],
    UkUtr "uk_utr" ["uk"],
    UkPassport "uk_passport" ["uk"],
    UkPostcode "uk_postcode" ["uk"],
    DeTaxId "de_tax_id" ["eu"],
    DeIdCard "de_id_card" ["eu"],
    FrNir "fr_nir" ["eu"],
    EsNif "es_nif" ["eu"],
    EsNie "es_nie" ["eu"],
    ItCodiceFiscale "it_codice_fiscale" ["eu"],
    PlPesel "pl_pesel" ["eu"],
    NlBsn "nl_bsn" ["eu"],
    FiHetu "fi_hetu" ["eu"],
    SePersonnummer "se_personnummer" ["eu"],
    BrCpf "br_cpf" ["world"],
    BrCnpj "br_cnpj" ["world"],
    CaSin "ca_sin" ["world"],
    AuTfn "au_tfn" ["world"],
    AuAbn "au_abn" ["world"],
    AuMedicare "au_medicare" ["world"],
    InAadhaar "in_aadhaar" ["world"],
    InPan "in_pan" ["world"],
    SgNric "sg_nric" ["world"],
    KrRrn "kr_rrn" ["world"],
    TrId "tr_id" ["world"],
    ZaId "za_id" ["world"],
    Ip "ip" ["network"],
    Mac "mac" ["network"],
    Url "url" ["network"],
    Uuid "uuid" ["network"],
    DateOfBirth "date_of_birth" ["general"],
    Vin "vin" ["vehicle"],
    VehiclePlate "vehicle_plate" ["vehicle"],
    Person "person" ["general"],
    Address "address" ["general"],
    Username "username" ["login"],
    Password "password" ["login"],
}

/// On when `entities` is not given: what a checksum or a format decides, alone or with a word that says what it is.
/// Off are `url` and `uuid`, which are rarely personal; `uk_postcode`, `vehicle_plate`, `person` and `address`, which
/// are found by shape or by luck; and what nothing but a word in front of it decides: `swift_bic`, `bank_account`,
/// `us_bank_account`, `us_passport`, `uk_passport`, `us_driver_license`, `date_of_birth`, `username`, `password`.
pub const DEFAULT: &[&str] = &[
    "email",
    "phone",
    "credit_card",
    "card_cvv",
    "card_expiry",
    "iban",
    "crypto_wallet",
    "us_ssn",
    "us_itin",
    "us_routing",
    "us_npi",
    "us_mbi",
    "uk_nhs",
    "uk_nino",
    "uk_utr",
    "de_tax_id",
    "de_id_card",
    "fr_nir",
    "es_nif",
    "es_nie",
    "it_codice_fiscale",
    "pl_pesel",
    "nl_bsn",
    "fi_hetu",
    "se_personnummer",
    "br_cpf",
    "br_cnpj",
    "ca_sin",
    "au_tfn",
    "au_abn",
    "au_medicare",
    "in_aadhaar",
    "in_pan",
    "sg_nric",
    "kr_rrn",
    "tr_id",
    "za_id",
    "ip",
    "mac",
    "vin",
];

/// Names of groups that `entities` may hold beside names of entities. `default` is [`DEFAULT`].
pub const GROUP_NAMES: &[&str] =
    &["default", "all", "general", "financial", "us", "uk", "eu", "world", "network", "vehicle", "login"];

impl Entity {
    /// Its name in configuration, placeholders and metrics.
    pub(super) fn name(self) -> &'static str {
        ENTITIES[self as usize]
    }
}

/// A set of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set(u64);

impl Set {
    pub(super) const fn of(entities: &[Entity]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < entities.len() {
            bits |= 1 << entities[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    pub(super) const fn has(self, entity: Entity) -> bool {
        self.0 & (1 << entity as u8) != 0
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds an entity or a group; `false`: there is none of this name.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let before = |bits: u64, index: usize| bits | 1 << index;
        let named = |index: &usize| match name {
            "all" => true,
            "default" => DEFAULT.contains(&ENTITIES[*index]),
            _ => ENTITIES[*index] == name || GROUPS[*index].contains(&name),
        };
        let added = (0..ENTITIES.len()).filter(named).fold(0, before);
        self.0 |= added;
        added != 0
    }
}

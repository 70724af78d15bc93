//! `thoughtSignature`: base64 to the SDKs, which make bytes of it and write it anew.

use super::MAKER;
use crate::model::Seal;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

/// Takes padding or none.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The seal as a client keeps it: Google's own as it is; another maker's, in its envelope, as base64.
pub(super) fn written(seal: &Seal) -> String {
    if seal.maker == MAKER { seal.data.clone() } else { STANDARD.encode(seal.written(MAKER)) }
}

/// What [`written`] wrote. A hidden thought is written into a part of thought, a proof into the part that follows.
pub(super) fn read(signature: &str, in_thought: bool) -> Seal {
    let urls = signature.replace('+', "-").replace('/', "_");
    let inside = TOLERANT.decode(urls).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match inside.map(|text| Seal::read(&text, MAKER, in_thought)) {
        Some(seal) if seal.maker != MAKER => seal,
        _ => Seal { maker: MAKER.to_owned(), data: signature.to_owned(), hidden: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_whichever_alphabet_the_sdk_writes() {
        for (maker, data, hidden) in
            [("anthropic", "EqQB>>>???:x==", false), ("openai", "gAAAA~~~", true), ("gemini", "CikB+/8=", false)]
        {
            let seal = Seal { maker: maker.to_owned(), data: data.to_owned(), hidden };
            let kept = written(&seal);
            assert_eq!(read(&kept, hidden), seal, "{maker}");
            assert!(maker == MAKER || Seal::travels_in(format!("{{\"thoughtSignature\":\"{kept}\"}}").as_bytes()));
            if maker != MAKER {
                assert_eq!(
                    read(kept.replace('+', "-").replace('/', "_").trim_end_matches('='), hidden),
                    seal,
                    "{maker}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_envelope_is_googles_own() {
        for signature in ["", "=", "no base64!", "d2IxOg", "d2IxOg=="] {
            let want = Seal { maker: MAKER.to_owned(), data: signature.to_owned(), hidden: false };
            assert_eq!(read(signature, true), want);
        }
    }
}

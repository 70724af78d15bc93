//! Secrets without a format of their own, known by the issuer's name in the name of what they are assigned to.

use super::reader::{Class, alnum, any64, base64, hex, lower, url, uuid};
use super::strength::{mixed, varied};

/// The issuer's name, alphabet, lengths, what it is.
type Owner = (&'static [u8], Class, usize, usize, &'static str);

const OWNERS: [Owner; 37] = [
    (b"aws", base64, 40, 40, "aws_secret_key"),
    (b"secretaccess", base64, 40, 40, "aws_secret_key"),
    (b"secret_access", base64, 40, 40, "aws_secret_key"),
    (b"secret access", base64, 40, 40, "aws_secret_key"),
    (b"session", any64, 160, 180, "aws_session_token"),
    (b"datadog", hex, 32, 40, "datadog_key"),
    (b"dd_ap", hex, 32, 40, "datadog_key"),
    (b"heroku", uuid, 36, 36, "heroku_key"),
    (b"twilio", hex, 32, 32, "twilio_token"),
    (b"mailchimp", lower, 32, 32, "mailchimp_key"),
    (b"cloudflare", url, 37, 40, "cloudflare_key"),
    (b"cf_api", url, 37, 40, "cloudflare_key"),
    (b"algolia", hex, 32, 32, "algolia_key"),
    (b"okta", url, 40, 44, "okta_token"),
    (b"fastly", url, 32, 32, "fastly_token"),
    (b"azure", any64, 32, 88, "azure_key"),
    (b"cohere", alnum, 40, 40, "cohere_key"),
    (b"mistral", alnum, 32, 32, "mistral_key"),
    (b"wandb", hex, 40, 40, "wandb_key"),
    (b"deepgram", hex, 40, 40, "deepgram_key"),
    (b"assembly", hex, 32, 32, "assemblyai_key"),
    (b"together", hex, 64, 64, "together_key"),
    (b"elevenlabs", hex, 32, 32, "elevenlabs_key"),
    (b"pinecone", uuid, 36, 36, "pinecone_key"),
    (b"linode", hex, 64, 64, "linode_token"),
    (b"vultr", upper_digits, 36, 36, "vultr_key"),
    (b"hetzner", alnum, 64, 64, "hetzner_token"),
    (b"hcloud", alnum, 64, 64, "hetzner_token"),
    (b"scw", uuid, 36, 36, "scaleway_key"),
    (b"scaleway", uuid, 36, 36, "scaleway_key"),
    (b"codecov", uuid, 36, 36, "codecov_token"),
    (b"travis", alnum, 20, 22, "travis_token"),
    (b"postmark", uuid, 36, 36, "postmark_token"),
    (b"pagerduty", url, 20, 20, "pagerduty_key"),
    (b"rollbar", hex, 32, 32, "rollbar_token"),
    (b"mapbox", alnum, 60, 90, "mapbox_token"),
    (b"shodan", alnum, 32, 32, "shodan_key"),
];

/// What they are, once each.
pub(super) const ENTITIES: [&str; 28] = [
    "aws_secret_key",
    "aws_session_token",
    "datadog_key",
    "heroku_key",
    "twilio_token",
    "mailchimp_key",
    "cloudflare_key",
    "algolia_key",
    "fastly_token",
    "azure_key",
    "cohere_key",
    "mistral_key",
    "wandb_key",
    "deepgram_key",
    "assemblyai_key",
    "together_key",
    "elevenlabs_key",
    "linode_token",
    "vultr_key",
    "hetzner_token",
    "scaleway_key",
    "codecov_token",
    "travis_token",
    "postmark_token",
    "pagerduty_key",
    "rollbar_token",
    "mapbox_token",
    "shodan_key",
];

fn upper_digits(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// Whose secret `value` is, by the name that it is assigned to. Mailchimp's keys end with their data centre.
pub(super) fn owner(name: &[u8], tail: &[u8], value: &[u8]) -> Option<&'static str> {
    let has = |whole: &[u8], word: &[u8]| whole.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    let body = value.split(|&byte| byte == b'=').next().filter(|body| value.len() - body.len() <= 2).unwrap_or(value);
    let found = OWNERS.iter().find(|(word, class, least, most, entity)| {
        let body =
            if *entity == "mailchimp_key" { body.split(|&byte| byte == b'-').next().unwrap_or(body) } else { body };
        has(name, word)
            && (*least..=*most).contains(&body.len())
            && body.iter().all(|&byte| class(byte))
            && varied(body)
    });
    found.filter(|_| mixed(value) && !has(tail, b"id")).map(|(.., entity)| *entity)
}

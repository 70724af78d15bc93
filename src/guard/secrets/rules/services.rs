//! Monitoring, analytics, data and office.

use crate::guard::secrets::{
    reader::{alnum, any64, base64, digit, dotted, hex, lower, upper, url, uuid},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case},
};

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    rule("sentry_token", &["sntrys_eyJ"], &[Open(any64, 60)]),
    rule("sentry_token", &["sntryu_"], &[Run(hex, 64, 64)]),
    rule("grafana_token", &["glsa_"], &[Run(alnum, 32, 32), Lit("_"), Run(hex, 8, 8)]),
    rule("grafana_token", &["glc_"], &[Open(any64, 32)]).check(mixed),
    rule("grafana_token", &["eyJrIjoi"], &[Open(any64, 60)]),
    rule("newrelic_key", &["NRAK-"], &[Run(upper, 27, 27)]),
    rule("newrelic_key", &["NRJS-"], &[Run(hex, 19, 19)]),
    rule("newrelic_key", &["NRII-", "NRIQ-", "NRRA-"], &[Run(url, 32, 42)]),
    rule(
        "dynatrace_token",
        &["dt0c01.", "dt0s01.", "dt0s02.", "dt0s16."],
        &[Run(upper, 8, 24), Lit("."), Run(upper, 64, 64)],
    ),
    rule("honeycomb_key", &["hcaik_", "hcamk_", "hcxik_", "hcbik_", "hccik_"], &[Run(lower, 50, 64)]),
    rule("axiom_token", &["xaat-", "xapt-"], &[Run(uuid, 36, 36)]),
    rule("posthog_key", &["phx_", "phs_"], &[Run(alnum, 40, 48)]).check(mixed),
    rule("segment_token", &["sgp_"], &[Run(alnum, 64, 64)]).check(mixed),
    rule("airtable_token", &["pat"], &[Run(alnum, 14, 14), Lit("."), Run(hex, 64, 64)]),
    rule("notion_token", &["ntn_"], &[Run(alnum, 43, 50)]).check(mixed),
    rule("notion_token", &["secret_"], &[Run(alnum, 43, 43)]).check(mixed_case),
    rule("linear_key", &["lin_api_"], &[Run(alnum, 40, 40)]),
    rule("linear_key", &["lin_oauth_"], &[Run(hex, 64, 64)]),
    rule(
        "asana_token",
        &["0/1", "1/1", "2/1"],
        &[Run(digit, 11, 18), Lit("/"), Run(digit, 11, 18), Lit(":"), Run(hex, 32, 32)],
    ),
    rule("asana_token", &["0/1", "1/1", "2/1"], &[Run(digit, 11, 18), Lit(":"), Run(hex, 32, 32)]),
    rule("clickup_token", &["pk_"], &[Run(digit, 6, 10), Lit("_"), Run(upper, 32, 32)]),
    rule("trello_token", &["ATTA"], &[Run(hex, 64, 64)]),
    rule("contentful_token", &["CFPAT-"], &[Run(url, 43, 43)]),
    rule("hubspot_token", &["pat-na1-", "pat-na2-", "pat-na3-", "pat-eu1-", "pat-ap1-"], &[Run(uuid, 36, 36)]),
    rule("salesforce_token", &["00D"], &[Run(alnum, 12, 15), Lit("!"), Open(dotted, 60)]).check(mixed),
    rule("salesforce_refresh_token", &["5Aep"], &[Open(dotted, 60)]).check(mixed_case),
    rule("dropbox_token", &["sl.u.", "sl.B", "sl.A"], &[Open(url, 100)]).check(mixed),
    rule("typeform_token", &["tfp_"], &[Open(url, 40)]).check(mixed),
    rule("mapbox_token", &["sk.eyJ", "tk.eyJ"], &[Open(dotted, 60)]),
    rule("frameio_token", &["fio-u-"], &[Run(any64, 60, 68)]),
    rule("lichess_token", &["lip_", "lio_"], &[Run(alnum, 20, 24)]).check(mixed_case),
    rule("adafruit_key", &["aio_"], &[Run(alnum, 28, 28)]).check(mixed),
    rule("alchemy_key", &["alcht_"], &[Run(alnum, 30, 30)]).check(mixed),
    rule("locationiq_key", &["pk."], &[Run(hex, 32, 32)]).check(mixed),
    rule("openweb_ninja_key", &["ak_"], &[Run(lower, 40, 60)]).check(mixed),
    rule("typesense_key", &["xyz-admin-"], &[Run(alnum, 24, 40)]).check(mixed),
    rule("databento_key", &["db-"], &[Run(alnum, 29, 29)]).check(mixed_case),
    rule("ubidots_token", &["BBFF-", "BBUS-"], &[Run(alnum, 30, 36)]).check(mixed),
    rule("tinybird_token", &["p.eyJ"], &[Open(dotted, 60)]),
    rule("convex_key", &["prod:"], &[Run(slug, 6, 40), Lit("|"), Open(any64, 40)]),
    rule("turso_token", &["turso_"], &[Open(dotted, 40)]).check(mixed),
    rule("password_hash", &["$2a$", "$2b$", "$2y$"], &[Run(digit, 2, 2), Lit("$"), Run(bcrypt, 53, 53)]),
    rule("password_hash", &["$argon2id$", "$argon2i$", "$argon2d$"], &[Open(crypt, 40)]),
    rule("password_hash", &["$6$", "$5$", "$y$"], &[Open(crypt, 50)]).check(mixed),
];

fn slug(byte: u8) -> bool {
    lower(byte) || byte == b'-'
}

fn bcrypt(byte: u8) -> bool {
    alnum(byte) || matches!(byte, b'.' | b'/')
}

/// Modular crypt format.
fn crypt(byte: u8) -> bool {
    base64(byte) || matches!(byte, b'$' | b'=' | b',' | b'.')
}

//! Clouds, hosting, vaults and networks.

use crate::guard::secrets::{
    reader::{alnum, any64, base64, dotted, hex, lower, percent, upper, url, uuid},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case, varied},
};

/// What stands in front of Entra's marker in a client secret.
const fn entra(byte: u8) -> bool {
    url(byte) || matches!(byte, b'.' | b'~')
}

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>
    rule("aws_access_key", &["AKIA", "ASIA", "ABIA", "ACCA"], &[Run(upper, 16, 16)]),
    rule("aws_bedrock_key", &["ABSK"], &[Open(any64, 100)]),
    rule("aws_bedrock_key", &["bedrock-api-key-"], &[Open(any64, 40)]),
    rule("google_api_key", &["AIza"], &[Run(url, 35, 35)]),
    rule("google_oauth_secret", &["GOCSPX-"], &[Run(url, 28, 28)]),
    rule("google_oauth_token", &["ya29."], &[Open(dotted, 30)]).check(mixed),
    rule("google_refresh_token", &["1//0"], &[Open(url, 38)]).check(mixed),
    rule("azure_storage_key", &["AccountKey="], &[Run(base64, 86, 86), Lit("==")]).skip(11),
    rule("azure_shared_access_key", &["SharedAccessKey="], &[Run(base64, 43, 43), Lit("=")]).skip(16),
    rule("azure_sas_signature", &["&sig=", "?sig=", ";sig="], &[Open(percent, 42)]).skip(5).check(mixed),
    rule("azure_client_secret", &["7Q~", "8Q~"], &[Run(entra, 31, 34)]).behind(entra, 3, 3),
    rule("azure_function_key", &["?code=", "&code="], &[Run(url, 52, 54), Lit("==")]).skip(6),
    rule("digitalocean_token", &["dop_v1_", "doo_v1_", "dor_v1_"], &[Run(hex, 64, 64)]),
    rule("alibaba_access_key", &["LTAI"], &[Run(alnum, 12, 26)]).check(mixed),
    rule("tencent_secret_id", &["AKID"], &[Run(alnum, 32, 32)]),
    rule("yandex_cloud_key", &["AQVN"], &[Run(url, 35, 38)]).check(mixed),
    rule("yandex_oauth_token", &["y0_"], &[Open(url, 40)]).check(mixed),
    rule("cloudflare_origin_key", &["v1.0-"], &[Run(hex, 24, 24), Lit("-"), Run(hex, 146, 146)]),
    // <https://developers.cloudflare.com/fundamentals/api/get-started/token-formats>: 40 characters and a checksum.
    rule("cloudflare_token", &["cfk_", "cfut_", "cfat_"], &[Run(alnum, 40, 60)]).check(mixed),
    rule("fly_token", &["fm1r_", "fm1a_", "fm2_"], &[Open(any64, 60)]),
    rule("fly_token", &["fo1_"], &[Run(url, 43, 43)]),
    rule("heroku_token", &["HRKU-AA"], &[Run(url, 50, 60)]),
    rule("heroku_token", &["HRKU-"], &[Run(uuid, 36, 36)]),
    rule("netlify_token", &["nfp_", "nfo_", "nfc_", "nfb_", "nfu_"], &[Run(alnum, 36, 44)]).check(mixed),
    rule("vercel_token", &["vercel_blob_rw_"], &[Run(alnum, 10, 24), Lit("_"), Run(alnum, 24, 40)]),
    rule("vercel_token", &["vcp_", "vci_", "vca_", "vcr_", "vck_"], &[Run(alnum, 24, 80)]).check(mixed),
    rule("render_token", &["rnd_"], &[Run(alnum, 28, 36)]).check(mixed),
    rule("supabase_token", &["sbp_"], &[Run(hex, 40, 40)]),
    rule("supabase_token", &["sb_secret_"], &[Run(url, 30, 50)]).check(mixed),
    rule("planetscale_token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], &[Run(dotted, 32, 64)]),
    rule("neon_token", &["napi_"], &[Run(lower, 60, 70)]),
    rule("mongodb_atlas_secret", &["mdb_sa_sk_"], &[Run(url, 38, 44)]),
    rule("databricks_token", &["dapi"], &[Run(hex, 32, 32)]).check(mixed),
    rule("vault_token", &["hvs.", "hvb.", "hvr."], &[Open(url, 24)]).check(mixed),
    // The fourteen characters in front are an id.
    rule("terraform_token", &[".atlasv1."], &[Run(url, 60, 70)]).behind(alnum, 14, 14),
    rule("doppler_token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."], &[Run(alnum, 40, 44)]),
    rule("doppler_token", &["dp.scim.", "dp.audit."], &[Run(alnum, 40, 44)]),
    rule("doppler_token", &["dp.st."], &[Run(slug, 2, 35), Lit("."), Run(alnum, 40, 44)]),
    rule("onepassword_token", &["ops_eyJ"], &[Open(any64, 100)]),
    rule(
        "onepassword_secret_key",
        &["A3-"],
        &[
            Run(upper, 6, 6),
            Lit("-"),
            Run(upper, 6, 6),
            Lit("-"),
            Run(upper, 5, 5),
            Lit("-"),
            Run(upper, 5, 5),
            Lit("-"),
            Run(upper, 5, 5),
            Lit("-"),
            Run(upper, 5, 5),
        ],
    ),
    rule("pulumi_token", &["pul-"], &[Run(hex, 40, 40)]),
    rule(
        "tailscale_key",
        &["tskey-auth-", "tskey-api-", "tskey-client-", "tskey-scim-", "tskey-webhook-"],
        &[Run(alnum, 10, 24), Lit("-"), Run(alnum, 20, 44)],
    ),
    rule("k3s_token", &["K10"], &[Run(hex, 64, 64), Lit("::"), Open(dotted, 8)]),
    rule("docker_swarm_token", &["SWMTKN-1-"], &[Run(lower, 48, 52), Lit("-"), Run(lower, 23, 27)]),
    rule("jumpcloud_key", &["jca_"], &[Run(alnum, 36, 36)]).check(mixed),
    rule("scaleway_access_key", &["SCW"], &[Run(upper, 17, 17)]).check(mixed),
    rule("stytch_secret", &["secret-live-", "secret-test-"], &[Run(any64, 36, 36)]),
    rule("clever_cloud_token", &["clevercloud_"], &[Run(alnum, 30, 64)]).check(mixed_case),
    rule("zuplo_key", &["zpka_"], &[Run(hex, 32, 32), Lit("_"), Run(hex, 8, 8)]),
    rule(
        "authress_key",
        &["sc_", "ext_", "scauth_", "authress_"],
        &[Run(lower, 5, 30), Lit("."), Run(lower, 4, 6), Lit("."), Lit("acc"), Open(dotted, 40)],
    ),
    rule("okta_token", &["SSWS "], &[Run(url, 40, 44)]).skip(5).check(varied),
];

fn slug(byte: u8) -> bool {
    lower(byte) || matches!(byte, b'-' | b'_')
}

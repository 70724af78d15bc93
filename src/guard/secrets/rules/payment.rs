//! Payment, shops and wallets.

use crate::guard::secrets::{
    reader::{alnum, any64, hex, lower, upper, url, uuid},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case},
};

/// Bitcoin's base58.
fn base58(byte: u8) -> bool {
    alnum(byte) && !matches!(byte, b'0' | b'O' | b'I' | b'l')
}

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    // <https://docs.stripe.com/keys>; Paystack and Clerk use the same prefixes.
    rule("stripe_key", &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_"], &[Open(alnum, 16)]).check(mixed),
    rule("webhook_secret", &["whsec_"], &[Open(any64, 24)]).check(mixed),
    rule(
        "paypal_token",
        &["access_token$production$", "access_token$sandbox$"],
        &[Run(lower, 16, 16), Lit("$"), Run(hex, 32, 32)],
    ),
    rule("paypal_token", &["A21AA"], &[Open(url, 80)]).check(mixed_case),
    rule("square_token", &["sq0atp-"], &[Run(url, 22, 22)]),
    rule("square_token", &["sq0csp-"], &[Run(url, 43, 43)]),
    rule("square_token", &["EAAA"], &[Run(url, 60, 60)]).check(mixed_case),
    rule("shopify_token", &["shpat_", "shpca_", "shppa_", "shpss_", "shpua_"], &[Run(hex, 32, 32)]),
    rule("razorpay_key", &["rzp_live_", "rzp_test_"], &[Run(alnum, 14, 14)]),
    rule("plaid_token", &["access-sandbox-", "access-production-", "access-development-"], &[Run(uuid, 36, 36)]),
    rule("checkout_key", &["sk_sbox_"], &[Run(lower, 24, 36)]).check(mixed),
    rule("mollie_key", &["live_", "test_"], &[Run(alnum, 30, 30)]).check(mixed_case),
    rule("lob_key", &["live_", "test_"], &[Run(hex, 35, 35)]).check(mixed),
    rule("gocardless_token", &["live_", "sandbox_"], &[Run(url, 40, 40)]).check(mixed_case),
    rule("flutterwave_key", &["FLWSECK_TEST-", "FLWSECK-"], &[Run(alnum, 12, 32), Lit("-X")]),
    rule("flutterwave_key", &["FLWSECK_TEST-", "FLWSECK-"], &[Run(hex, 12, 32)]),
    rule("easypost_key", &["EZAK", "EZTK"], &[Run(alnum, 54, 54)]),
    rule("shippo_token", &["shippo_live_", "shippo_test_"], &[Run(hex, 40, 40)]),
    rule("duffel_token", &["duffel_live_", "duffel_test_"], &[Run(url, 43, 43)]),
    rule("xendit_key", &["xnd_production_", "xnd_development_"], &[Open(alnum, 30)]).check(mixed),
    rule("midtrans_key", &["Mid-server-"], &[Run(url, 20, 28)]).check(mixed),
    rule("mercadopago_token", &["APP_USR-"], &[Open(url, 50)]).check(mixed),
    rule("lemon_squeezy_key", &["lsq_"], &[Open(alnum, 30)]).check(mixed),
    rule("paddle_key", &["pdl_live_", "pdl_sdbx_"], &[Open(url, 40)]).check(mixed),
    rule("revolut_key", &["oa_prod_", "oa_sand_"], &[Run(url, 43, 43)]).check(mixed),
    rule("moov_key", &["moov_sk_"], &[Open(url, 24)]).check(mixed),
    rule("bip32_private_key", &["xprv9s21", "yprvA", "zprvA"], &[Run(base58, 90, 106)]),
    rule("afterpay_key", &["TAPI-"], &[Run(upper, 24, 40)]).check(mixed),
];

//! Chat, mail and social networks.

use crate::guard::secrets::{
    reader::{alnum, any64, digit, dotted, hex, lower, percent, url},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case, varied},
};

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    // <https://docs.slack.dev/authentication/tokens>
    rule(
        "slack_token",
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxc-", "xoxd-"],
        &[Open(percent, 20)],
    )
    .check(mixed),
    rule("slack_token", &["xoxe.xox", "xoxe-"], &[Open(slack, 40)]).check(mixed),
    rule(
        "slack_app_token",
        &["xapp-"],
        &[Run(digit, 1, 2), Lit("-"), Run(alnum, 9, 14), Lit("-"), Run(digit, 8, 15), Lit("-"), Run(hex, 48, 80)],
    ),
    rule("slack_webhook", &["hooks.slack.com/"], &[Open(path, 30)]).check(mixed),
    rule("discord_webhook", &["discord.com/api/webhooks/"], &[Run(digit, 16, 21), Lit("/"), Run(url, 50, 100)]),
    rule("discord_webhook", &["discordapp.com/api/webhooks/"], &[Run(digit, 16, 21), Lit("/"), Run(url, 50, 100)]),
    // The bot's number in front is public.
    rule("telegram_token", &[":AA"], &[Run(url, 32, 33)]).behind(digit, 8, 10).skip(1).check(mixed_case),
    rule("teams_webhook", &["webhook.office.com/"], &[Open(path, 80)]).check(mixed),
    rule("zapier_webhook", &["hooks.zapier.com/hooks/catch/"], &[Run(digit, 4, 10), Lit("/"), Run(lower, 6, 12)])
        .check(any),
    rule("twilio_key", TWILIO, &[Run(hex, 31, 31)]),
    rule("sendgrid_key", &["SG."], &[Run(url, 22, 22), Lit("."), Run(url, 43, 43)]),
    rule("brevo_key", &["xkeysib-", "xsmtpsib-"], &[Run(hex, 64, 64), Lit("-"), Run(alnum, 16, 16)]),
    rule("mailgun_key", &["key-"], &[Run(hex, 32, 32)]).check(mixed),
    rule("mailersend_token", &["mlsn."], &[Run(hex, 64, 64)]),
    rule("mandrill_key", &["md-"], &[Run(url, 22, 22)]).check(mixed_case),
    rule("resend_key", &["re_"], &[Run(alnum, 8, 8), Lit("_"), Run(alnum, 22, 26)]).check(mixed),
    rule("klaviyo_key", &["pk_"], &[Run(hex, 34, 34)]).check(mixed),
    rule("facebook_token", &["EAA"], &[Open(alnum, 80)]).check(mixed_case),
    rule("instagram_token", &["IGQV", "IGAA"], &[Open(url, 80)]).check(mixed_case),
    rule("twitter_bearer", &["AAAAAAAAAAAAAAAAAAAAA"], &[Open(percent, 60)]).check(mixed_case),
    rule("pinterest_token", &["pina_"], &[Open(alnum, 32)]).check(mixed),
    rule("twitch_token", &["oauth:"], &[Run(lower, 30, 30)]).skip(6).check(mixed),
    rule("linkedin_secret", &["WPL_AP1."], &[Run(alnum, 16, 16), Lit("."), Run(any64, 8, 12)]),
    rule("intercom_token", &["dG9rOj"], &[Open(any64, 40)]).check(mixed),
    rule("discord_bot_token", DISCORD, &[Run(alnum, 20, 26), Lit("."), Run(url, 6, 7), Lit("."), Run(url, 27, 38)])
        .check(mixed),
    rule("vk_token", &["vk1.a."], &[Open(url, 80)]),
    rule("tiktok_token", &["act.", "rft."], &[Open(dotted, 50)]).check(mixed_case),
    rule("courier_key", &["pk_prod_", "dk_prod_"], &[Run(alnum, 28, 28)]).check(varied),
    rule("onesignal_key", &["os_v2_app_", "os_v2_org_"], &[Open(lower, 60)]),
];

const TWILIO: &[&str] =
    &["SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7", "SK8", "SK9", "SKa", "SKb", "SKc", "SKd", "SKe", "SKf"];

/// A bot's number as base64: two digits give one of these as the first two characters and many more as the third.
const DISCORD: &[&str] = &[
    "MTA", "MTE", "MTI", "MTM", "MTQ", "MTU", "MTY", "MTc", "MTg", "MTk", "MjA", "MjE", "MjI", "MjM", "MjQ", "MjU",
    "MjY", "Mjc", "Mjg", "Mjk", "MzA", "MzE", "MzI", "MzM", "MzQ", "MzU", "MzY", "Mzc", "Mzg", "Mzk", "NDA", "NDE",
    "NDI", "NDM", "NDQ", "NDU", "NDY", "NDc", "NDg", "NDk", "NTA", "NTE", "NTI", "NTM", "NTQ", "NTU", "NTY", "NTc",
    "NTg", "NTk", "NjA", "NjE", "NjI", "NjM", "NjQ", "NjU", "NjY", "Njc", "Njg", "Njk", "NzA", "NzE", "NzI", "NzM",
    "NzQ", "NzU", "NzY", "Nzc", "Nzg", "Nzk", "ODA", "ODE", "ODI", "ODM", "ODQ", "ODU", "ODY", "ODc", "ODg", "ODk",
    "OTA", "OTE", "OTI", "OTM", "OTQ", "OTU", "OTY", "OTc", "OTg", "OTk",
];

fn any(_: &[u8]) -> bool {
    true
}

/// A token inside of another's prefix: `xoxe.xoxp-1-…`.
fn slack(byte: u8) -> bool {
    alnum(byte) || byte == b'-'
}

/// What a webhook's path has.
fn path(byte: u8) -> bool {
    url(byte) || matches!(byte, b'/' | b'@')
}

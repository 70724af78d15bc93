//! What is a secret by its syntax or by what stands in front: keys, signed tokens, headers, URLs, assignments.

use crate::guard::secrets::{
    assign, jwt, links, pem,
    reader::upper,
    rule::{Part::Run, Rule, own, rule},
};

pub(in crate::guard::secrets) const KEYS: &[Rule] = &[
    own("private_key", &["-----BEGIN "], pem::find),
    own("private_key", &["Private-Lines: "], pem::find_putty),
    rule("age_secret_key", &["AGE-SECRET-KEY-1", "AGE-PLUGIN-YUBIKEY-1"], &[Run(upper, 58, 58)]),
];

pub(in crate::guard::secrets) const CREDENTIALS: &[Rule] = &[
    own("jwt", &["eyJ"], jwt::find),
    own("bearer_token", &["Bearer ", "bearer ", "BEARER "], links::find_bearer).skip(7),
    own("basic_auth", &["Basic ", "basic ", "BASIC "], links::find_basic).skip(6),
    own("url_password", &["://"], links::find_url).skip(3),
];

/// Their hits begin behind their literals, whatever those are.
const BEHIND: usize = 64;

/// More literals for the same search, which tells its hits apart for itself.
pub(in crate::guard::secrets) const GENERIC: &[Rule] = &[
    own("password", &["pass", "Pass", "PASS", "pwd", "Pwd", "PWD"], assign::find).skip(BEHIND),
    own("password", &["password", "Password", "PASSWORD", "passwd", "Passwd", "PASSWD"], assign::find).skip(BEHIND),
    own("password", &["passphrase", "Passphrase", "PASSPHRASE", "passcode"], assign::find).skip(BEHIND),
    own("generic_secret", &["secret", "Secret", "SECRET", "token", "Token", "TOKEN"], assign::find).skip(BEHIND),
    own("generic_secret", &["key", "Key", "KEY", "credential", "Credential", "CREDENTIAL"], assign::find).skip(BEHIND),
    own("generic_secret", &["auth", "Auth", "AUTH"], assign::find).skip(BEHIND),
];

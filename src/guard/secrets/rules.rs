//! The tables of formats: a row a format, in groups. Prefixes and lengths are facts that issuers publish, so that leaked
//! tokens can be found; where no page is named they are as seen in tokens that were handed out.

mod cloud;
mod code;
mod messages;
mod models;
mod payment;
mod services;
mod syntax;

use super::owners;
use super::rule::{Group, Rule};

/// All rules, the surest first: of hits that begin at one place the first row counts.
pub(super) const TABLES: [(Group, &[Rule]); 9] = [
    (Group::Cloud, cloud::RULES),
    (Group::Code, code::RULES),
    (Group::Models, models::RULES),
    (Group::Messages, messages::RULES),
    (Group::Payment, payment::RULES),
    (Group::Services, services::RULES),
    (Group::Keys, syntax::KEYS),
    (Group::Credentials, syntax::CREDENTIALS),
    (Group::Generic, syntax::GENERIC),
];

/// Entities that rows name which look for more than one thing.
const MORE: [(Group, &[&str]); 2] = [(Group::Credentials, &["connection_string"]), (Group::Named, &owners::ENTITIES)];

/// Every entity and its group. Some have several rows, which stand together.
pub(super) const ENTITIES: [(&str, Group); COUNT] = entities();
const COUNT: usize = count();

const fn count() -> usize {
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        let rules = TABLES[table].1;
        let mut at = 0;
        while at < rules.len() {
            if at == 0 || !same(rules[at - 1].entity, rules[at].entity) {
                count += 1;
            }
            at += 1;
        }
        table += 1;
    }
    let mut more = 0;
    while more < MORE.len() {
        count += MORE[more].1.len();
        more += 1;
    }
    count
}

const fn entities() -> [(&'static str, Group); COUNT] {
    let mut all = [("", Group::Generic); COUNT];
    let (mut count, mut table) = (0, 0);
    while table < TABLES.len() {
        let (group, rules) = TABLES[table];
        let mut at = 0;
        while at < rules.len() {
            if at == 0 || !same(rules[at - 1].entity, rules[at].entity) {
                all[count] = (rules[at].entity, group);
                count += 1;
            }
            at += 1;
        }
        table += 1;
    }
    let mut more = 0;
    while more < MORE.len() {
        let (group, names) = MORE[more];
        let mut at = 0;
        while at < names.len() {
            all[count] = (names[at], group);
            count += 1;
            at += 1;
        }
        more += 1;
    }
    all
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

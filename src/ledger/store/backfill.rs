//! What was spent in a budget's period before the budget was made.
//!
//! Known for scopes and `each` of key, team, model and provider from the hourly roll-ups (a period that begins within
//! an hour counts that hour from its beginning), for `each: user` from the rows as far as retention kept them.
//! Attempts under way when the budget is made, and budgets on metadata, which no row keeps, start with nothing.

use crate::config::{Budget, Each, Scope};
use crate::ledger::budget::{Amount, Key, period_of};
use crate::ledger::row::Names;
use crate::ledger::store::balances::{self, Table};
use crate::ledger::store::corrections::{self, Corrections};
use crate::ledger::store::fold::HOUR_US;
use crate::ledger::store::query::{ROW_COLUMNS, row_at, signed};
use crate::ledger::store::rollups;
use crate::ledger::totals::Group;
use rusqlite::{Connection, ToSql, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes a budget known; one that was never seen before, or was counted in another unit or by another calendar, starts
/// with what the rows know of its period beyond what it was charged with there. Returns that.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn prepare(
    conn: &mut Connection,
    budget: &Budget,
    now_us: u64,
) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let spent = if is_counted_anew(&transaction, budget, now_us)? {
        beyond(&transaction, known_of(&transaction, budget, now_us)?)?
    } else {
        BTreeMap::new()
    };
    balances::add(&transaction, Table::Balance, &spent)?;
    balances::add(&transaction, Table::Base, &spent)?;
    transaction.commit()?;
    Ok(spent)
}

/// Remembers how a budget is counted, and tells whether it was not counted so before.
fn is_counted_anew(conn: &Connection, budget: &Budget, now_us: u64) -> Result<bool, rusqlite::Error> {
    let zone = budget.zone.iana_name().map_or_else(|| format!("{:?}", budget.zone), str::to_owned);
    let (unit, per) = (budget.unit.name(), budget.per.name());
    let count = |sql: &str, of: &[&dyn ToSql]| conn.query_row(sql, of, |row| row.get::<_, bool>(0));
    let known = count("SELECT EXISTS (SELECT 1 FROM budget WHERE id = ?)", &[&budget.id])?;
    let changed = conn.execute(
        "INSERT INTO budget VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE \
         SET unit = ?2, per = ?3, zone = ?4, made_us = ?5 WHERE (unit, per, zone) <> (?2, ?3, ?4)",
        params![budget.id, unit, per, zone, signed(now_us)],
    )?;
    // After the store was lost and rebuilt, rows tell what they were charged with.
    let rebuilt = !known && count("SELECT EXISTS (SELECT 1 FROM balance WHERE budget = ?)", &[&budget.id])?;
    Ok(changed > 0 && !rebuilt)
}

/// What the rows know of a budget's running period, whatever they were charged to.
fn known_of(conn: &Connection, budget: &Budget, now_us: u64) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    let start_us = period_of(budget, now_us);
    match (&budget.each, budget.metadata.is_empty()) {
        (Some(Each::Metadata(_)), _) | (_, false) => Ok(BTreeMap::new()),
        (Some(Each::User), _) => from_rows(conn, budget, start_us),
        _ => from_rollups(conn, budget, start_us),
    }
}

/// What of it no balance has.
fn beyond(conn: &Connection, mut spent: BTreeMap<Key, Amount>) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    for ((budget, entity, start_us), amount) in &mut spent {
        let has = balances::of(conn, budget, entity, *start_us)?;
        let rest = |all: i64, has: i64| all.saturating_sub(has).max(0);
        amount.nano = rest(amount.nano, has.nano);
        amount.tokens = rest(amount.tokens, has.tokens);
        amount.attempts = rest(amount.attempts, has.attempts);
    }
    spent.retain(|_, amount| *amount != Amount::default());
    Ok(spent)
}

fn from_rollups(conn: &Connection, budget: &Budget, start_us: u64) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    let mut spent = BTreeMap::new();
    rollups::each(conn, start_us / HOUR_US..u64::MAX, rollups::LONGEST, |_, group, sums| {
        let fit = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let tokens = fit(sums.usage.input_total()).saturating_add(fit(sums.usage.output_total()));
        let amount = Amount { nano: sums.cost.0.max(0), tokens, attempts: fit(sums.attempts) };
        add(budget, start_us, group, None, amount, &mut spent);
    })?;
    Ok(spent)
}

fn from_rows(conn: &Connection, budget: &Budget, start_us: u64) -> Result<BTreeMap<Key, Amount>, rusqlite::Error> {
    let corrections: Corrections = corrections::between(conn, signed(start_us), i64::MAX)?;
    let mut statement = conn.prepare(&format!("SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us >= ?"))?;
    let mut rows = statement.query([signed(start_us)])?;
    let (mut spent, mut names) = (BTreeMap::new(), Names::default());
    while let Some(row) = rows.next()? {
        let row = row_at(row, &mut names)?;
        let corrected = corrections::of(&corrections, row.opening.id).last().map(|last| last.after_nano);
        let nano = corrected.or(row.settlement.cost.map(|cost| cost.0)).unwrap_or(0);
        let amount = Amount { nano, tokens: row.settlement.tokens(), attempts: 1 };
        let group = Group::of(&row.opening, row.settlement.origin);
        add(budget, start_us, &group, row.opening.user.as_ref(), amount, &mut spent);
    }
    Ok(spent)
}

/// Adds what a group or a row of it spent, if the budget counts it.
fn add(
    budget: &Budget,
    start_us: u64,
    group: &Group,
    user: Option<&Arc<str>>,
    amount: Amount,
    spent: &mut BTreeMap<Key, Amount>,
) {
    let counts = match &budget.scope {
        Scope::Gateway => true,
        Scope::Team(name) => *name == group.team,
        Scope::Key(name) => *name == group.key,
        Scope::Model(name) => *name == group.model,
        Scope::Provider(name) => Scope::covers(name, &group.provider),
    };
    let entity = match &budget.each {
        None => Arc::from(""),
        Some(Each::Key) => Arc::clone(&group.key),
        Some(Each::Team) => Arc::clone(&group.team),
        Some(Each::Model) => Arc::clone(&group.model),
        Some(Each::User | Each::Metadata(_)) => user.cloned().unwrap_or_else(|| Arc::from("-")),
    };
    if counts {
        spent.entry((Arc::clone(&budget.id), entity, start_us)).or_default().add(amount);
    }
}

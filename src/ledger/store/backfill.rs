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
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes a budget known; one that was never seen before starts with what the rows know.
///
/// # Errors
///
/// SQLite's.
pub(crate) fn prepare(conn: &mut Connection, budget: &Budget, now_us: u64) -> Result<(), rusqlite::Error> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let made = transaction.execute("INSERT OR IGNORE INTO budget VALUES (?, ?)", params![budget.id, signed(now_us)])?;
    // After the store was lost and rebuilt, rows tell what they were charged with.
    let charged: bool =
        transaction
            .query_row("SELECT EXISTS (SELECT 1 FROM balance WHERE budget = ?)", [&budget.id], |row| row.get(0))?;
    if made > 0 && !charged {
        let start_us = period_of(budget, now_us);
        let by_user = matches!(budget.each, Some(Each::User));
        let spent = match (&budget.each, budget.metadata.is_empty()) {
            (Some(Each::Metadata(_)), _) | (_, false) => BTreeMap::new(),
            _ if by_user => from_rows(&transaction, budget, start_us)?,
            _ => from_rollups(&transaction, budget, start_us)?,
        };
        balances::add(&transaction, Table::Balance, &spent)?;
        balances::add(&transaction, Table::Base, &spent)?;
    }
    transaction.commit()
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
        Scope::Provider(name) => *name == group.provider,
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

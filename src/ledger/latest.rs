//! The latest attempts and refusals, newest first, and all attempts of one request.

use crate::{
    ledger::LedgerError,
    ledger::refused::Refused,
    ledger::row::{Names, Opening, Row, api_name},
    ledger::store::query::{ROW_COLUMNS, row_at, signed},
    ledger::view::View,
    model::RequestId,
};
use rusqlite::{Connection, params};
use std::path::Path;

/// What is looked for; everything by default.
#[derive(Debug, Default, Clone)]
pub struct Wanted {
    /// Begun at or after, in microseconds since the Unix epoch.
    pub since_us: u64,
    /// Begun before; `None`: up to now.
    pub until_us: Option<u64>,
    /// Of this team.
    pub team: Option<String>,
    /// Of this key.
    pub key: Option<String>,
    /// For this model, as clients asked for it.
    pub model: Option<String>,
    /// At this provider.
    pub provider: Option<String>,
    /// With this model of the provider.
    pub target_model: Option<String>,
    /// With this label: the client's `x-request-id`, or the gateway's id.
    pub label: Option<String>,
    /// Only what failed; refusals are that.
    pub failed: bool,
    /// Only second and later attempts of a request.
    pub again: bool,
}

impl Wanted {
    fn until(&self) -> i64 {
        self.until_us.map_or(i64::MAX, signed)
    }

    fn takes(&self, opening: &Opening) -> bool {
        let same = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        opening.opened_us >= self.since_us
            && self.until_us.is_none_or(|until| opening.opened_us < until)
            && same(&self.team, &opening.team)
            && same(&self.key, &opening.key)
            && same(&self.model, &opening.model)
            && same(&self.provider, &opening.provider)
            && same(&self.target_model, &opening.target_model)
            && same(&self.label, &opening.request_label)
            && (!self.again || opening.id.attempt > 1)
    }
}

/// What was found, each newest first.
#[derive(Debug, Default)]
pub struct Latest {
    /// Attempts under way.
    pub open: Vec<Opening>,
    /// Attempts that are over.
    pub rows: Vec<Row>,
    /// Requests that were refused. None where provider, target or a later attempt is asked for: they have none.
    pub refused: Vec<Refused>,
}

/// Of each kind the latest `most`. Attempts are looked through from the latest one backwards.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn latest(dir: &Path, wanted: &Wanted, most: usize) -> Result<Latest, LedgerError> {
    let View { store, tail, open, .. } = View::read(dir)?;
    let open = open.into_iter().rev().map(|open| open.opening);
    let open = open.filter(|opening| !wanted.failed && wanted.takes(opening)).take(most).collect();
    let fits = |row: &Row| wanted.takes(&row.opening) && (!wanted.failed || row.settlement.failed());
    let mut found =
        Latest { open, rows: tail.into_iter().rev().filter(fits).take(most).collect(), ..Latest::default() };
    if let Some(store) = &store {
        add_rows(store, wanted, most, &mut found.rows)?;
        if wanted.provider.is_none() && wanted.target_model.is_none() && wanted.label.is_none() && !wanted.again {
            found.refused = refused(store, wanted, most)?;
        }
    }
    found.rows.sort_by_key(|row| std::cmp::Reverse((row.opening.opened_us, row.opening.id)));
    found.rows.truncate(most);
    Ok(found)
}

/// Attempts without an answer, with a bad status or that broke off: as `Settlement::failed` has it.
const FAILED: &str = "(error IS NOT NULL OR status = 0 OR status >= 400)";

fn add_rows(store: &Connection, wanted: &Wanted, most: usize, rows: &mut Vec<Row>) -> Result<(), LedgerError> {
    let failed = if wanted.failed { FAILED } else { "1" };
    let again = if wanted.again { "attempt > 1" } else { "1" };
    let sql = format!(
        "SELECT {ROW_COLUMNS} FROM attempt WHERE opened_us >= ?1 AND opened_us < ?2 AND (?3 IS NULL OR team = ?3) \
         AND (?4 IS NULL OR key = ?4) AND (?5 IS NULL OR model = ?5) AND (?6 IS NULL OR provider = ?6) \
         AND (?7 IS NULL OR target_model = ?7) AND (?8 IS NULL OR label = ?8) AND {failed} AND {again} \
         ORDER BY opened_us DESC LIMIT ?9"
    );
    let mut statement = store.prepare(&sql)?;
    let Wanted { team, key, model, provider, target_model, label, .. } = wanted;
    let (since, until) = (signed(wanted.since_us), wanted.until());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut found = statement.query(params![since, until, team, key, model, provider, target_model, label, most])?;
    let mut names = Names::default();
    while let Some(row) = found.next()? {
        rows.push(row_at(row, &mut names)?);
    }
    Ok(())
}

fn refused(store: &Connection, wanted: &Wanted, most: usize) -> Result<Vec<Refused>, LedgerError> {
    let sql = "SELECT id, time_us, key, team, user, model, api, code, status FROM refused WHERE time_us >= ?1 \
         AND time_us < ?2 AND (?3 IS NULL OR team = ?3) AND (?4 IS NULL OR key = ?4) AND (?5 IS NULL OR model = ?5) \
         ORDER BY time_us DESC LIMIT ?6";
    let mut statement = store.prepare(sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let name = |name: &Option<String>| name.as_deref().map(|name| if name == "-" { "" } else { name }.to_owned());
    let (team, key, model) = (name(&wanted.team), name(&wanted.key), name(&wanted.model));
    let rows =
        statement.query_map(params![signed(wanted.since_us), wanted.until(), team, key, model, most], |row| {
            let id: [u8; 16] = row.get(0)?;
            Ok(Refused {
                id: RequestId(u128::from_be_bytes(id)),
                time_us: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
                key: row.get(2)?,
                team: row.get(3)?,
                user: row.get(4)?,
                model: row.get(5)?,
                api: api_name(row.get_ref(6)?.as_str()?),
                code: row.get(7)?,
                status: row.get(8)?,
            })
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All attempts of one request in their order; those under way too.
///
/// # Errors
///
/// When the ledger cannot be read.
pub fn attempts_of(dir: &Path, request: RequestId) -> Result<(Vec<Row>, Vec<Opening>), LedgerError> {
    let View { store, tail, open, .. } = View::read(dir)?;
    let mut rows: Vec<Row> = tail.into_iter().filter(|row| row.opening.id.request == request).collect();
    if let Some(store) = &store {
        let sql = format!("SELECT {ROW_COLUMNS} FROM attempt WHERE request = ? ORDER BY attempt");
        let mut statement = store.prepare(&sql)?;
        let mut names = Names::default();
        let mut found = statement.query([request.0.to_be_bytes()])?;
        while let Some(row) = found.next()? {
            rows.push(row_at(row, &mut names)?);
        }
    }
    rows.sort_by_key(|row| row.opening.id);
    let open = open.into_iter().map(|open| open.opening).filter(|opening| opening.id.request == request);
    Ok((rows, open.collect()))
}

//! Tables: one value that is shown as HTML and exported as CSV, so that both tell the same.

use super::show;
use crate::ledger::render::cell;
use maud::{Markup, html};

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// What is shown.
    shown: String,
    /// What is exported, and the title of what is shown where the two differ.
    exact: String,
    /// Where the rows behind it are.
    href: Option<String>,
    /// A number: it is exported as it is.
    number: bool,
    /// A word about a state: shown as a badge of this class.
    badge: Option<&'static str>,
    /// A picture behind what is shown.
    picture: Option<Markup>,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { exact: shown.clone(), shown, href: None, number: false, badge: None, picture: None }
    }

    /// A number as people read it, and as it is.
    pub fn number(shown: String, exact: impl ToString) -> Self {
        Self { number: true, exact: exact.to_string(), ..Self::text(shown) }
    }

    /// A count.
    pub fn count(n: u64) -> Self {
        Self::number(show::count(n), n)
    }

    /// Money.
    pub fn usd(nano: i64) -> Self {
        Self::number(show::usd(nano), show::exact_usd(nano))
    }

    /// Money that may not be known.
    pub fn price(nano: Option<i64>) -> Self {
        nano.map_or_else(|| Self { exact: String::new(), ..Self::text("unpriced") }, Self::usd)
    }

    /// A duration in microseconds; not everything has one.
    pub fn micros(us: Option<u64>) -> Self {
        us.map_or_else(Self::none, |us| Self::number(show::micros(us), us))
    }

    /// A moment.
    pub fn time(us: u64) -> Self {
        Self { exact: show::exact_time(us), ..Self::text(show::time(us)) }
    }

    /// A state in a word: `good`, `bad`, `warn` or `plain`.
    pub fn badge(text: impl Into<String>, class: &'static str) -> Self {
        Self { badge: Some(class), ..Self::text(text) }
    }

    /// Nothing to tell.
    pub fn none() -> Self {
        Self { exact: String::new(), ..Self::text("–") }
    }

    /// With what is exported instead of what is shown.
    pub fn exactly(mut self, exact: String) -> Self {
        self.exact = exact;
        self
    }

    /// With a link to the rows behind it.
    pub fn to(mut self, href: String) -> Self {
        self.href = Some(href);
        self
    }

    /// With a picture behind it.
    pub fn with(mut self, picture: Markup) -> Self {
        self.picture = Some(picture);
        self
    }

    fn html(&self) -> Markup {
        let title = (self.exact != self.shown && !self.exact.is_empty()).then_some(&*self.exact);
        html! {
            @if let Some(href) = &self.href {
                a href=(href) title=[title] { (self.inner()) }
            } @else if title.is_some() {
                span title=[title] { (self.inner()) }
            } @else {
                (self.inner())
            }
            @if let Some(picture) = &self.picture { (picture) }
        }
    }

    fn inner(&self) -> Markup {
        html! {
            @match self.badge {
                // `bdi`: a name that is written from right to left turns nothing around but itself.
                None => bdi { (self.shown) },
                Some(class) => span class={ "badge " (class) } { (self.shown) },
            }
        }
    }

    /// What no spreadsheet takes for a formula.
    fn csv(&self) -> String {
        if self.number { self.exact.clone() } else { cell(&self.exact).into_owned() }
    }
}

/// A column's name, and whether it holds numbers.
pub(super) type Column = (&'static str, bool);

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name in `?csv=` and of the file.
    pub id: &'static str,
    /// What it is about.
    pub caption: String,
    /// From left to right.
    pub columns: Vec<Column>,
    /// From top to bottom; each has a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What is said when there is none.
    pub empty: &'static str,
}

impl Table {
    /// Shown, with a link to its export.
    pub fn html(&self, csv: &str) -> Markup {
        html! {
            section class="card" id=(self.id) {
                div class="head" {
                    h2 { (self.caption) }
                    @if !self.rows.is_empty() {
                        a class="csv" href=(csv) download { "CSV" span class="unseen" { " of " (self.caption) } }
                    }
                }
                @if self.rows.is_empty() {
                    p class="empty" { (self.empty) }
                } @else {
                    div class="wide" tabindex="0" role="region" aria-label=(self.caption) {
                        table {
                            thead { tr { @for (name, number) in &self.columns {
                                th scope="col" class=[number.then_some("n")] { (name) }
                            } } }
                            tbody { @for row in &self.rows { tr {
                                @for (cell, (_, number)) in row.iter().zip(&self.columns) {
                                    td class=[number.then_some("n")] { (cell.html()) }
                                }
                            } } }
                        }
                    }
                }
            }
        }
    }

    /// As CSV (RFC 4180): exact figures; durations in microseconds, money in USD.
    ///
    /// # Errors
    ///
    /// None that happens: a buffer takes everything.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        out.write_record(self.columns.iter().map(|(name, _)| *name))?;
        for row in &self.rows {
            out.write_record(row.iter().map(Cell::csv))?;
        }
        out.into_inner().map_err(|error| error.into_error().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cell: Cell) -> Table {
        let columns = vec![("name", false)];
        Table { id: "t", caption: "A <b>".to_owned(), columns, rows: vec![vec![cell]], empty: "none" }
    }

    #[test]
    fn what_a_client_named_is_text_wherever_it_stands() {
        let hostile = "<script>alert(1)</script>\"'&";
        let page = table(Cell::text(hostile).to(show::link("/x", &[("name", hostile)]))).html("/x").into_string();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"), "{page}");
        assert!(page.contains("name=%3Cscript%3E"), "{page}");
    }

    #[test]
    fn no_cell_of_an_export_is_a_formula() {
        let csv = |cell| String::from_utf8(table(cell).csv().expect("a buffer")).expect("text");
        for formula in ["=1+1", "+1", "-1", "@sum", ";x", "\tx", "＝1"] {
            let written = csv(Cell::text(formula));
            assert!(written.contains(&format!("'{formula}")), "{written}");
        }
        assert_eq!(csv(Cell::usd(-5)), "name\r\n-0.000000005\r\n", "a number is one");
        assert_eq!(csv(Cell::text("a,\"b\"\n")), "name\r\n\"a,\"\"b\"\"\n\"\r\n");
        assert_eq!(csv(Cell::none()), "name\r\n\"\"\r\n");
    }
}

//! The third witness: what the ledger says, through the commands that users have.

use super::eventually;
use super::gateway::{Gateway, Outcome, run, run_with};
use serde_json::Value;

/// One exported line: one attempt.
#[derive(Debug, Clone)]
pub struct Row(pub Value);

impl Row {
    /// A member as text; empty when it is null or missing.
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A member as a number; 0 when it is null.
    pub fn number(&self, name: &str) -> u64 {
        assert!(self.0.get(name).is_some(), "a row has `{name}`: {}", self.0);
        self.0[name].as_u64().unwrap_or(0)
    }

    /// Input and output tokens.
    pub fn tokens(&self) -> (u64, u64) {
        (self.number("input_tokens"), self.number("output_tokens"))
    }

    /// Which attempt of which request.
    pub fn attempt(&self) -> (String, u64) {
        (self.text("id").to_owned(), self.number("attempt"))
    }

    /// Whether the attempt has come to its end.
    pub fn settled(&self) -> bool {
        !self.0["latency_us"].is_null()
    }
}

impl Gateway {
    /// Runs `weighbridge ARGS -c CONFIG`.
    pub async fn command(&self, args: &[&str]) -> Outcome {
        let config = self.config();
        let config = config.to_str().expect("a path of text");
        run(&[args, &["-c", config]].concat()).await
    }

    /// The same, with `input` on its standard input.
    pub async fn piped(&self, args: &[&str], input: &str) -> Outcome {
        let config = self.config();
        let config = config.to_str().expect("a path of text");
        run_with(&[args, &["-c", config]].concat(), input.as_bytes()).await
    }

    /// All rows, as `ledger export` tells them now.
    pub async fn rows(&self) -> Vec<Row> {
        let text = self.command(&["ledger", "export"]).await.ok();
        let parse = |line: &str| Row(serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")));
        text.lines().map(parse).collect()
    }

    /// Waits until `count` attempts are settled and none is open; there are never more.
    pub async fn settled(&self, count: usize) -> Vec<Row> {
        let rows = eventually("the attempts are settled in the ledger", || async {
            let rows = self.rows().await;
            (rows.len() >= count && rows.iter().all(Row::settled)).then_some(rows)
        });
        let rows = rows.await;
        assert_eq!(rows.len(), count, "one row an attempt: {rows:#?}");
        rows
    }

    /// The only row.
    pub async fn only_row(&self) -> Row {
        self.settled(1).await.remove(0)
    }

    /// Asserts that `ledger verify` finds the ledger whole.
    pub async fn assert_verified(&self) {
        self.command(&["ledger", "verify"]).await.ok();
    }
}

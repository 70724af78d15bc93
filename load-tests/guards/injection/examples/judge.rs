//! What the guard says to texts, for evaluation: lines of JSON with `text` and `speech` (`user` or `tool`) on stdin; a line
//! of JSON for each on stdout: the verdicts of strict, balanced and lenient (0: passes, 1: flag, 2: block), and why.

use std::error::Error;
use std::io::{BufRead, stdin};
use weighbridge::guard::injection::{Injection, Level, Settings};
use weighbridge::guard::{Judge, fold};
use weighbridge::model::Speech;

fn main() -> Result<(), Box<dyn Error>> {
    let guards = [Level::Strict, Level::Balanced, Level::Lenient].map(|level| Injection::new(&Settings { level }));
    for line in stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        let text = fold(value["text"].as_str().ok_or("`text` is missing")?);
        let speech = if value["speech"] == "tool" { Speech::ToolResult } else { Speech::User };
        let judgements = guards.each_ref().map(|guard| guard.judge(&text, speech));
        let verdicts =
            judgements.each_ref().map(|found| found.as_ref().map_or(0, |found| if found.flag_only { 1 } else { 2 }));
        let evidence = guards[1].evidence(&text);
        let balanced = judgements[1].as_ref();
        let out = serde_json::json!({
            "verdicts": verdicts,
            "at_1_percent": evidence.reaches(10),
            "logit": evidence.logit,
            "windows": evidence.windows,
            "entity": balanced.map(|found| found.entity),
            "why": balanced.map(|found| found.why.clone()),
        });
        println!("{out}");
    }
    Ok(())
}

//! The features of texts, for training: lines of JSON with `text` on stdin; on stdout, for each text, the number of its
//! windows, and for each of them the number of its slots and the slots, all as little-endian `u32`.

use std::error::Error;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use weighbridge::guard::fold;
use weighbridge::guard::injection::{Injection, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let guard = Injection::new(&Settings::default());
    let mut out = BufWriter::new(stdout().lock());
    for line in stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        let windows = guard.slots(&fold(value["text"].as_str().ok_or("`text` is missing")?));
        out.write_all(&u32::try_from(windows.len())?.to_le_bytes())?;
        for slots in windows {
            out.write_all(&u32::try_from(slots.len())?.to_le_bytes())?;
            for slot in slots {
                out.write_all(&slot.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

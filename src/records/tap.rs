//! Access records on their way into files and memory: on the thread of the access log.

use super::keeper::Keeper;
use super::live::Live;
use crate::telemetry::Tap;
use std::sync::Arc;

/// Takes each line for the files and for whoever follows.
pub struct Stream {
    live: Arc<Live>,
    keeper: Option<Keeper>,
    lines: Vec<u8>,
    count: u64,
}

impl Stream {
    /// Into memory, and into files where there is a keeper.
    pub fn new(live: Arc<Live>, keeper: Option<Keeper>) -> Self {
        Self { live, keeper, lines: Vec::new(), count: 0 }
    }
}

impl Tap for Stream {
    fn line(&mut self, line: &str) {
        self.live.push(line);
        if self.keeper.is_some() {
            self.lines.extend_from_slice(line.as_bytes());
            self.lines.push(b'\n');
            self.count += 1;
        }
    }

    fn flush(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        if self.count > 0 {
            keeper.write(&self.lines, self.count);
            self.lines.clear();
            self.count = 0;
        }
        keeper.look();
    }
}

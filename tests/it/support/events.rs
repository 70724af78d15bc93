//! An event stream as a client sees it.

use bytes::{Bytes, BytesMut};

/// Cuts bytes into events; keeps the bytes of each as they came, blank line included.
#[derive(Debug, Default)]
pub struct EventCutter {
    buffer: BytesMut,
}

impl EventCutter {
    /// Adds what came.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole event.
    pub fn next(&mut self) -> Option<Bytes> {
        let ends =
            ["\n\n", "\r\n\r\n"].map(|end| memchr::memmem::find(&self.buffer, end.as_bytes()).map(|at| at + end.len()));
        let end = ends.into_iter().flatten().min()?;
        Some(self.buffer.split_to(end).freeze())
    }

    /// What is left: an event without its end.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

/// The events of a whole body.
pub fn events(body: &[u8]) -> Vec<String> {
    let mut cutter = EventCutter::default();
    cutter.push(body);
    let mut all: Vec<String> = std::iter::from_fn(|| cutter.next()).map(text).collect();
    if !cutter.rest().is_empty() {
        all.push(String::from_utf8_lossy(cutter.rest()).into_owned());
    }
    all
}

/// The JSON of an event's data.
pub fn data(event: &str) -> serde_json::Value {
    let line = event.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_else(|| panic!("no data: {event}"));
    serde_json::from_str(line.trim()).unwrap_or_else(|e| panic!("{e}: {event}"))
}

/// The bytes of an event as text.
pub fn text(event: Bytes) -> String {
    String::from_utf8(event.to_vec()).expect("events are text")
}

//! Records of requests on disk, and how they are found again: one JSON line a request in rotated files that are
//! compressed when they are closed, the same of prompts and answers where they are kept, and the last lines in memory.
//!
//! It owns the format of the files, their rotation and retention, and the search. It knows lines, not requests: what
//! stands in a line is made by `telemetry` (access records) and [`ContentLog`] (contents). Nothing here runs on a
//! request's path: lines come from threads of their own, over bounded queues.

mod find;
mod record;
mod files;
mod frames;
mod blocks;
mod reader;
mod live;
mod follow;
mod metrics;
mod keeper;
mod janitor;
mod tap;
mod content;

pub use content::{ContentLog, Keep, Kept, Listener, Redactor, Side, Text};
pub use files::{Family, Terms};
pub use find::{Find, Found, Place, StatusIs};
pub use follow::Follow;
pub use janitor::{Janitor, Waker};
pub use keeper::Keeper;
pub use live::Live;
pub use metrics::RecordsMetrics;
pub use reader::Reader;
pub use record::{Attempt, Content, Record};
pub use tap::Stream;

#[cfg(test)]
mod tests;

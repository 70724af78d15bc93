//! Joins what writes records: files, memory and contents.

use super::otel::Told;
use super::redact::Redaction;
use super::{AppError, system};
use crate::{
    config::{AccessLog, Config, RecordFiles},
    model::Clock,
    records::{ContentLog, Family, Janitor, Keeper, Live, Reader, RecordsMetrics, Stream, Terms},
    telemetry::{Metrics, Tap},
};
use std::sync::Arc;

/// What lives as long as the process.
pub(super) struct Records {
    /// The last records.
    pub live: Arc<Live>,
    /// Searches; `None`: there are no files.
    pub reader: Option<Reader>,
    /// Prompts and answers; `None`: nobody's are kept.
    pub contents: Option<ContentLog>,
    /// For the access log.
    pub tap: Option<Box<dyn Tap>>,
    /// Closes and removes files as long as it is held.
    _janitor: Option<Janitor>,
}

impl Records {
    /// Opens what the file asks for; `told` is told of the same records and contents.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn open(config: &Config, metrics: &Metrics, clock: &Arc<dyn Clock>, mut told: Told) -> Result<Self, AppError> {
        let live = Arc::<Live>::default();
        let metrics =
            RecordsMetrics::register(&metrics.registry).map_err(|error| system("metrics of records", &error))?;
        let Some(files) = &config.records.files else {
            // Where records go nowhere, none are made.
            let wanted = config.records.access_log != AccessLog::Off;
            let tap = wanted.then(|| Box::new(Stream::new(Arc::clone(&live), None)) as Box<dyn Tap>);
            return Ok(Self { live, reader: None, contents: None, tap: told.tap(tap), _janitor: None });
        };
        let terms = terms(files);
        let thread = |error: std::io::Error| system("a thread for records", &error);
        let janitor = Janitor::start(terms.clone(), Arc::clone(clock), &metrics).map_err(thread)?;
        let keeper = |family| Keeper::new(terms.clone(), family, Arc::clone(clock), &metrics, janitor.waker());
        let contents = match config.records.keeps_content() {
            false => None,
            true => {
                let redaction = Redaction::build().map_err(|why| system("records.content", &why))?;
                let (keeper, listener) = (keeper(Family::Contents), told.contents.take());
                Some(ContentLog::start(keeper, Box::new(redaction), listener, &metrics).map_err(thread)?)
            }
        };
        let tap = Box::new(Stream::new(Arc::clone(&live), Some(keeper(Family::Requests))));
        janitor.waker().wake();
        let reader = Some(Reader::new(terms.dir.clone()));
        Ok(Self { live, reader, contents, tap: told.tap(Some(tap)), _janitor: Some(janitor) })
    }
}

/// Where files lie and how long.
fn terms(files: &RecordFiles) -> Terms {
    Terms {
        dir: files.dir.clone(),
        file_bytes: files.file_bytes,
        file_age: files.file_age,
        keep_for: files.keep_for,
        keep_bytes: files.keep_bytes,
    }
}

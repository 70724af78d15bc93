//! Prompts and answers on their way into files: a thread of its own, behind a queue that is bounded in bytes. Texts are
//! made unreadable where a team's rule says so before they are written; what cannot be is not kept.

use super::files::Family;
use super::keeper::Keeper;
use super::metrics::RecordsMetrics;
use crate::model::{Api, RequestId, Trace};
use prometheus::IntCounter;
use serde::{Serialize, Serializer};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How a request's texts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// With what is personal or secret replaced.
    Redacted,
    /// As they are.
    Full,
}

impl Keep {
    /// The word of the configuration and of records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redacted => "redacted",
            Self::Full => "full",
        }
    }
}

/// What came or went, from its beginning.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Side {
    /// The bytes that are kept.
    pub bytes: Vec<u8>,
    /// Bytes of all of it.
    pub total: u64,
    /// There was no room in memory for the rest.
    pub no_room: bool,
}

impl Side {
    /// Whether there is more than is kept.
    pub const fn is_truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

/// What is kept of a request's texts, before it is put into words.
#[derive(Debug, Clone)]
pub struct Kept {
    /// When the request's head was read, in microseconds since the Unix epoch.
    pub time_us: u64,
    /// The request.
    pub id: RequestId,
    /// Its key.
    pub key: Arc<str>,
    /// Who pays.
    pub team: Arc<str>,
    /// What was asked for.
    pub model: Arc<str>,
    /// Which call.
    pub api: Api,
    /// How it is kept.
    pub keep: Keep,
    /// The answer came as a stream of events.
    pub stream: bool,
    /// The answer broke off before its end.
    pub broken: bool,
    /// What the client sent.
    pub request: Side,
    /// What the client was sent.
    pub answer: Side,
    /// Its trace; `None`: nothing is traced.
    pub trace: Option<Arc<Trace>>,
}

/// What is to be made unreadable.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// All of it that is there.
    pub text: &'a str,
    /// It is the source of JSON.
    pub json: bool,
    /// It breaks off: half of a secret may stand at its end, which must not be kept either.
    pub cut: bool,
}

/// Knows how texts are read, and what of them is personal or secret.
pub trait Redactor: Send {
    /// `text` with what is personal, secret or no text (pictures and sound in base64) replaced; `None`: it could not be told.
    fn redacted(&self, text: &Text<'_>) -> Option<String>;

    /// The texts of a stream of events in answer to `api`, each put together, and whether each is the source of JSON.
    fn texts(&self, api: Api, events: &[u8]) -> Vec<(String, bool)>;
}

/// Is told what is kept, as it is kept.
pub trait Listener: Send {
    /// The texts of `kept` are these: the body that came, the one that went out, or the texts of a stream.
    fn kept(&mut self, kept: &Kept, request: Option<&str>, answer: Option<&str>, texts: Option<&[String]>);
}

/// Takes what is to be kept, and never waits.
pub struct ContentLog {
    queue: SyncSender<Box<Kept>>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    lost: IntCounter,
    done: parking_lot::Mutex<Receiver<()>>,
    closing: Arc<std::sync::atomic::AtomicBool>,
}

impl ContentLog {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(
        keeper: Keeper,
        redactor: Box<dyn Redactor>,
        listener: Option<Box<dyn Listener>>,
        metrics: &RecordsMetrics,
    ) -> io::Result<Self> {
        let (queue, kept) = sync_channel(QUEUE);
        let (done_sender, done) = sync_channel(1);
        let (waiting, closing) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let shared = (Arc::clone(&waiting), Arc::clone(&closing));
        let writer = Writer { kept, keeper, redactor, listener, waiting: shared.0, closing: shared.1 };
        thread::Builder::new().name("records-content".to_owned()).spawn(move || {
            writer.run();
            let _ = done_sender.send(());
        })?;
        let lost = metrics.of(Family::Contents).lost;
        Ok(Self { queue, waiting, lost, done: parking_lot::Mutex::new(done), closing })
    }

    /// Hands it over; false: it does not fit into the queue, and is lost and counted.
    pub fn write(&self, kept: Box<Kept>) -> bool {
        let size = kept.size();
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        let taken = before.saturating_add(size) <= QUEUE_BYTES && self.queue.try_send(kept).is_ok();
        if !taken {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.lost.inc();
        }
        taken
    }

    /// Writes what waits, for at most `patience`; what comes later is lost. Returns whether all was written.
    pub fn close(&self, patience: Duration) -> bool {
        self.closing.store(true, Ordering::Release);
        !matches!(self.done.lock().recv_timeout(patience), Err(RecvTimeoutError::Timeout))
    }
}

impl Kept {
    /// Whether the end of the answer is not there.
    fn cuts_answer(&self) -> bool {
        self.broken || self.answer.is_truncated()
    }

    fn size(&self) -> usize {
        self.request.bytes.len() + self.answer.bytes.len()
    }
}

struct Writer {
    kept: Receiver<Box<Kept>>,
    keeper: Keeper,
    redactor: Box<dyn Redactor>,
    listener: Option<Box<dyn Listener>>,
    waiting: Arc<AtomicUsize>,
    closing: Arc<std::sync::atomic::AtomicBool>,
}

impl Writer {
    fn run(mut self) {
        let mut line = Vec::new();
        loop {
            let closing = self.closing.load(Ordering::Acquire);
            match self.kept.recv_timeout(LOOK) {
                Ok(kept) => {
                    line.clear();
                    match self.worded(&kept, &mut line) {
                        Ok(()) => self.keeper.write(&line, 1),
                        Err(error) => {
                            self.keeper.lost(1);
                            // Never what it is about.
                            tracing::error!(id = %kept.id, %error, "contents cannot be put into words");
                        }
                    }
                    self.waiting.fetch_sub(kept.size(), Ordering::Relaxed);
                    line.shrink_to(LINE);
                }
                Err(RecvTimeoutError::Timeout) if closing => return,
                Err(RecvTimeoutError::Timeout) => self.keeper.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn worded(&mut self, kept: &Kept, line: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let texts = (kept.stream && !kept.answer.bytes.is_empty()).then(|| self.texts(kept));
        let request = self.told(kept, &kept.request, kept.request.is_truncated());
        // The events of a stream cut texts into pieces, in which nothing would be found.
        let answer = match (kept.stream, kept.keep) {
            (true, Keep::Redacted) => Told { text: None, note: None },
            _ => self.told(kept, &kept.answer, kept.cuts_answer()),
        };
        let unreadable = matches!(texts, Some(None));
        let words = Words {
            time: Time(kept.time_us),
            id: kept.id.to_string(),
            key: &kept.key,
            team: &kept.team,
            model: &kept.model,
            api: kept.api.name(),
            content: kept.keep.name(),
            stream: kept.stream,
            request: request.text,
            request_bytes: kept.request.total,
            request_truncated: kept.request.is_truncated(),
            request_note: request.note,
            answer: answer.text,
            answer_bytes: kept.answer.total,
            answer_truncated: kept.answer.is_truncated(),
            answer_note: if unreadable { Some("unreadable") } else { answer.note },
            texts: texts.flatten(),
        };
        if let Some(listener) = &mut self.listener {
            listener.kept(kept, words.request.as_deref(), words.answer.as_deref(), words.texts.as_deref());
        }
        serde_json::to_writer(&mut *line, &words)?;
        line.push(b'\n');
        Ok(())
    }

    /// The texts of a stream; `None`: they cannot be made unreadable.
    fn texts(&self, kept: &Kept) -> Option<Vec<String>> {
        let texts = self.redactor.texts(kept.api, &kept.answer.bytes);
        match kept.keep {
            Keep::Full => Some(texts.into_iter().map(|(text, _)| text).collect()),
            Keep::Redacted => {
                let cut = kept.cuts_answer();
                texts.iter().map(|(text, json)| self.redactor.redacted(&Text { text, json: *json, cut })).collect()
            }
        }
    }

    fn told(&self, kept: &Kept, side: &Side, cut: bool) -> Told {
        if side.bytes.is_empty() {
            return Told { text: None, note: side.no_room.then_some("no_room") };
        }
        let text = match std::str::from_utf8(&side.bytes) {
            Ok(text) => text,
            // The cut went through a character.
            Err(error) if side.is_truncated() && error.error_len().is_none() => {
                side.bytes.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok()).unwrap_or("")
            }
            Err(_) => return Told { text: None, note: Some("binary") },
        };
        match kept.keep {
            Keep::Full => Told { text: Some(text.to_owned()), note: None },
            Keep::Redacted => {
                let json = matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
                let text = self.redactor.redacted(&Text { text, json, cut });
                Told { note: text.is_none().then_some("unreadable"), text }
            }
        }
    }
}

struct Told {
    text: Option<String>,
    note: Option<&'static str>,
}

/// The line. `time` and `id` stand in front: they are what is looked for.
#[derive(Serialize)]
struct Words<'a> {
    time: Time,
    id: String,
    key: &'a str,
    team: &'a str,
    model: &'a str,
    api: &'a str,
    content: &'static str,
    stream: bool,
    request: Option<String>,
    request_bytes: u64,
    request_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_note: Option<&'static str>,
    answer: Option<String>,
    answer_bytes: u64,
    answer_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_note: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<String>>,
}

/// RFC 3339 in UTC with six decimals, as in access records.
struct Time(u64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = i64::try_from(self.0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
        serializer.collect_str(&format_args!("{:.6}", time.unwrap_or(jiff::Timestamp::MAX)))
    }
}

/// Requests that may wait.
const QUEUE: usize = 4096;

/// Bytes that may wait, beside the two texts of the request at hand.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// How often it is looked whether a file is old enough, and whether this is the end.
const LOOK: Duration = Duration::from_millis(200);

/// Kept for the next line.
const LINE: usize = 256 * 1024;

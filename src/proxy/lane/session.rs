//! The state of one session: its attempts, the frames that pass, and whether it may go on.

use super::booking::{Sums, Under};
use super::frames::{Frames, Part};
use super::stop::Stop;
use crate::{
    ledger::LedgerError,
    limits::Shares,
    model::Usage,
    providers::session::Heard,
    proxy::{
        course::{Course, Move},
        exchange::Opened,
        finish,
        gateway::Services,
        reject::Reject,
        target::Target,
        trouble::Trouble,
    },
    routing::{Ended, Pace},
};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// A session in which neither side sends a byte for so long is ended. A ping is a byte.
pub const SILENCE: Duration = Duration::from_secs(15 * 60);
/// How long a session may last behind the first close frame: the server is to end the connection (RFC 6455 §7.1.1).
const LINGER: Duration = Duration::from_secs(5);
/// How long an ended session waits for the end of a message of the provider, behind which it can tell why.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of looking for the next target.
pub enum Begun {
    /// An attempt at it.
    At(Arc<Target>),
    /// A pause to this moment.
    Rest(Instant),
    /// There is none left.
    Over,
}

/// A session.
pub struct Live {
    /// What is fixed.
    pub opened: Opened,
    pub(super) services: Arc<Services>,
    pub(super) under: Option<Under>,
    pub(super) sums: Sums,
    /// The head for the provider was just written: see [`super::leash::Holder::holds_back`].
    pub head_written: bool,
    /// Interim answers of the attempt under way.
    pub interim: u16,
    /// The trouble that a hook found, to be read by the hook that Pingora calls next.
    pub found: Option<Trouble>,
    pub(super) stop: Option<Stop>,
    pub(super) close: Option<u16>,
    /// When the first close frame passed.
    closing_at: Option<Instant>,
    is_upgraded: bool,
    stopped_at: Option<Instant>,
    /// Nothing more of the provider's goes to the client: between two messages, but for garbage.
    cut: bool,
    client: Frames,
    server: Frames,
    last_sign: Instant,
    course: Course,
}

impl Live {
    /// Nothing was tried yet.
    pub fn new(opened: Opened, services: Arc<Services>, overhead: Duration) -> Self {
        let course = Course::new(&opened);
        Self {
            opened,
            services,
            under: None,
            sums: Sums::new(overhead),
            head_written: false,
            interim: 0,
            found: None,
            stop: None,
            close: None,
            closing_at: None,
            is_upgraded: false,
            stopped_at: None,
            cut: false,
            client: Frames::of_client(),
            server: Frames::of_server(),
            last_sign: Instant::now(),
            course,
        }
    }

    /// The time, in microseconds since the Unix epoch.
    pub fn now_us(&self) -> u64 {
        self.services.clock.now_us()
    }

    /// Where the session goes.
    pub fn target(&self) -> Option<&Arc<Target>> {
        self.under.as_ref().map(|under| &under.target)
    }

    /// Whether the client has its 101.
    pub const fn is_upgraded(&self) -> bool {
        self.is_upgraded
    }

    /// What is left of the client's rules.
    pub fn shares(&self) -> Shares {
        self.opened.shares(&self.services.limits)
    }

    /// Rules that only warn and that the session is past.
    pub fn warnings(&self) -> Vec<String> {
        let provider = self.under.iter().flat_map(|under| under.permit.warnings());
        self.opened.permit.warnings().chain(provider).map(|rule| format!("past the limit {rule}")).collect()
    }

    /// What comes next; an attempt is journaled.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn begin_next(&mut self) -> Result<Begun, Reject> {
        match self.course.next(&mut self.opened, &self.services) {
            Move::Go(candidate) => {
                self.interim = 0;
                let target = Arc::clone(&candidate.target);
                self.begin(*candidate)?;
                Ok(Begun::At(target))
            }
            Move::Rest(until) => Ok(Begun::Rest(until)),
            Move::Over => Ok(Begun::Over),
        }
    }

    /// A pause was made before the next attempt.
    pub fn rested(&mut self, pause: Duration) {
        self.course.rested(pause);
    }

    /// The connection stands; what is to be waited for before anything is sent.
    pub fn connected(&mut self) -> Option<impl Future<Output = Result<(), LedgerError>> + Send + 'static> {
        let under = self.under.as_mut()?;
        under.connected_at = Instant::now();
        under.rows.front()?.0.durability()
    }

    /// The provider's 101 goes to the client.
    pub fn upgraded(&mut self) {
        self.is_upgraded = true;
        let now_us = self.now_us();
        if let Some(entry) = self.under.as_mut().and_then(|under| under.entry.take()) {
            entry.end(Ended::Well(Pace::default()), now_us);
        }
        self.last_sign = Instant::now();
    }

    /// The attempt failed before the client got anything, or the session broke. Returns whether the next target is tried.
    pub fn failed(&mut self, trouble: Trouble) -> bool {
        if self.is_upgraded {
            // Behind a close frame it does not matter how the connection ends.
            if self.stop.is_none() && self.closing_at.is_none() && trouble != Trouble::ClientGone {
                self.end(Stop::Broken(trouble.clone()));
            }
            let now_us = self.now_us();
            self.course.failed(&mut self.opened, None, (trouble, None), false, now_us);
            return false;
        }
        self.attempt_failed(trouble)
    }

    /// The attempt failed before the client got anything. Returns whether another one follows.
    pub fn attempt_failed(&mut self, trouble: Trouble) -> bool {
        let target = self.target().cloned();
        self.settle_failed(&trouble);
        let pause = self.course.take_pause();
        let now_us = self.now_us();
        let step = self.course.failed(&mut self.opened, target.as_ref(), (trouble, None), true, now_us);
        if let (Some(target), Some(last)) = (target, self.sums.attempts.last_mut()) {
            (last.action, last.pause_us) = (Some(step.action), finish::micros(pause));
            if let Some(failure) = step.failure {
                target.metrics.failed(failure, step.action);
            }
        }
        step.goes_on()
    }

    /// Whether one side closed the session.
    pub(super) const fn is_closing(&self) -> bool {
        self.closing_at.is_some()
    }

    /// Whether the client left, as far as is known.
    pub fn client_gone(&self) -> bool {
        matches!(self.course.last(), Some(Trouble::ClientGone))
    }

    /// What the client is told when no target took the session.
    pub fn verdict(&self) -> Reject {
        self.course.verdict(&self.opened, &self.services, &self.sums.told())
    }

    /// Bytes of the client. What comes when the session is over does not go up.
    pub fn up(&mut self, piece: &mut Option<Bytes>) {
        let Some(bytes) = piece.take() else { return };
        self.last_sign = Instant::now();
        let (mut at, mut passes) = (0, 0);
        while self.stop.is_none() && at < bytes.len() {
            match self.client.read(bytes.get(at..).unwrap_or_default()) {
                Ok((taken, part)) => {
                    at += taken;
                    let mut event = false;
                    match (part, &mut self.under) {
                        (Part::Text { payload, last }, Some(under)) => {
                            under.reader.client(payload, last);
                            event = last;
                        }
                        (Part::Close(code), _) => {
                            self.close = self.close.or(code);
                            self.closing_at.get_or_insert_with(Instant::now);
                        }
                        (Part::Text { .. } | Part::Nothing, _) => {}
                    }
                    // What it asks for is held for before its last byte goes up: until then the provider has no event.
                    if event {
                        self.hold_for_all();
                    }
                    if !event || self.stop.is_none() {
                        passes = at;
                    }
                }
                Err(malformed) => self.end(Stop::Client(malformed)),
            }
        }
        self.sums.bytes_in += passes as u64;
        *piece = Some(bytes.slice(..passes));
        self.look_at_memory();
    }

    /// Bytes of the provider. All of them are read, so that all is metered; those up to the end of the session pass. `end`:
    /// the connection ended behind them, and nobody is asked for the last words after that.
    pub fn down(&mut self, piece: &mut Option<Bytes>, end: bool) {
        self.read_down(piece);
        if !end || !self.is_upgraded {
            return;
        }
        if self.stop.is_none() && self.closing_at.is_none() {
            self.end(Stop::Broken(Trouble::Broken("it was ended without a close frame".to_owned())));
        }
        if let Some(words) = self.last_words() {
            let before = piece.take().unwrap_or_default();
            self.sums.bytes_out += words.len() as u64;
            *piece = Some(if before.is_empty() { words } else { [before, words].concat().into() });
        }
    }

    fn read_down(&mut self, piece: &mut Option<Bytes>) {
        let Some(bytes) = piece.take() else { return };
        self.last_sign = Instant::now();
        let (mut at, mut passes) = (0, if self.cut { 0 } else { bytes.len() });
        while at < bytes.len() {
            let was_cut = self.cut;
            match self.server.read(bytes.get(at..).unwrap_or_default()) {
                Ok((taken, part)) => {
                    at += taken;
                    match (part, &mut self.under) {
                        (Part::Text { payload, last }, Some(under)) => {
                            let heard = under.reader.server(payload, last);
                            match heard {
                                Ok(heard) => self.heard(heard),
                                Err(long) => self.end(Stop::TooLong(long)),
                            }
                        }
                        (Part::Close(code), _) => {
                            self.close = self.close.or(code);
                            self.closing_at.get_or_insert_with(Instant::now);
                        }
                        (Part::Text { .. } | Part::Nothing, _) => {}
                    }
                }
                Err(malformed) => {
                    self.end(Stop::Server(malformed));
                    // What stands before it has passed: nothing can be put behind a frame that is none.
                    self.cut = true;
                    passes = passes.min(at);
                    break;
                }
            }
            self.cut |= self.stop.is_some() && self.server.between_messages();
            if self.cut && !was_cut {
                passes = at;
            }
        }
        self.progress();
        self.look_at_memory();
        self.sums.bytes_out += passes as u64;
        *piece = Some(bytes.slice(..passes));
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Response { usage, estimate, inconsistent } => self.response_done(usage, estimate, inconsistent),
            Heard::Transcription { model, usage, estimate } => self.transcribed(model, usage, estimate),
            Heard::Session { model, transcriber } => self.told(model, transcriber),
        }
        // One may have begun that nobody asked for: the provider hears itself when the user has spoken.
        self.hold_for_all();
    }

    /// Ends the session, once.
    pub(super) fn end(&mut self, stop: Stop) {
        if self.stop.is_none() {
            self.stop = Some(stop);
            self.stopped_at = Some(Instant::now());
        }
    }

    fn look_at_memory(&mut self) {
        let kept = self.under.as_ref().map_or(0, |under| under.reader.kept());
        self.opened.share.shrink_to(kept);
        if !self.opened.share.grow_to(kept) {
            self.end(Stop::BuffersFull);
        }
    }

    /// Whether the connection to the provider is to end now. Asked at intervals, whether or not anything comes.
    pub fn is_over(&mut self) -> bool {
        let now = Instant::now();
        if !self.is_upgraded {
            let Some(under) = &self.under else { return false };
            let late = now >= under.connected_at + under.target.timeouts.first_token;
            if late {
                self.found.get_or_insert(Trouble::FirstToken);
            }
            return late;
        }
        if self.stop.is_none() {
            if self.services.bounds.cut_revoked && self.opened.caller.term.ended(self.now_us()) {
                self.end(Stop::Revoked);
            } else if self.services.stopping.load(Ordering::Relaxed) {
                self.end(Stop::Draining);
            } else if now >= self.last_sign + SILENCE {
                self.end(Stop::Silent);
            }
        }
        if self.closing_at.is_some_and(|at| now >= at + LINGER) {
            return true;
        }
        let Some(stopped_at) = self.stopped_at else { return false };
        self.cut |= self.server.between_messages();
        self.cut || now >= stopped_at + PATIENCE
    }

    /// The last frames that the client gets, if any can be put behind what it got.
    pub fn last_words(&self) -> Option<Bytes> {
        let (stop, reader) = (self.stop.as_ref()?, &self.under.as_ref()?.reader);
        match stop {
            _ if !self.server.between_frames() || self.closing_at.is_some() => None,
            _ if self.server.between_messages() => Some(stop.frames(&**reader, SILENCE.as_secs())),
            _ => Some(stop.close().into()),
        }
    }
}

/// An estimate, cut to what the model can read and say: that much is held for it.
pub(super) fn possible(target: &Target, mut usage: Usage) -> Usage {
    let cut = |classes: [&mut u64; 3], most: Option<u64>| {
        let mut left = most.unwrap_or(u64::MAX);
        for class in classes {
            *class = (*class).min(left);
            left -= *class;
        }
    };
    cut([&mut usage.audio_input, &mut usage.image_input, &mut usage.input], target.max_input_tokens);
    cut([&mut usage.audio_output, &mut usage.output, &mut usage.reasoning], target.max_output_tokens);
    usage
}

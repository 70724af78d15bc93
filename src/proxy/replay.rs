//! The replay session: the only file that knows Pingora's hidden `custom::server::Session` trait.
//!
//! `request_filter` reads the body, then swaps the client's session for this one. Pingora sees a request whose body
//! is what the attempt under way should send, and writes an answer whose header goes out only with the first piece
//! of body that the exchange lets through. Which traps of Pingora 0.9.1 each rule answers is said at the rule.

use super::exchange::Shared;
use super::respond;
use super::trouble::Trouble;
use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The type of the errors that carry a [`Trouble`]; the trouble itself waits in the exchange.
pub const TROUBLE: ErrorType = ErrorType::Custom("WeighbridgeTrouble");

/// Of a large answer this much is written at once.
const PIECE: usize = 256 * 1024;

/// A batch up to this is written with one call, for which Pingora copies it; of a larger one each piece is written, and
/// given back, for itself.
const BATCH: usize = 32 * 1024;

/// An error for Pingora that stands for `trouble`.
pub fn trouble_error(trouble: &Trouble) -> Box<Error> {
    Error::explain(TROUBLE, trouble.to_string())
}

/// Where the client's session waits while it is swapped, and how to get it back.
#[derive(Clone, Default)]
pub struct Parked(Arc<Mutex<Option<Box<ServerSession>>>>);

/// The session that Pingora works with while a request is on its way.
struct Replay {
    /// `None` once it was parked.
    inner: Option<Box<ServerSession>>,
    exchange: Shared,
    parked: Parked,
    /// One timer for all deadlines; they are looked at when it fires, and it is set again if they moved later.
    timer: Option<Pin<Box<Sleep>>>,
}

/// Swaps the client's session for a replay session.
pub fn swap_in(session: &mut Session, exchange: Shared) -> Parked {
    // Pipelined bytes of the next request must not abort a running answer (trap 17). The setter does nothing on a
    // custom session (trap 8), so it is called before.
    session.as_downstream_mut().set_pipelining_enabled(true);
    let parked = Parked::default();
    let placeholder = Box::new(ServerSession::new_custom(Box::new(())));
    let inner = std::mem::replace(&mut session.downstream_session, placeholder);
    let replay = Replay { inner: Some(inner), exchange, parked: parked.clone(), timer: None };
    *session.downstream_session = ServerSession::new_custom(Box::new(replay));
    parked
}

/// Puts the client's session back; does nothing when that was done before (trap 2).
pub async fn put_back(session: &mut Session, parked: &Parked) {
    if let Some(custom) = session.downstream_session.as_custom_mut() {
        // Parks the session; a second call finds nothing to park.
        if let Err(error) = custom.finish_custom().await {
            tracing::error!(%error, "the client's session could not be parked");
        }
    }
    if let Some(inner) = parked.0.lock().take() {
        session.downstream_session = inner;
    }
}

impl Replay {
    fn inner(&self) -> &ServerSession {
        self.inner.as_deref().expect("the session is used only until it is parked")
    }

    fn inner_mut(&mut self) -> &mut ServerSession {
        self.inner.as_deref_mut().expect("the session is used only until it is parked")
    }

    /// Appends `bytes` to what is written, behind the header if this is the first piece.
    fn release(&self, bytes: Bytes, last: bool, out: &mut Vec<HttpTask>) -> Result<()> {
        let mut exchange = self.exchange.lock();
        if exchange.commit() {
            let header = respond::answer_header(&exchange, bytes.len())?;
            out.push(HttpTask::Header(Box::new(header), false));
        }
        let bytes = exchange.vigil().mend(bytes);
        exchange.record.wrote(&bytes);
        drop(exchange);
        if !bytes.is_empty() {
            out.push(HttpTask::Body(Some(bytes), false));
        }
        if last {
            out.push(HttpTask::Done);
        }
        Ok(())
    }

    /// The provider's answer is over. Header-only answers, trailers and `Done` never reach `response_body_filter`
    /// with their end (trap 4), so the end is told from here too.
    fn finish(&self, out: &mut Vec<HttpTask>) -> Result<()> {
        let ended = self.exchange.lock().end();
        match ended {
            Ok(bytes) => self.over(bytes, out),
            Err(trouble) => Err(self.fail(trouble)),
        }
    }

    /// The last piece of the answer, unless services have yet to speak about it.
    fn over(&self, bytes: Bytes, out: &mut Vec<HttpTask>) -> Result<()> {
        if self.exchange.lock().keeps() {
            return Ok(());
        }
        self.release(bytes, true, out)
    }

    /// Has a long answer looked at on a thread that may take its time. Tells whether there was one.
    async fn look_at_long(&self) -> Result<bool> {
        let Some(mut guarding) = self.exchange.lock().take_long() else { return Ok(false) };
        let begun = Instant::now();
        let look = move || {
            let ran = guarding.look();
            (guarding, ran)
        };
        // A panic of the gateway's own, for those of guards are caught: nothing goes out.
        let looked = tokio::task::spawn_blocking(look).await;
        let (guarding, ran) =
            looked.map_err(|_| self.fail(Trouble::Internal("a long answer could not be looked at".to_owned())))?;
        self.exchange.lock().put_back(guarding, begun.elapsed());
        ran.map_err(|trouble| self.fail(trouble))?;
        Ok(true)
    }

    /// Asks services about what waits for them, as far as it is time for that, and appends what they let out; `last`: no
    /// more follows. The client and the provider wait meanwhile; a service's `timeout` bounds that. Tells how long that took; `None`: nobody was.
    async fn consult(&self, last: bool, out: &mut Vec<HttpTask>) -> Result<Option<Duration>> {
        if !self.exchange.lock().keeps() {
            return Ok(None);
        }
        let begun = Instant::now();
        let mut asked = self.look_at_long().await?;
        loop {
            let Some(asking) = self.exchange.lock().asks() else { break };
            let told = asking.ask().await;
            self.exchange.lock().heard(&asking, told);
            asked = true;
        }
        let let_out = self.exchange.lock().let_out();
        let bytes = let_out.map_err(|trouble| self.fail(trouble))?;
        if !bytes.is_empty() || last {
            self.release(bytes, last, out)?;
        }
        Ok(asked.then(|| begun.elapsed()))
    }

    /// Writes a batch, a large body piece by piece: the time that a client has is that of a piece, not of all.
    async fn write(&mut self, out: Vec<HttpTask>) -> Result<()> {
        let length = |task: &HttpTask| if let HttpTask::Body(Some(bytes), _) = task { bytes.len() } else { 0 };
        if out.iter().map(length).sum::<usize>() <= BATCH {
            return respond::bounded(self.inner_mut().response_duplex_vec(out)).await.map(drop);
        }
        for task in out {
            let HttpTask::Body(Some(mut bytes), end) = task else {
                respond::bounded(self.inner_mut().response_duplex_vec(vec![task])).await?;
                continue;
            };
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                let piece = HttpTask::Body(Some(piece), end && bytes.is_empty());
                respond::bounded(self.inner_mut().response_duplex_vec(vec![piece])).await?;
            }
        }
        Ok(())
    }

    /// Writes the sign of life that is due, if one is. Safe to be dropped at any time (trap 14): see [`super::vigil`].
    async fn keep_alive(&mut self, now: Instant) -> Result<()> {
        let mut out = Vec::with_capacity(2);
        {
            let mut exchange = self.exchange.lock();
            let Some(sign) = exchange.sign(now) else { return Ok(()) };
            let answered = exchange.committed();
            if exchange.vigil().begin(answered) {
                out.push(HttpTask::Header(Box::new(respond::early_header(&exchange)?), false));
                if let Some(attempt) = exchange.attempt_mut() {
                    attempt.answer.tell_in_stream();
                }
            }
            exchange.record.bytes_out += sign.len() as u64;
            out.push(HttpTask::Body(Some(Bytes::from_static(sign)), false));
        }
        respond::bounded(self.inner_mut().response_duplex_vec(out)).await?;
        self.exchange.lock().vigil().done(Instant::now());
        Ok(())
    }

    fn fail(&self, trouble: Trouble) -> Box<Error> {
        let error = trouble_error(&trouble);
        self.exchange.lock().found(trouble);
        error
    }

    /// Turns what Pingora would write into what is written. True at the end of the answer.
    fn sort(&self, tasks: Vec<HttpTask>, out: &mut Vec<HttpTask>) -> Result<bool> {
        let mut ended = false;
        for task in tasks {
            match task {
                // The provider's own header is never passed on, 1xx least of all (trap 3).
                HttpTask::Header(_, false) => {}
                HttpTask::Header(_, true) | HttpTask::Trailer(_) | HttpTask::Done => {
                    self.finish(out)?;
                    ended = true;
                }
                HttpTask::Body(data, end) => {
                    if let Some(bytes) = data.filter(|bytes| !bytes.is_empty()) {
                        self.release(bytes, false, out)?;
                    }
                    if end {
                        self.finish(out)?;
                        ended = true;
                    }
                }
                HttpTask::UpgradedBody(..) => return Err(self.fail(Trouble::Garbage("an upgrade".to_owned()))),
                HttpTask::Failed(error) => {
                    let trouble = super::forward::trouble_of(&error, &self.exchange.lock());
                    let broken = self.exchange.lock().broken(trouble);
                    match broken {
                        Ok(bytes) => self.over(bytes, out)?,
                        Err(trouble) => return Err(self.fail(trouble)),
                    }
                    ended = true;
                }
            }
            if ended {
                break;
            }
        }
        Ok(ended)
    }
}

#[async_trait]
impl CustomSession for Replay {
    fn req_header(&self) -> &RequestHeader {
        self.inner().req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.inner_mut().req_header_mut()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.inner_mut().write_response_header(header).await
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, _end: bool) -> Result<()> {
        self.inner_mut().write_response_header_ref(header).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.inner_mut().write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, _trailers: HeaderMap) -> Result<()> {
        Ok(())
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut out = Vec::with_capacity(tasks.len() + 1);
        let begun = Instant::now();
        let ended = self.sort(tasks, &mut out)?;
        let asked = self.consult(ended, &mut out).await?;
        if asked.is_some() || !out.is_empty() {
            if !out.is_empty() {
                self.write(out).await?;
            }
            // While a slow reader was written to, or a service asked, nobody listened to the provider (trap 13).
            if let Some(attempt) = self.exchange.lock().attempt_mut() {
                attempt.written(begun, asked.unwrap_or_default());
            }
        }
        // Trouble after the first piece was told in the body, with the good pieces before it (trap 5); only now is
        // the provider cut off, and by an error: `Ok(true)` would leave its call running (trap 19).
        let failed = {
            let exchange = self.exchange.lock();
            exchange.attempt().and_then(|attempt| attempt.answer.failed().cloned())
        };
        match failed {
            Some(trouble) => {
                respond::bounded(self.inner_mut().finish_body()).await?;
                Err(self.fail(trouble))
            }
            None => Ok(ended),
        }
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.inner().get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.inner().get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.inner().get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.inner().request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.inner().response_written()
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        if let Some(inner) = &mut self.inner {
            inner.shutdown().await;
        }
    }

    /// Towards HTTP/1.1 the body is one retry buffer; towards HTTP/2 it is read in slices, so that a provider that
    /// grants no window stops neither the deadlines nor the client's leaving from being seen (trap 7).
    fn is_body_done(&mut self) -> bool {
        self.exchange.lock().attempt().is_none_or(super::attempt::Attempt::body_done)
    }

    fn is_body_empty(&mut self) -> bool {
        self.exchange.lock().attempt().is_none_or(|attempt| attempt.body_len() == 0)
    }

    /// Pingora calls this at the end of the answer's body, not when the session is given up.
    async fn finish(&mut self) -> Result<()> {
        match &mut self.inner {
            Some(inner) => inner.finish_body().await,
            None => Ok(()),
        }
    }

    async fn read_body_or_idle(&mut self, _no_body_expected: bool) -> Result<Option<Bytes>> {
        if let Some(slice) = self.exchange.lock().attempt_mut().and_then(super::attempt::Attempt::next_slice) {
            return Ok(Some(slice));
        }
        loop {
            let Some(wake_at) = self.exchange.lock().wake_at() else {
                return self.inner_mut().read_body_or_idle(true).await;
            };
            let timer = match &mut self.timer {
                Some(timer) if timer.deadline() <= wake_at && !timer.is_elapsed() => timer,
                Some(timer) => {
                    timer.as_mut().reset(wake_at);
                    timer
                }
                none => none.insert(Box::pin(sleep_until(wake_at))),
            };
            let inner = self.inner.as_deref_mut().expect("the session is used only until it is parked");
            tokio::select! {
                idle = inner.read_body_or_idle(true) => {
                    if let (Err(_), Some(attempt)) = (&idle, self.exchange.lock().attempt()) {
                        // The client left: what was not uploaded by now was not sent.
                        attempt.cut_short();
                    }
                    return idle;
                }
                () = timer.as_mut() => {
                    let now = Instant::now();
                    let expired = self.exchange.lock().expired(now);
                    if let Some(trouble) = expired {
                        // Pingora will say that it came from downstream (trap 18): only the type counts.
                        return Err(self.fail(trouble));
                    }
                    self.keep_alive(now).await?;
                }
            }
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.inner().body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.inner().body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner().digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner_mut().digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner().client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner().server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.inner().to_h1_raw()
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.exchange.lock().attempt_mut().and_then(super::attempt::Attempt::whole_body)
    }

    /// Parks the client's session for [`put_back`]. May be called again: then there is nothing to park.
    async fn finish_custom(&mut self) -> Result<()> {
        if let Some(inner) = self.inner.take() {
            *self.parked.0.lock() = Some(inner);
        }
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}

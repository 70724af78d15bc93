//! What a scripted upstream does with one request, step by step.

use bytes::Bytes;
use tokio::sync::watch;

/// A door that a script waits at until the test opens it; once open, it stays open.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        let mut door = self.0.subscribe();
        door.wait_for(|open| *open).await.expect("the gate holds the sender");
    }
}

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    /// Status and fields. Without `content-length` the body goes out chunked.
    Head(u16, Vec<(String, String)>),
    /// A piece of body: one chunk, or one DATA frame.
    Body(Bytes),
    /// A piece of body cut into chunks (or frames) of one byte.
    Bytewise(Bytes),
    /// The proper end of the body.
    End,
    /// The proper end of the body with trailers.
    Trailers(Vec<(String, String)>),
    /// Bytes as they are; HTTP/1.1 only.
    Raw(Bytes),
    /// Waits for the test.
    Wait(Gate),
    /// Nothing more until the other side goes away.
    Stall,
    /// Closes the connection (H2: ends it after what was sent).
    Close,
    /// Resets the connection (H2: the stream).
    Reset,
}

/// All steps for one request.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
    /// Begins as soon as the head is there, without reading the body.
    pub early: bool,
}

impl Script {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole answer with `content-length`.
    pub fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        let script = Self::new().head(status, &[("content-type", content_type), ("content-length", &length)]);
        if body.is_empty() { script.end() } else { script.body(body).end() }
    }

    /// A whole JSON answer.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::answer(status, "application/json", body)
    }

    /// The head of an event stream.
    pub fn sse() -> Self {
        Self::new().head(200, &[("content-type", "text/event-stream")])
    }

    /// A whole event stream, each event in a chunk of its own.
    pub fn events<E: AsRef<[u8]>>(events: impl IntoIterator<Item = E>) -> Self {
        events.into_iter().fold(Self::sse(), |script, event| script.body(event.as_ref().to_vec())).end()
    }

    /// Refuses with an OpenAI error body.
    pub fn error(status: u16) -> Self {
        let body =
            format!(r#"{{"error":{{"message":"scripted {status}","type":"scripted","param":null,"code":null}}}}"#);
        Self::json(status, body)
    }

    /// Closes without a word.
    pub fn hang_up() -> Self {
        Self::new().step(Step::Close)
    }

    /// Never says anything.
    pub fn silence() -> Self {
        Self::new().step(Step::Stall)
    }

    /// Does not wait for the request's body.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Adds a head.
    pub fn head(self, status: u16, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.step(Step::Head(status, fields))
    }

    /// Adds a field to the head that was added last.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        match self.steps.iter_mut().rev().find_map(|step| if let Step::Head(_, f) = step { Some(f) } else { None }) {
            Some(fields) => fields.push((name.to_owned(), value.to_owned())),
            None => panic!("no head to add `{name}` to"),
        }
        self
    }

    /// Adds a piece of body.
    pub fn body(self, piece: impl Into<Bytes>) -> Self {
        self.step(Step::Body(piece.into()))
    }

    /// Adds a piece of body that goes out byte by byte.
    pub fn bytewise(self, piece: impl Into<Bytes>) -> Self {
        self.step(Step::Bytewise(piece.into()))
    }

    /// Adds raw bytes.
    pub fn raw(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Raw(bytes.into()))
    }

    /// Waits for `gate`.
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Stays silent from here.
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// Ends the body.
    pub fn end(self) -> Self {
        self.step(Step::End)
    }

    /// Closes the connection.
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Resets the connection.
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    /// Adds any step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

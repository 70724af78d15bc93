//! One request: read, understood, and answered as the knobs say.

use super::answer::Answer;
use super::anthropic::request_id;
use super::auth::{GEMINI_KEY, authorized};
use super::failure::Failure;
use super::form::Form;
use super::knobs::Knobs;
use super::models;
use super::question::Question;
use super::realtime;
use super::record::{Books, Visit};
use super::refusal::Refusal;
use super::server::Owned;
use super::services::{self, Asked};
use super::shelf::Shelf;
use super::stream::{Events, Fault, Paced, Reply, Sink};
use super::target::{Call, Service, Target, Wire};
use super::thinking::{Ready, Thinker, Whole};
use super::turns;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Provider {
    pub knobs: Arc<Knobs>,
    pub books: Arc<Books>,
    /// Files and batches.
    pub shelf: Shelf,
    /// The sockets of realtime sessions; they end with the provider.
    pub sessions: Owned,
}

/// Largest request body; past it 413. Above every limit that a gateway is likely to have.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// The header that carries knobs of one request.
const KNOBS_HEADER: &str = "x-simulate";

/// A request that is being answered.
struct Turn {
    provider: Arc<Provider>,
    visit: Visit,
    thinker: Thinker,
}

/// Answers a request. `Err` closes the connection without a word.
pub(super) async fn serve(provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response<Reply>, Refused> {
    let (head, body) = request.into_parts();
    if head.uri.path().starts_with("/_simulate/") {
        return Ok(page(&provider.books, &head));
    }
    let visit = provider.books.open(&head);
    let thinker = Thinker { knobs: Arc::clone(&provider.knobs), number: visit.number, wire: wire(&head) };
    let mut turn = Turn { provider, visit, thinker };
    let answered = turn.answer(head, body).await;
    Ok(match answered {
        Ok(Ready::Whole(whole)) => turn.whole(StatusCode::OK, whole),
        Ok(Ready::Stream { answer, events, kind }) => turn.stream(*answer, events, kind),
        Ok(Ready::Talk(talk)) => turn.talk(*talk),
        Err(refusal) if turn.thinker.knobs.fails(turn.visit.number) => return turn.fail(&refusal).await,
        Err(refusal) => turn.refuse(&refusal),
    })
}

/// The knobs want the connection closed.
#[derive(Debug, thiserror::Error)]
#[error("closed by the knob `fault`")]
pub(super) struct Refused;

/// Errors of requests that are no call have a shape, too.
fn wire(head: &Parts) -> Wire {
    let path = head.uri.path();
    if let Some(target) = Target::of(path) {
        return target.wire;
    }
    if path.starts_with("/v1/messages") || head.headers.contains_key("anthropic-version") {
        Wire::Anthropic
    } else if path.starts_with("/v1beta/") || head.headers.contains_key(GEMINI_KEY) {
        Wire::Gemini
    } else if path.starts_with("/model/") {
        Wire::Bedrock
    } else if ["/voyage/", "/jina/", "/mistral/"].iter().any(|prefix| path.starts_with(prefix)) {
        Wire::Detail
    } else if path.starts_with("/v2/") {
        Wire::Cohere
    } else if path.starts_with("/v1/projects/") || path.starts_with("/v1beta1/projects/") {
        Wire::Vertex
    } else {
        Wire::OpenAi
    }
}

/// Most calls are posted.
fn allowed(call: Call, method: &Method) -> bool {
    match call {
        Call::Service(Service::Files) => matches!(*method, Method::GET | Method::POST | Method::DELETE),
        Call::Service(Service::Batches) => matches!(*method, Method::GET | Method::POST),
        Call::Service(Service::Realtime | Service::MetadataToken) => *method == Method::GET,
        _ => *method == Method::POST,
    }
}

/// Whether the query has `alt=sse`.
fn asks_for_events(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
}

impl Turn {
    async fn answer(&mut self, mut head: Parts, body: Incoming) -> Result<Ready, Refusal> {
        if let Some(given) = head.headers.get(KNOBS_HEADER) {
            let pairs = given.to_str().map_err(|_| Refusal::bad("`x-simulate` is no text", None))?;
            self.knobs().apply(pairs).map_err(|bad| Refusal::bad(bad.to_string(), None))?;
        }
        let wire = self.thinker.wire;
        let path = head.uri.path().to_owned();
        let target = Target::of(&path);
        let call = target.as_ref().map(|target| target.call);
        authorized(wire, call, &head.headers, self.thinker.knobs.api_key.as_deref())?;
        let Some(target) = target else { return self.models(&head).await };
        if !allowed(target.call, &head.method) {
            let message = format!("Not allowed to {} on {path}", head.method);
            return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, ..Refusal::bad(message, None) });
        }
        if wire == Wire::Anthropic && !head.headers.contains_key("anthropic-version") {
            return Err(Refusal::bad("anthropic-version: header is required", None));
        }
        if target.streams_by_query() && !asks_for_events(head.uri.query()) {
            return Err(Refusal::bad("only `alt=sse` is simulated, not a stream that is one JSON array", Some("alt")));
        }
        if target.call == Call::Service(Service::Realtime) {
            return self.realtime(&mut head).await;
        }
        let body = self.read(body).await?;
        let ready = match target.call {
            Call::Service(service) => self.service(service, &head, &target, &body).await?,
            _ => self.converse(&target, &body).await?,
        };
        if let Ready::Whole(whole) = &ready {
            self.thinking_time(whole.pieces).await;
        }
        Ok(ready)
    }

    fn knobs(&mut self) -> &mut Knobs {
        Arc::make_mut(&mut self.thinker.knobs)
    }

    /// A model's answer to a conversation.
    async fn converse(&mut self, target: &Target<'_>, body: &Bytes) -> Result<Ready, Refusal> {
        let question = self.parse(body)?;
        if target.call != Call::CountTokens {
            turns::check(self.thinker.wire, body)?;
        }
        let (name, stream) = match &target.in_path {
            Some((name, stream)) => (name, *stream),
            None => (&question.model, question.stream == Some(true)),
        };
        let model = self.thinker.model(name)?;
        self.visit.asked(name, stream);
        self.fate().await?;
        let ready = self.thinker.think(target.call, &question, model, stream)?;
        self.book(&ready);
        Ok(ready)
    }

    /// An answer to all that is no conversation.
    async fn service(
        &mut self,
        service: Service,
        head: &Parts,
        target: &Target<'_>,
        body: &Bytes,
    ) -> Result<Ready, Refusal> {
        let wire = self.thinker.wire;
        let form = Form::of(service, head, body, wire)?;
        let in_path = target.in_path.as_ref().map(|(name, _)| name.as_ref());
        let name = in_path.or_else(|| form.text("model")).unwrap_or_default().to_owned();
        let model = if name.is_empty() { String::new() } else { self.thinker.model(&name)? };
        self.visit.asked(&name, form.yes("stream"));
        self.fate().await?;
        let shelf = &self.provider.shelf;
        let asked = Asked { service, head, form, model, thinker: &self.thinker, shelf };
        let ready = services::answer(&asked)?;
        self.book(&ready);
        Ok(ready)
    }

    async fn realtime(&mut self, head: &mut Parts) -> Result<Ready, Refusal> {
        let mut talk = realtime::asked(head)?;
        self.visit.asked(&talk.model, true);
        talk.model = self.thinker.model(&talk.model)?;
        self.fate().await?;
        Ok(Ready::Talk(Box::new(talk)))
    }

    fn book(&self, ready: &Ready) {
        match ready {
            Ready::Whole(Whole { billed: Some(billed), .. }) => self.visit.billed(billed),
            Ready::Stream { answer, .. } => self.visit.billed(&answer.billed),
            Ready::Whole(_) | Ready::Talk(_) => {}
        }
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|_| Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Refusal::bad("The request is too large, or broke off.", None)
        })?;
        let body = body.to_bytes();
        self.visit.body(&body);
        Ok(body)
    }

    fn parse<'a>(&self, body: &'a Bytes) -> Result<Question<'a>, Refusal> {
        let question: Question<'a> = serde_json::from_slice(body).map_err(|error| {
            Refusal::bad(format!("We could not parse the JSON body of your request: {error}"), None)
        })?;
        Ok(Question { body, ..question })
    }

    /// Waits as long as the header takes, and decides whether the request fails.
    async fn fate(&self) -> Result<(), Refusal> {
        if !self.thinker.knobs.latency.is_zero() {
            sleep(self.thinker.knobs.latency).await;
        }
        if self.thinker.knobs.fails(self.visit.number) {
            return Err(Refusal::simulated(self.thinker.knobs.error_status));
        }
        Ok(())
    }

    /// An answer that is not streamed comes when its last token is made.
    async fn thinking_time(&self, pieces: u32) {
        let mut time = self.thinker.knobs.first_token;
        if self.thinker.knobs.tokens_per_second > 0.0 {
            let seconds = f64::from(pieces.saturating_sub(1)) / self.thinker.knobs.tokens_per_second;
            time += Duration::from_secs_f64(seconds.min(86_400.0));
        }
        if !time.is_zero() {
            sleep(time).await;
        }
    }

    /// `GET /v1/models` and `/v1/models/{id}`, in each wire format that has them; anything else is not there.
    async fn models(&self, head: &Parts) -> Result<Ready, Refusal> {
        let path = head.uri.path();
        let below = path.strip_prefix("/v1/models").or_else(|| path.strip_prefix("/v1beta/models"));
        let id = below.filter(|_| head.method == Method::GET);
        let shown = match id {
            Some("" | "/") => models::listed(self.thinker.wire),
            Some(id) => models::shown(self.thinker.wire, id.trim_start_matches('/')),
            None => {
                let message = format!("Invalid URL ({} {path})", head.method);
                let code = if self.thinker.wire == Wire::Bedrock { "UnknownOperationException" } else { "unknown_url" };
                let code = Some(code);
                return Err(Refusal { status: StatusCode::NOT_FOUND, code, ..Refusal::bad(message, None) });
            }
        };
        self.fate().await?;
        Ok(Ready::free(shown.to_string().into_bytes()))
    }

    /// Fails as the knobs say.
    async fn fail(self, refusal: &Refusal) -> Result<Response<Reply>, Refused> {
        let fault = self.thinker.knobs.fault;
        match fault {
            Failure::Status => Ok(self.refuse(refusal)),
            Failure::Reset => Err(Refused),
            // Until the other side leaves, which drops this.
            Failure::Stall => std::future::pending().await,
            Failure::Html | Failure::Garbage | Failure::Redirect => {
                let (status, page) = fault.page().unwrap_or_default();
                let mut response = self.whole(status, Whole::free(page.as_bytes().to_vec()));
                fault.dress(&mut response);
                Ok(response)
            }
        }
    }

    fn refuse(self, refusal: &Refusal) -> Response<Reply> {
        let wire = self.thinker.wire;
        let body = refusal.body(wire, &request_id(self.visit.number)).to_string();
        let retry_after = self.thinker.knobs.retry_after.map(HeaderValue::from);
        let mut response = self.whole(refusal.status, Whole::free(body.into_bytes()));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        if wire == Wire::Bedrock {
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(refusal.bedrock()));
        }
        response
    }

    fn whole(self, status: StatusCode, whole: Whole) -> Response<Reply> {
        self.visit.answered(status.as_u16());
        let id = self.id_header();
        let fault = if status == StatusCode::OK { Fault::of(&self.thinker.knobs) } else { None };
        // Half of an answer tells the client of no usage.
        if let (Some(billed), None) = (&whole.billed, &fault) {
            self.visit.sent(billed.sent);
            if whole.reports && !self.thinker.knobs.no_usage {
                self.visit.reported(billed);
            }
        }
        let mut response = Response::new(Reply::Whole { bytes: whole.bytes.into(), fault, visit: self.visit });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(whole.kind));
        headers.extend(whole.headers.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)));
        headers.extend(id);
        response
    }

    fn stream(self, answer: Answer, events: Box<dyn Events>, kind: Option<&'static str>) -> Response<Reply> {
        self.visit.answered(StatusCode::OK.as_u16());
        let id = self.id_header();
        // Gemini's lines end so: <https://ai.google.dev/api/generate-content>.
        let wire = self.thinker.wire;
        let sink = Sink::new(self.thinker.knobs.crlf || matches!(wire, Wire::Gemini | Wire::Vertex));
        let usual = match wire {
            Wire::OpenAi | Wire::Anthropic | Wire::VertexClaude | Wire::Detail | Wire::OAuth => {
                "text/event-stream; charset=utf-8"
            }
            Wire::Gemini | Wire::Cohere | Wire::Vertex => "text/event-stream",
            Wire::Bedrock => "application/vnd.amazon.eventstream",
        };
        let paced = Paced::new(answer, events, sink, self.thinker.knobs, self.visit);
        let mut response = Response::new(Reply::Paced(Box::new(paced)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.unwrap_or(usual)));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(id);
        response
    }

    fn talk(self, talk: realtime::Talk) -> Response<Reply> {
        self.visit.answered(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        let (number, knobs) = (self.visit.number, self.thinker.knobs);
        talk.begin(number, knobs, self.visit, &self.provider.sessions)
    }

    /// The request's id in the answer's head, under each provider's name; Gemini has it in the body alone.
    fn id_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let name = match self.thinker.wire {
            Wire::OpenAi | Wire::Detail => HeaderName::from_static("x-request-id"),
            Wire::Anthropic | Wire::VertexClaude => HeaderName::from_static("request-id"),
            Wire::Bedrock => HeaderName::from_static("x-amzn-requestid"),
            Wire::Cohere => HeaderName::from_static("x-debug-trace-id"),
            Wire::Gemini | Wire::Vertex | Wire::OAuth => return None,
        };
        let value = HeaderValue::try_from(request_id(self.visit.number)).expect("letters and digits");
        Some((name, value))
    }
}

/// The simulator's own pages: `/_simulate/stats` and `/_simulate/requests`.
fn page(books: &Books, head: &Parts) -> Response<Reply> {
    let (status, body) = match head.uri.path() {
        "/_simulate/stats" => (StatusCode::OK, stats_page(books)),
        "/_simulate/requests" => (StatusCode::OK, json!(books.recorded())),
        path => (StatusCode::NOT_FOUND, json!({"error": {"message": format!("no page `{path}`")}})),
    };
    let mut response = Response::new(Reply::Page(body.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn stats_page(books: &Books) -> Value {
    let mut page = json!(books.stats());
    let by_path: serde_json::Map<String, Value> =
        books.by_path().map(|(path, count)| (path.to_owned(), json!(count))).collect();
    let last = books.latest().map(|last| {
        let id: Cow<'_, str> = request_id(last.number).into();
        json!({"id": id, "path": last.path, "headers": last.headers.lines().count(), "outcome": last.outcome})
    });
    if let Some(members) = page.as_object_mut() {
        members.insert("by_path".to_owned(), Value::Object(by_path));
        members.insert("last_request".to_owned(), json!(last));
    }
    page
}

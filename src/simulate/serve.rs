//! One request: read, understood, and answered as the knobs say.

use super::answer::{Answer, Billed, Shape, bill, chosen_tool, plan, prompts, structured};
use super::anthropic::{self, MessageEvents, request_id};
use super::auth::{GEMINI_KEY, authorized};
use super::bedrock::{self, ConverseEvents};
use super::gemini::{self, GenerateEvents};
use super::knobs::Knobs;
use super::models;
use super::openai::{self, ChatEvents, CompletionEvents, ResponseEvents};
use super::question::{Loose, Question, Words, tokens_of};
use super::record::{Books, Visit};
use super::refusal::Refusal;
use super::stream::{Events, Fault, Paced, Reply, Sink};
use super::target::{Call, GENERATE_STREAM, Target, Wire};
use super::turns;
use crate::model::{Clock, SystemClock};
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
}

/// Largest request body; past it 413. Above every limit that a gateway is likely to have.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// The header that carries knobs of one request.
const KNOBS_HEADER: &str = "x-simulate";

/// A request that is being answered.
struct Turn {
    knobs: Arc<Knobs>,
    visit: Visit,
    wire: Wire,
}

/// Answers a request. `Err` never happens; hyper's services have it in their signature.
pub(super) async fn serve(provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response<Reply>, Refused> {
    let (head, body) = request.into_parts();
    if head.uri.path().starts_with("/_simulate/") {
        return Ok(page(&provider.books, &head));
    }
    let visit = provider.books.open(&head);
    let mut turn = Turn { knobs: Arc::clone(&provider.knobs), visit, wire: wire(&head) };
    let answered = turn.answer(&head, body).await;
    Ok(match answered {
        Ok(Ready::Whole { bytes, billed, .. }) => turn.whole(StatusCode::OK, bytes, billed),
        Ok(Ready::Stream(answer, events)) => turn.stream(*answer, events),
        Err(refusal) => turn.refuse(&refusal),
    })
}

/// Never made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {}

/// An answer that is thought out.
enum Ready {
    Whole {
        bytes: Vec<u8>,
        /// Of one choice: they take time.
        pieces: u32,
        /// What is booked once it is sent.
        billed: Option<Billed>,
    },
    Stream(Box<Answer>, Box<dyn Events>),
}

/// Errors of requests that are no call have a shape, too.
fn wire(head: &Parts) -> Wire {
    let path = head.uri.path();
    if let Some(target) = Target::of(path) {
        return target.call.wire();
    }
    if path.starts_with("/v1/messages") || head.headers.contains_key("anthropic-version") {
        Wire::Anthropic
    } else if path.starts_with("/v1beta/") || head.headers.contains_key(GEMINI_KEY) {
        Wire::Gemini
    } else if path.starts_with("/model/") {
        Wire::Bedrock
    } else {
        Wire::OpenAi
    }
}

/// Whether the query has `alt=sse`.
fn asks_for_events(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
}

impl Ready {
    /// An answer that no model was needed for.
    const fn free(bytes: Vec<u8>) -> Self {
        Self::Whole { bytes, pieces: 0, billed: None }
    }
}

impl Turn {
    async fn answer(&mut self, head: &Parts, body: Incoming) -> Result<Ready, Refusal> {
        if let Some(given) = head.headers.get(KNOBS_HEADER) {
            let pairs = given.to_str().map_err(|_| Refusal::bad("`x-simulate` is no text", None))?;
            Arc::make_mut(&mut self.knobs).apply(pairs).map_err(|bad| Refusal::bad(bad.to_string(), None))?;
        }
        authorized(self.wire, &head.headers, self.knobs.api_key.as_deref())?;
        let Some(target) = Target::of(head.uri.path()) else { return self.models(head).await };
        if head.method != Method::POST {
            let message = format!("Not allowed to {} on {}", head.method, head.uri.path());
            return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, ..Refusal::bad(message, None) });
        }
        if self.wire == Wire::Anthropic && !head.headers.contains_key("anthropic-version") {
            return Err(Refusal::bad("anthropic-version: header is required", None));
        }
        if target.name == GENERATE_STREAM && !asks_for_events(head.uri.query()) {
            return Err(Refusal::bad("only `alt=sse` is simulated, not a stream that is one JSON array", Some("alt")));
        }
        let body = self.read(body).await?;
        let question = self.parse(&body)?;
        turns::check(self.wire, &body)?;
        let (name, stream) = match &target.in_path {
            Some((name, stream)) => (name, *stream),
            None => (&question.model, question.stream == Some(true)),
        };
        let model = self.model(name)?;
        self.visit.asked(name, stream);
        self.fate().await?;
        let ready = self.think(target.call, &question, model, stream)?;
        if let Ready::Whole { pieces, .. } = ready {
            self.thinking_time(pieces).await;
        }
        Ok(ready)
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

    /// The model's name, without its suffix, which is applied to the knobs.
    fn model(&mut self, name: &str) -> Result<String, Refusal> {
        if name.is_empty() {
            return Err(match self.wire {
                Wire::OpenAi => Refusal::bad("you must provide a model parameter", None),
                Wire::Anthropic | Wire::Gemini | Wire::Bedrock => Refusal::missing("model", self.wire),
            });
        }
        let Some((name, pairs)) = name.split_once('?') else { return Ok(name.to_owned()) };
        let knobs = Arc::make_mut(&mut self.knobs);
        knobs.apply(pairs).map_err(|bad| Refusal::bad(bad.to_string(), Some("model")))?;
        Ok(name.to_owned())
    }

    /// Waits as long as the header takes, and decides whether the request fails.
    async fn fate(&self) -> Result<(), Refusal> {
        if !self.knobs.latency.is_zero() {
            sleep(self.knobs.latency).await;
        }
        if self.knobs.fails(self.visit.number) {
            return Err(Refusal::simulated(self.knobs.error_status));
        }
        Ok(())
    }

    /// An answer that is not streamed comes when its last token is made.
    async fn thinking_time(&self, pieces: u32) {
        let mut time = self.knobs.first_token;
        if self.knobs.tokens_per_second > 0.0 {
            let seconds = f64::from(pieces.saturating_sub(1)) / self.knobs.tokens_per_second;
            time += Duration::from_secs_f64(seconds.min(86_400.0));
        }
        if !time.is_zero() {
            sleep(time).await;
        }
    }

    fn think(&mut self, call: Call, question: &Question<'_>, model: String, stream: bool) -> Result<Ready, Refusal> {
        if call == Call::CountTokens {
            let input = self.input(call, question)?;
            return Ok(Ready::free(anthropic::count(tokens_of(input.chars))));
        }
        if call == Call::Embeddings {
            let (bytes, tokens) = openai::embeddings(question, &model, !self.knobs.no_usage)?;
            let billed = bill(tokens, 0, &Knobs::default());
            self.visit.billed(&billed);
            return Ok(Ready::Whole { bytes, pieces: 0, billed: Some(billed) });
        }
        let mut answer = self.plan(call, question)?;
        answer.model = model;
        self.visit.billed(&answer.billed);
        if stream {
            let events = self.events(call, &answer);
            return Ok(Ready::Stream(Box::new(answer), events));
        }
        let bytes = match call {
            Call::Messages => anthropic::message(&answer),
            Call::Responses => openai::response(&answer),
            Call::Completions => openai::completion(&answer),
            Call::Generate => gemini::response(&answer),
            Call::Converse => bedrock::response(&answer, self.latency_ms()),
            _ => openai::chat(&answer),
        };
        Ok(Ready::Whole { bytes, pieces: answer.pieces.len(), billed: Some(answer.billed) })
    }

    fn events(&mut self, call: Call, answer: &Answer) -> Box<dyn Events> {
        match call {
            Call::Messages => Box::new(MessageEvents),
            Call::Responses => Box::new(ResponseEvents::new(answer)),
            Call::Completions => Box::new(CompletionEvents::new(answer)),
            Call::Generate => {
                if answer.tool.is_some() {
                    // The arguments are one part, so they are one chunk.
                    Arc::make_mut(&mut self.knobs).chunk_tokens = answer.pieces.len().max(1);
                }
                Box::new(GenerateEvents::new(answer))
            }
            Call::Converse => Box::new(ConverseEvents::new(answer, self.latency_ms())),
            _ => Box::new(ChatEvents::new(answer)),
        }
    }

    /// What an answer says that it took to its first token.
    fn latency_ms(&self) -> u64 {
        u64::try_from((self.knobs.latency + self.knobs.first_token).as_millis()).unwrap_or(u64::MAX)
    }

    fn plan(&mut self, call: Call, question: &Question<'_>) -> Result<Answer, Refusal> {
        let created = SystemClock.now_us() / 1_000_000;
        let shape = match call {
            Call::Generate => {
                let knobs = Arc::make_mut(&mut self.knobs);
                // Writing is not billed by tokens: <https://ai.google.dev/gemini-api/docs/pricing>.
                (knobs.cache_write, knobs.cache_write_1h) = (0, 0);
                gemini::shape(question)?
            }
            Call::Converse => bedrock::shape(question)?,
            _ => self.shape(call, question)?,
        };
        let mut answer = plan(self.visit.number, created, shape, &self.knobs);
        answer.include_usage = question.stream_options.as_ref().and_then(|it| it.include_usage).unwrap_or(false);
        if let Some(tier) = question.service_tier.as_deref().filter(|tier| *tier != "auto") {
            tier.clone_into(&mut answer.service_tier);
        }
        if let (Call::Completions, Some((_, count))) = (call, prompts(question.prompt)) {
            // Every prompt gets its `n` choices.
            answer.choices = answer.choices.saturating_mul(count.clamp(1, 128));
            answer.billed.sent = u64::from(answer.pieces.len()) * u64::from(answer.choices);
        }
        Ok(answer)
    }

    /// What OpenAI's and Anthropic's calls ask for.
    fn shape(&self, call: Call, question: &Question<'_>) -> Result<Shape, Refusal> {
        let input = self.input(call, question)?;
        let (cap, format) = match call {
            Call::Responses => (question.max_output_tokens, question.text),
            Call::Chat => (question.max_completion_tokens.or(question.max_tokens), question.response_format),
            _ => (question.max_tokens, None),
        };
        if call == Call::Messages && cap.is_none() {
            return Err(Refusal::missing("max_tokens", self.wire));
        }
        Ok(Shape {
            input,
            cap,
            choices: question.n,
            call: chosen_tool(question, input.asks_for_tool),
            json: format.and_then(structured),
            thinks_aloud: false,
        })
    }

    /// The text that the model reads.
    fn input(&self, call: Call, question: &Question<'_>) -> Result<Words, Refusal> {
        let aside = |loose: Option<Loose>| loose.map_or(0, |loose| loose.0.chars);
        let mut input = match call {
            Call::Responses => {
                let raw = question.input.ok_or_else(|| Refusal::missing("input", self.wire))?;
                let text = if raw.get().starts_with('"') {
                    serde_json::from_str::<Loose>(raw.get()).map(|loose| loose.0)
                } else {
                    serde_json::from_str(raw.get())
                };
                text.map_err(|error| Refusal::bad(format!("Invalid 'input': {error}"), Some("input")))?
            }
            Call::Completions => match prompts(question.prompt) {
                Some((words, _)) => words,
                None => return Err(Refusal::missing("prompt", self.wire)),
            },
            _ => question.messages.ok_or_else(|| Refusal::missing("messages", self.wire))?,
        };
        input.chars = input.chars.saturating_add(aside(question.system)).saturating_add(aside(question.instructions));
        Ok(input)
    }

    /// `GET /v1/models` and `/v1/models/{id}`, in each wire format that has them; anything else is not there.
    async fn models(&self, head: &Parts) -> Result<Ready, Refusal> {
        let path = head.uri.path();
        let below = path.strip_prefix("/v1/models").or_else(|| path.strip_prefix("/v1beta/models"));
        let id = below.filter(|_| head.method == Method::GET);
        let shown = match id {
            Some("" | "/") => models::listed(self.wire),
            Some(id) => models::shown(self.wire, id.trim_start_matches('/')),
            None => {
                let message = format!("Invalid URL ({} {path})", head.method);
                let code = if self.wire == Wire::Bedrock { "UnknownOperationException" } else { "unknown_url" };
                let code = Some(code);
                return Err(Refusal { status: StatusCode::NOT_FOUND, code, ..Refusal::bad(message, None) });
            }
        };
        self.fate().await?;
        Ok(Ready::free(shown.to_string().into_bytes()))
    }

    fn refuse(self, refusal: &Refusal) -> Response<Reply> {
        let wire = self.wire;
        let body = refusal.body(wire, &request_id(self.visit.number)).to_string();
        let retry_after = self.knobs.retry_after.map(HeaderValue::from);
        let mut response = self.whole(refusal.status, body.into_bytes(), None);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        if wire == Wire::Bedrock {
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(refusal.bedrock()));
        }
        response
    }

    fn whole(self, status: StatusCode, bytes: Vec<u8>, billed: Option<Billed>) -> Response<Reply> {
        self.visit.answered(status.as_u16());
        let id = self.id_header();
        let fault = if status == StatusCode::OK { Fault::of(&self.knobs) } else { None };
        // Half of an answer tells the client of no usage.
        if let (Some(billed), None) = (&billed, &fault) {
            self.visit.sent(billed.sent);
            if !self.knobs.no_usage {
                self.visit.reported(billed);
            }
        }
        let mut response = Response::new(Reply::Whole { bytes: bytes.into(), fault, visit: self.visit });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(id);
        response
    }

    fn stream(self, answer: Answer, events: Box<dyn Events>) -> Response<Reply> {
        self.visit.answered(StatusCode::OK.as_u16());
        let id = self.id_header();
        // Gemini's lines end so: <https://ai.google.dev/api/generate-content>.
        let sink = Sink::new(self.knobs.crlf || self.wire == Wire::Gemini);
        let kind = match self.wire {
            Wire::OpenAi | Wire::Anthropic => "text/event-stream; charset=utf-8",
            Wire::Gemini => "text/event-stream",
            Wire::Bedrock => "application/vnd.amazon.eventstream",
        };
        let paced = Paced::new(answer, events, sink, self.knobs, self.visit);
        let mut response = Response::new(Reply::Paced(Box::new(paced)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(id);
        response
    }

    /// The request's id in the answer's head, under each provider's name; Gemini has it in the body alone.
    fn id_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let name = match self.wire {
            Wire::OpenAi => HeaderName::from_static("x-request-id"),
            Wire::Anthropic => HeaderName::from_static("request-id"),
            Wire::Bedrock => HeaderName::from_static("x-amzn-requestid"),
            Wire::Gemini => return None,
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

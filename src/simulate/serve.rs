//! One request: read, understood, and answered as the knobs say.

use super::answer::{Answer, Billed, Shape, bill, plan, prompts};
use super::anthropic::{self, MessageEvents, request_id};
use super::knobs::Knobs;
use super::openai::{self, ChatEvents, CompletionEvents, ResponseEvents};
use super::question::{Loose, Question, Words, tokens_of};
use super::record::{Books, Visit};
use super::refusal::Refusal;
use super::stream::{Events, Fault, Paced, Reply};
use crate::model::{Api, Clock, Dialect, SystemClock};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
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

/// The models that are listed; any other name is answered as well.
const MODELS: [&str; 3] = ["sim-small", "sim-large", "sim-embed"];

/// A request that is being answered.
struct Call {
    knobs: Arc<Knobs>,
    visit: Visit,
    dialect: Dialect,
}

/// Answers a request. `Err` never happens; hyper's services have it in their signature.
pub(super) async fn serve(provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response<Reply>, Refused> {
    let (head, body) = request.into_parts();
    if head.uri.path().starts_with("/_simulate/") {
        return Ok(page(&provider.books, &head));
    }
    let visit = provider.books.open(&head);
    let mut call = Call { knobs: Arc::clone(&provider.knobs), visit, dialect: dialect(&head) };
    let answered = call.answer(&head, body).await;
    Ok(match answered {
        Ok(Ready::Whole { bytes, billed, .. }) => call.whole(StatusCode::OK, bytes, billed),
        Ok(Ready::Stream(answer, events)) => call.stream(*answer, events),
        Err(refusal) => call.refuse(&refusal),
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

fn dialect(head: &Parts) -> Dialect {
    let anthropic = head.uri.path().starts_with("/v1/messages") || head.headers.contains_key("anthropic-version");
    if anthropic { Dialect::Anthropic } else { Dialect::OpenAi }
}

impl Ready {
    /// An answer that no model was needed for.
    const fn free(bytes: Vec<u8>) -> Self {
        Self::Whole { bytes, pieces: 0, billed: None }
    }
}

/// The call that a path means.
fn api(path: &str) -> Option<Api> {
    let call = path.strip_prefix("/v1/")?;
    Api::ALL.into_iter().find(|api| *api != Api::Generate && api.path() == call)
}

impl Call {
    async fn answer(&mut self, head: &Parts, body: Incoming) -> Result<Ready, Refusal> {
        if let Some(given) = head.headers.get(KNOBS_HEADER) {
            let pairs = given.to_str().map_err(|_| Refusal::bad("`x-simulate` is no text", None))?;
            Arc::make_mut(&mut self.knobs).apply(pairs).map_err(|bad| Refusal::bad(bad.to_string(), None))?;
        }
        self.authorized(&head.headers)?;
        let Some(api) = api(head.uri.path()) else { return self.models(head).await };
        if head.method != Method::POST {
            let message = format!("Not allowed to {} on {}", head.method, head.uri.path());
            return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, ..Refusal::bad(message, None) });
        }
        if api.dialect() == Dialect::Anthropic && !head.headers.contains_key("anthropic-version") {
            return Err(Refusal::bad("anthropic-version: header is required", None));
        }
        let body = self.read(body).await?;
        let question = self.parse(&body)?;
        let model = self.model(&question)?;
        self.visit.asked(&question.model, question.stream == Some(true));
        self.fate().await?;
        let ready = self.think(api, &question, model)?;
        if let Ready::Whole { pieces, .. } = ready {
            self.thinking_time(pieces).await;
        }
        Ok(ready)
    }

    /// # Errors
    ///
    /// 401 when a key is asked for and not given.
    fn authorized(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(key) = &self.knobs.api_key else { return Ok(()) };
        let bearer = headers.get(AUTHORIZATION).and_then(|it| it.as_bytes().strip_prefix(b"Bearer "));
        let plain = headers.get("x-api-key").map(HeaderValue::as_bytes);
        if bearer == Some(key.as_bytes()) || plain == Some(key.as_bytes()) {
            return Ok(());
        }
        Err(Refusal {
            status: StatusCode::UNAUTHORIZED,
            message: "Incorrect API key provided.".to_owned(),
            param: None,
            code: None,
        })
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
        serde_json::from_slice(body)
            .map_err(|error| Refusal::bad(format!("We could not parse the JSON body of your request: {error}"), None))
    }

    /// The model's name, without its suffix, which is applied to the knobs.
    fn model(&mut self, question: &Question<'_>) -> Result<String, Refusal> {
        let name = &*question.model;
        if name.is_empty() {
            return Err(match self.dialect {
                Dialect::OpenAi | Dialect::Gemini => Refusal::bad("you must provide a model parameter", None),
                Dialect::Anthropic => Refusal::missing("model", self.dialect),
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

    fn think(&mut self, api: Api, question: &Question<'_>, model: String) -> Result<Ready, Refusal> {
        if api == Api::CountTokens {
            let input = self.input(api, question)?;
            return Ok(Ready::free(anthropic::count(tokens_of(input.chars))));
        }
        if api == Api::Embeddings {
            let (bytes, tokens) = openai::embeddings(question, &model, !self.knobs.no_usage)?;
            let billed = bill(tokens, 0, &Knobs::default());
            self.visit.billed(&billed);
            return Ok(Ready::Whole { bytes, pieces: 0, billed: Some(billed) });
        }
        let mut answer = self.plan(api, question)?;
        answer.model = model;
        self.visit.billed(&answer.billed);
        if question.stream == Some(true) {
            let events: Box<dyn Events> = match api {
                Api::Messages => Box::new(MessageEvents),
                Api::Responses => Box::new(ResponseEvents::new(&answer)),
                Api::Completions => Box::new(CompletionEvents::new(&answer)),
                _ => Box::new(ChatEvents::new(&answer)),
            };
            return Ok(Ready::Stream(Box::new(answer), events));
        }
        let bytes = match api {
            Api::Messages => anthropic::message(&answer),
            Api::Responses => openai::response(&answer),
            Api::Completions => openai::completion(&answer),
            _ => openai::chat(&answer),
        };
        Ok(Ready::Whole { bytes, pieces: answer.pieces.len(), billed: Some(answer.billed) })
    }

    fn plan(&self, api: Api, question: &Question<'_>) -> Result<Answer, Refusal> {
        let input = self.input(api, question)?;
        let (cap, format) = match api {
            Api::Responses => (question.max_output_tokens, question.text),
            Api::ChatCompletions => (question.max_completion_tokens.or(question.max_tokens), question.response_format),
            _ => (question.max_tokens, None),
        };
        if api == Api::Messages && cap.is_none() {
            return Err(Refusal::missing("max_tokens", Dialect::Anthropic));
        }
        let created = SystemClock.now_us() / 1_000_000;
        let shape = Shape { input, cap, format };
        let mut answer = plan(self.visit.number, created, question, &shape, &self.knobs);
        if let (Api::Completions, Some((_, count))) = (api, prompts(question.prompt)) {
            // Every prompt gets its `n` choices.
            answer.choices = answer.choices.saturating_mul(count.clamp(1, 128));
            answer.billed.sent = u64::from(answer.pieces.len()) * u64::from(answer.choices);
        }
        Ok(answer)
    }

    /// The text that the model reads.
    fn input(&self, api: Api, question: &Question<'_>) -> Result<Words, Refusal> {
        let aside = |loose: Option<Loose>| loose.map_or(0, |loose| loose.0.chars);
        let mut input = match api {
            Api::Responses => {
                let raw = question.input.ok_or_else(|| Refusal::missing("input", self.dialect))?;
                let text = if raw.get().starts_with('"') {
                    serde_json::from_str::<Loose>(raw.get()).map(|loose| loose.0)
                } else {
                    serde_json::from_str(raw.get())
                };
                text.map_err(|error| Refusal::bad(format!("Invalid 'input': {error}"), Some("input")))?
            }
            Api::Completions => match prompts(question.prompt) {
                Some((words, _)) => words,
                None => return Err(Refusal::missing("prompt", self.dialect)),
            },
            _ => question.messages.ok_or_else(|| Refusal::missing("messages", self.dialect))?,
        };
        input.chars = input.chars.saturating_add(aside(question.system)).saturating_add(aside(question.instructions));
        Ok(input)
    }

    /// `GET /v1/models` and `/v1/models/{id}`, in both dialects; anything else is not there.
    async fn models(&self, head: &Parts) -> Result<Ready, Refusal> {
        let path = head.uri.path();
        let id = path.strip_prefix("/v1/models").filter(|_| head.method == Method::GET);
        let shown = match id {
            Some("" | "/") => self.listed(),
            Some(id) => self.shown(id.trim_start_matches('/')),
            None => {
                let message = format!("Invalid URL ({} {path})", head.method);
                let code = Some("unknown_url");
                return Err(Refusal { status: StatusCode::NOT_FOUND, code, ..Refusal::bad(message, None) });
            }
        };
        self.fate().await?;
        Ok(Ready::free(shown.to_string().into_bytes()))
    }

    fn listed(&self) -> Value {
        let data: Vec<Value> = MODELS.iter().map(|id| self.shown(id)).collect();
        match self.dialect {
            Dialect::OpenAi | Dialect::Gemini => json!({"object": "list", "data": data}),
            Dialect::Anthropic => {
                json!({"data": data, "has_more": false, "first_id": MODELS.first(), "last_id": MODELS.last()})
            }
        }
    }

    fn shown(&self, id: &str) -> Value {
        match self.dialect {
            Dialect::OpenAi | Dialect::Gemini => {
                json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "simulated"})
            }
            Dialect::Anthropic => {
                json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"})
            }
        }
    }

    fn refuse(self, refusal: &Refusal) -> Response<Reply> {
        let body = refusal.body(self.dialect, &request_id(self.visit.number)).to_string();
        let retry_after = self.knobs.retry_after.map(HeaderValue::from);
        let mut response = self.whole(refusal.status, body.into_bytes(), None);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
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
        headers.insert(id.0, id.1);
        response
    }

    fn stream(self, answer: Answer, events: Box<dyn Events>) -> Response<Reply> {
        self.visit.answered(StatusCode::OK.as_u16());
        let id = self.id_header();
        let mut response = Response::new(Reply::Paced(Box::new(Paced::new(answer, events, self.knobs, self.visit))));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        headers.insert(id.0, id.1);
        response
    }

    /// OpenAI calls it `x-request-id`, Anthropic `request-id`.
    fn id_header(&self) -> (HeaderName, HeaderValue) {
        let name = match self.dialect {
            Dialect::OpenAi | Dialect::Gemini => HeaderName::from_static("x-request-id"),
            Dialect::Anthropic => HeaderName::from_static("request-id"),
        };
        let value = HeaderValue::try_from(request_id(self.visit.number)).expect("letters and digits");
        (name, value)
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

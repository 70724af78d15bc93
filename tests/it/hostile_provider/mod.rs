//! Whatever a provider does, its client gets another target's answer or a proper error in its own dialect, nothing of the
//! provider's leaks, the books close, and nobody else notices.
//!
//! `heads` and `bodies` are tables of raw bytes over HTTP/1.1, `cuts` breaks streams that had begun, `frames` is HTTP/2 and
//! TLS, `figures` is what cannot be true in usage, `egress` the way there; `secrets` is what it knows of us; `files` and `sessions` are the calls beside the
//! models'.

mod bodies;
mod cuts;
mod egress;
mod figures;
mod frames;
mod files;
mod heads;
mod secrets;
mod sessions;

use crate::support::call::{Answer, Call};
use crate::support::config::{KEY, Setup, secret};
use crate::support::gateway::Gateway;
use crate::support::sample;
use crate::support::script::Script;
use crate::support::upstream::Upstream;

/// Stands in everything hostile that a client must not see.
pub const LEAK: &str = "LEAK-7";

/// Time-outs that end a stall soon.
const SOON: &str = "timeouts: { connect: 400ms, first_token: 700ms, response: 700ms, idle: 700ms, total: 20s }";

const GENERATE: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;

/// How a client asks; the model's name is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Chat,
    ChatStream,
    Messages,
    MessagesStream,
    Generate,
}

pub const WAYS: [Way; 5] = [Way::Chat, Way::ChatStream, Way::Messages, Way::MessagesStream, Way::Generate];

impl Way {
    pub fn call(self, model: &str) -> Call {
        let named = |text: &str| text.replace("\"fast\"", &format!("\"{model}\""));
        match self {
            Self::Chat => Call::post("/v1/chat/completions", named(sample::CHAT_ASK)),
            Self::ChatStream => Call::post("/v1/chat/completions", named(sample::CHAT_STREAM_ASK)),
            Self::Messages => Call::post("/v1/messages", named(sample::MESSAGE_ASK)),
            Self::MessagesStream => Call::post("/v1/messages", named(sample::MESSAGE_STREAM_ASK)),
            Self::Generate => Call::post(&format!("/v1beta/models/{model}:generateContent"), GENERATE),
        }
        .key(KEY)
    }

    /// Asserts a proper error of the dialect.
    fn assert_error(self, name: &str, status: u16, answer: &Answer) {
        assert_eq!(answer.status, status, "{name} {self:?}: {:?}", answer.body);
        assert_eq!(answer.broken, None, "{name} {self:?}");
        match self {
            Self::Chat | Self::ChatStream => drop(answer.openai_error(status)),
            Self::Messages | Self::MessagesStream => drop(answer.anthropic_error(status)),
            Self::Generate => assert_eq!(answer.json()["error"]["code"], status, "{name}: {}", answer.text()),
        }
    }
}

/// A gateway before a hostile provider `a` and a sound one `b`: model `alone` has the former, `fast` both, `other` the
/// latter. Clients of other dialects are translated for.
pub struct Siege {
    pub gateway: Gateway,
    pub hostile: Upstream,
    pub sound: Upstream,
    /// Attempts so far.
    rows: usize,
}

impl Siege {
    pub async fn with(hostile: Upstream) -> Self {
        let sound = Upstream::start().await;
        let setup = Setup::new().providers("openai", &[&hostile, &sound]);
        // One attempt a target, and none is left alone for what it did before: each row is judged by itself.
        let one = format!("{SOON}\nmax_attempts: 1");
        let setup = setup.top("health: { failures: 1000000, least: 1000000 }");
        let setup = setup.model_of("alone", &["a"], &one).model_of("fast", &["a", "b"], SOON);
        let gateway = setup.model_of("other", &["b"], SOON).start().await;
        Self { gateway, hostile, sound, rows: 0 }
    }

    /// Plays `script` to all ways of asking: alone it must end in `status`, with a second target in that one's answer.
    /// Another client is served meanwhile.
    pub async fn assert_held(&mut self, name: &str, script: Script, status: u16, ways: &[Way]) {
        self.hostile.always(script);
        for &way in ways {
            self.sound.by(sound_answer);
            let (ask, ask_other) = (way.call("alone"), Way::Chat.call("other"));
            let (alone, other) = tokio::join!(ask.send(self.gateway.address), ask_other.send(self.gateway.address));
            assert_eq!(other.status, 200, "{name}: another client meanwhile: {}", other.text());
            way.assert_error(name, status, &alone);
            assert_no_leak(name, &alone);
            let second = way.call("fast").send(self.gateway.address).await;
            assert_eq!(second.status, 200, "{name} {way:?}: the second target answers: {:?}", second.body);
            second.unbroken();
            assert_eq!(second.field("x-weighbridge-attempts"), Some("2"), "{name} {way:?}");
            assert_no_leak(name, &second);
            self.rows += 4;
        }
        assert!(self.gateway.runs(), "{name}: {}", self.gateway.log());
    }

    /// Asserts that the books are closed, and that nothing of it hurt the process.
    pub async fn assert_over(self) {
        let rows = self.gateway.settled(self.rows).await;
        assert!(rows.iter().all(|row| !row.text("status").is_empty() || row.number("status") < 1000), "{rows:?}");
        self.gateway.assert_verified().await;
        let log = self.gateway.log();
        assert!(!log.contains("panicked") && !log.contains(LEAK) && !log.contains(&secret("a")), "{log}");
        self.gateway.assert_serves().await;
    }
}

/// What the sound provider answers: a stream where one is asked for.
fn sound_answer(asked: &crate::support::upstream::Recorded) -> Script {
    if asked.text().contains("\"stream\":true") {
        Script::events(sample::chat_events())
    } else {
        Script::json(200, sample::CHAT)
    }
}

/// Nothing of the provider's heads, pages and secrets is in `answer`.
pub fn assert_no_leak(name: &str, answer: &Answer) {
    let fields = format!("{:?}", answer.headers);
    let body = String::from_utf8_lossy(&answer.body);
    for planted in [LEAK, &secret("a"), &secret("b")] {
        assert!(!fields.contains(planted), "{name}: {fields}");
        assert!(!body.contains(planted), "{name}: {body}");
    }
}

/// A raw answer with this head's lines behind the status line, and a leak in the head.
pub fn raw(status_line: &str, lines: &[&str], body: &str) -> Script {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    Script::new().raw(format!("{status_line}\r\nx-leak: {LEAK}\r\n{lines}\r\n{body}")).close()
}

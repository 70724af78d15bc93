//! What a request may cost at most at one target, and which output cap is still payable. Pure arithmetic.
//!
//! **Input.** A byte-level tokenizer (OpenAI's, Anthropic's, Llama 3's, Qwen's …) makes at least one byte of each token,
//! so text has at most as many tokens as bytes. The tokens that a chat template puts around messages and tools (4 a
//! message, fewer than 10 a tool by OpenAI's cookbook) are fewer than the bytes of the JSON that stands for them: the
//! shortest message, `{"role":"user","content":""}`, has 28. So the body's bytes bound what is read of it, less the
//! base64 of pictures, sound and documents, and plus what a provider adds of its own ([`FRAME`], [`TOOLS`], [`BUILT_IN`]).
//! Not covered: a server that normalises text to more bytes than were sent (NFKC in some SentencePiece models).
//!
//! Input that is not in the body is bounded by the target's context window; where that is not known, nothing bounds it.
//!
//! **Output** is bounded by the cap, in which reasoning counts. **Units** (pictures, seconds, characters, searches) are
//! what the request asks for at most. **Prices** are the dearest of all classes, service tiers
//! and input sizes that the request can reach.

mod fees;
pub mod media;
mod pictures;
mod units;

use super::learned::Learned;
use super::target::{Target, Way};
use crate::catalogue::{Price, Reach};
use crate::config::{Budgeting, Estimates};
use crate::model::{Api, Ask, Demand, Dialect, ServiceTier};
use crate::providers::codec::Codec;
use fees::Hosted;

/// Beside a request's own text: the start of the answer, a default system prompt of one line.
const FRAME: u64 = 64;
/// What a provider says to its model when there are tools. Anthropic's is the longest that is published, below 1,000
/// tokens (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>).
const TOOLS: u64 = 1_024;
/// The definition of a tool of the provider's own. Anthropic publishes up to 735 tokens for one, and 499 for what is said
/// once (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/computer-use-tool>).
const BUILT_IN: u64 = 2_048;
/// Base64 of sound that makes one token at least. OpenAI makes 10 tokens of a second of sound that is sent
/// (<https://platform.openai.com/docs/guides/realtime-costs>); the sparsest MP3 has 1,000 bytes a second, which is 133
/// of base64 for a token. The duration is not looked for, so a quarter of that is taken.
const AUDIO_BYTES: u64 = 32;

/// What a request may cost has no bound: an enforced budget refuses it (`budget_unbounded`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing bounds what `{field}` may cost")]
pub struct Unbounded {
    /// The path of the member that has no bound, or of the one that would set it.
    pub field: String,
}

/// Who runs a target, as far as its published rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// `api.openai.com` and its regional hosts.
    OpenAi,
    /// `api.anthropic.com`.
    Anthropic,
    /// Anybody else.
    Other,
}

impl Maker {
    /// By the host that is called.
    pub fn of(host: &str) -> Self {
        let is = |name: &str| host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        match host {
            _ if is("api.openai.com") => Self::OpenAi,
            _ if is("api.anthropic.com") => Self::Anthropic,
            _ => Self::Other,
        }
    }
}

/// What bounding needs of a target.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Who runs it.
    pub maker: Maker,
    /// The model's name there.
    pub model: &'a str,
    /// Its price, if known.
    pub price: Option<&'a Price>,
    /// Most input, if known.
    pub max_input_tokens: Option<u64>,
    /// Most output, if known.
    pub max_output_tokens: Option<u64>,
    /// Bytes per token as seen so far.
    pub learned: &'a Learned,
    /// What translates the request, where it does not pass as it is.
    pub codec: Option<&'a dyn Codec>,
    /// It is billed by the search, not by the token.
    pub by_search: bool,
}

impl<'a> Terms<'a> {
    /// Those of `target` for `ask`.
    pub fn of(target: &'a Target, ask: &Ask) -> Self {
        Self {
            maker: Maker::of(&target.provider.endpoint().host),
            model: &target.model,
            price: target.price.as_deref(),
            max_input_tokens: target.max_input_tokens,
            max_output_tokens: target.max_output_tokens,
            learned: &target.learned,
            codec: target.provider.codec().filter(|_| ask.api.converses() && target.way(ask) == Some(Way::Translated)),
            by_search: target.retriever(ask.api).is_some_and(|retriever| retriever.by_search(&target.model)),
        }
    }

    /// The most that it reads at once; `field` is what needs to know.
    fn window(&self, field: &str) -> Result<u64, Unbounded> {
        self.max_input_tokens.ok_or_else(|| unbounded(field))
    }
}

/// What a request may cost at most at one target, as a function of the output cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Tokens of input, over all times that the model reads it.
    pub input_tokens: u64,
    /// Fees of hosted tools, nano-dollars.
    pub fixed_nano: i64,
    /// Answers that are made, each up to the cap: `n`, times the turns of Anthropic's hosted tools.
    pub choices: u32,
    /// Most tokens of one answer as things stand: the client's cap, else the model's most, else the default.
    pub output_cap: u64,
    /// The cap that the client set.
    pub client_cap: Option<u64>,
    /// A cap below this makes no sense: the request is refused instead. Never above `output_cap`.
    pub min_output: u64,
    /// `output_cap` is a default that nobody else knows: it must be written into the body.
    pub write_cap: bool,
    /// Of the input, tokens of sound.
    audio_tokens: u64,
    /// Output beside each answer: the tokens of a prediction that are rejected.
    extra_output: u64,
    /// Output beside all answers: tokens of what no cap bounds.
    unit_tokens: u64,
    /// A lower cap is raised to it on its way.
    least_output: u64,
    /// What has no bound in tokens, where nothing else depends on them: a budget of tokens that enforces cannot pay.
    pub untold_tokens: Option<Unbounded>,
    /// `None`: the price is unknown.
    rates: Option<Rates>,
}

/// Nano-dollars for a million tokens, the dearest that can be reached; `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rates {
    input: Option<u64>,
    audio_input: Option<u64>,
    output: Option<u64>,
    /// All units together, for a million requests; `Err`: the class that has no price.
    units: Result<u128, &'static str>,
    /// Of all that, in percent.
    percent: u32,
}

/// What `ask` may cost at most at `target`. `min_output_tokens`: the largest of the budgets that apply.
///
/// # Errors
///
/// [`Unbounded`] names what has no bound.
pub fn bound(ask: &Ask, target: &Target, budgeting: &Budgeting, min_output_tokens: u64) -> Result<Bound, Unbounded> {
    bound_on(ask, &Terms::of(target, ask), budgeting, min_output_tokens)
}

/// As [`bound`], on plain terms.
///
/// # Errors
///
/// As [`bound`].
pub fn bound_on(
    ask: &Ask,
    terms: &Terms<'_>,
    budgeting: &Budgeting,
    min_output_tokens: u64,
) -> Result<Bound, Unbounded> {
    if !ask.api.billed() {
        return Ok(Bound::nothing());
    }
    let demand = &ask.demand;
    if let Some(member) = demand.unpriced {
        return Err(unbounded(member));
    }
    if let Some(media) = &demand.media {
        return media::bound(ask, media, terms);
    }
    if terms.maker == Maker::OpenAi && fees::searches_unasked(terms.model) {
        return Err(unbounded("model"));
    }
    let hosted = Hosted::of(terms.maker, demand)?;
    let input_tokens = input(demand, terms, budgeting.estimates, &hosted)?;
    let client_cap = ask.caps.tokens();
    let known = client_cap.or(terms.max_output_tokens);
    // A response of a session is bounded by what its model can say at most: no cap of ours goes up.
    let session = ask.api == Api::Realtime;
    if session && terms.max_output_tokens.is_none() {
        return Err(unbounded("model"));
    }
    let generates = ask.api.generates() || session;
    let output_cap = if generates { known.unwrap_or(budgeting.default_max_output_tokens.get()) } else { 0 };
    // With interleaved thinking, a beta that is asked for in a header, the budget may exceed the cap and then replaces it
    // (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>).
    let thinking = demand.thinking_budget.unwrap_or(0);
    if thinking > 0 && thinking >= output_cap {
        return Err(unbounded("thinking.budget_tokens"));
    }
    let tiers = tiers(ask)?;
    Ok(Bound {
        input_tokens,
        fixed_nano: hosted.fees_nano,
        choices: ask.choices.saturating_mul(hosted.answers),
        output_cap,
        client_cap,
        min_output: if session { output_cap } else { thinking.saturating_add(min_output_tokens).min(output_cap) },
        write_cap: generates && known.is_none(),
        audio_tokens: demand.audio_bytes.div_ceil(AUDIO_BYTES).saturating_mul(hosted.turns).min(input_tokens),
        extra_output: demand.prediction_bytes,
        unit_tokens: demand.units.tokens(),
        untold_tokens: None,
        least_output: terms.codec.map_or(0, Codec::least_output),
        rates: terms
            .price
            .filter(|price| !terms.by_search || price.bills("searches"))
            .map(|price| Rates::of(price, ask, terms.maker, (input_tokens, tiers))),
    })
}

fn unbounded(field: &str) -> Unbounded {
    Unbounded { field: field.to_owned() }
}

/// Input tokens over all turns.
fn input(demand: &Demand, terms: &Terms<'_>, estimates: Estimates, hosted: &Hosted<'_>) -> Result<u64, Unbounded> {
    let text = match estimates {
        Estimates::Strict => demand.readable_bytes,
        Estimates::Learned => terms.learned.bound(demand.readable_bytes),
    };
    // Codecs make tools of formats, and of calls before.
    let tools = if demand.tools > 0 || terms.codec.is_some() { TOOLS } else { 0 };
    let built_in = BUILT_IN.saturating_mul(demand.built_in_tools.into());
    let mut seen = [FRAME, tools, built_in].into_iter().fold(text, u64::saturating_add);
    let mut unseen = demand.unseen.as_deref().or(hosted.path);
    if demand.images > 0 || demand.audio_bytes > 0 {
        match pictures::tokens(terms, demand) {
            Some(pictures) => {
                let sound = demand.audio_bytes.div_ceil(AUDIO_BYTES);
                seen = seen.saturating_add(pictures).saturating_add(sound);
            }
            // Nothing is published of this server.
            None => unseen = unseen.or(demand.first_media.as_deref()).or(Some("messages")),
        }
    }
    let once = match unseen {
        Some(field) => seen.max(terms.window(field)?),
        None => seen,
    };
    Ok(once.saturating_mul(hosted.turns))
}

/// The tiers that an answer to `ask` may be billed at.
///
/// OpenAI: `auto` is what the project is set to, `flex` and `priority` may fall back to the standard tier, and the answer
/// says what was done (<https://platform.openai.com/docs/api-reference/chat/create#chat-create-service_tier>). That page
/// makes `auto` the default too; here a request that names no tier is taken for standard, which is what a project is set
/// to unless somebody changed it. Anthropic: `auto` and `standard_only`; its priority tier is bought in advance
/// (<https://platform.claude.com/docs/en/api/service-tiers>).
fn tiers(ask: &Ask) -> Result<&'static [ServiceTier], Unbounded> {
    use ServiceTier::{Flex, Priority, Standard};
    match ask.demand.service_tier.as_deref() {
        None | Some("default" | "standard" | "standard_only" | "scale") => Ok(&[Standard]),
        Some("auto") => Ok(&[Standard, Flex, Priority]),
        Some("flex") => Ok(&[Standard, Flex]),
        Some("priority" | "fast") => Ok(&[Standard, Priority]),
        Some(_) => Err(unbounded("service_tier")),
    }
}

/// Of what costs nothing.
const FREE: Rates = Rates { input: Some(0), audio_input: Some(0), output: Some(0), units: Ok(0), percent: 100 };

impl Rates {
    fn of(price: &Price, ask: &Ask, maker: Maker, (input_tokens, tiers): (u64, &[ServiceTier])) -> Self {
        let demand = &ask.demand;
        // OpenAI caches unasked, and some of its models bill the write; Anthropic writes where a marker stands.
        let unasked = ask.api.dialect() == Dialect::OpenAi || maker != Maker::Anthropic;
        let reach = Reach { cache_writes: unasked || demand.cache_writes, cache_hour: demand.cache_hour };
        let dearest = price.dearest(input_tokens, tiers, reach);
        // What is not seen may be sound, or pictures.
        let hidden = dearest.audio_input.filter(|_| demand.unseen.is_some());
        let pictures = dearest.image_input.filter(|_| demand.unseen.is_some() || demand.images > 0);
        // A call that is billed by the unit has no price for its tokens, and needs none.
        let free = Some(0).filter(|_| units::sold(&demand.units, &dearest));
        let spoken = || dearest.audio_output.map(|audio| dearest.output.unwrap_or(0).max(audio));
        Self {
            input: dearest.input.max(hidden).max(pictures).or(free),
            audio_input: dearest.audio_input.max(dearest.input.filter(|_| dearest.audio_input.is_some())).or(free),
            units: units::cost(&demand.units, &dearest),
            output: if demand.audio_output { spoken() } else { dearest.output },
            percent: percent(demand),
        }
    }
}

/// Of the list price, in percent: Anthropic's `inference_geo` makes every class a tenth dearer
/// (<https://platform.claude.com/docs/en/manage-claude/data-residency>).
pub const fn percent(demand: &Demand) -> u32 {
    if demand.regional { 110 } else { 100 }
}

impl Bound {
    /// Of a call that nobody bills.
    const fn nothing() -> Self {
        Self {
            input_tokens: 0,
            fixed_nano: 0,
            choices: 0,
            output_cap: 0,
            client_cap: None,
            min_output: 0,
            write_cap: false,
            audio_tokens: 0,
            extra_output: 0,
            least_output: 0,
            unit_tokens: 0,
            untold_tokens: None,
            rates: Some(FREE),
        }
    }

    /// Output that one answer may report at `cap`: no less than the API lets be asked for, and with the tokens of a
    /// prediction that are rejected.
    pub const fn most_output(&self, cap: u64) -> u64 {
        let cap = if cap < self.least_output { self.least_output } else { cap };
        cap.saturating_add(self.extra_output)
    }

    /// What the request comes to at most if each answer is capped at `cap`: nano-dollars (`None`: some class of tokens
    /// has no known price) and tokens. Rounded up; saturates at the largest amount, which no budget pays. Never falls
    /// when `cap` grows.
    pub fn worst(&self, cap: u64) -> (Option<i64>, i64) {
        let output = self.most_output(cap).saturating_mul(self.choices.into());
        let tokens = self.input_tokens.saturating_add(self.unit_tokens).saturating_add(output);
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        let nano = self.input_part().and_then(|input| {
            let sum = input.saturating_add(self.output_part(output)?);
            let nano = i64::try_from(sum.div_ceil(PER_NANO)).unwrap_or(i64::MAX);
            Some(nano.saturating_add(self.fixed_nano))
        });
        (nano, tokens)
    }

    /// The largest cap, up to [`Bound::output_cap`], at which the request comes to no more than what is left (`None`:
    /// no budget of that unit applies): the exact inverse of [`Bound::worst`]. Money is looked at only where the price
    /// is known. 0 also where not even the input can be paid; to hold `worst(0)` tells.
    pub fn affordable_cap(&self, left_nano: Option<i64>, left_tokens: Option<i64>) -> u64 {
        if self.choices == 0 {
            return self.output_cap;
        }
        let beside = self.input_tokens.saturating_add(self.unit_tokens);
        let by_tokens = left_tokens.map_or(u64::MAX, |left| u64::try_from(left).unwrap_or(0).saturating_sub(beside));
        let by_money = left_nano.map_or(u64::MAX, |left| self.payable_output(left));
        let each = by_tokens.min(by_money) / u64::from(self.choices);
        let cap = each.saturating_sub(self.extra_output);
        if cap < self.least_output { 0 } else { cap.min(self.output_cap) }
    }

    /// Tokens of output that `left` nano-dollars pay for beside everything else.
    fn payable_output(&self, left: i64) -> u64 {
        let (Some(rates), Some(input)) = (self.rates, self.input_part()) else { return u64::MAX };
        let left = u128::try_from(i128::from(left) - i128::from(self.fixed_nano));
        let Some(room) = left.ok().and_then(|left| (left * PER_NANO).checked_sub(input)) else { return 0 };
        match rates.output.map(|rate| u128::from(rate) * u128::from(rates.percent)) {
            None | Some(0) => u64::MAX,
            Some(each) => u64::try_from(room / each).unwrap_or(u64::MAX),
        }
    }

    /// Why nothing is known of what it may come to: the class (a label of `Usage::classes`) that is asked for and has no
    /// price; `None` where the price itself is unknown, or is known.
    pub fn unpriced(&self) -> Option<&'static str> {
        self.rates.and_then(|rates| rates.units.err())
    }

    /// Of the input and the units, in 1/[`PER_NANO`] nano-dollars; `None`: not known.
    fn input_part(&self) -> Option<u128> {
        let rates = self.rates?;
        let priced = |tokens: u64, rate: Option<u64>| match tokens {
            0 => Some(0),
            _ => Some(u128::from(tokens) * u128::from(rate?)),
        };
        let text = priced(self.input_tokens.saturating_sub(self.audio_tokens), rates.input)?;
        let sound = priced(self.audio_tokens, rates.audio_input)?;
        let units = rates.units.ok()?;
        Some(text.saturating_add(sound).saturating_add(units).saturating_mul(rates.percent.into()))
    }

    /// Of `tokens` of output, in 1/[`PER_NANO`] nano-dollars; `None`: not known.
    fn output_part(&self, tokens: u64) -> Option<u128> {
        let rates = self.rates?;
        match tokens {
            0 => Some(0),
            _ => Some((u128::from(tokens) * u128::from(rates.output?)).saturating_mul(rates.percent.into())),
        }
    }
}

/// Rates are for a million tokens, and in percent.
const PER_NANO: u128 = 100_000_000;

/// The longest token of the public tokenizers, in bytes: a run of spaces in `o200k_base` and `cl100k_base` (a test
/// looks). Ordinary text has 3 to 5 bytes a token.
const LONGEST_TOKEN: u64 = 128;
/// Text that a provider may add around an answer (tags of tools, separators) without having made tokens of it.
const SLACK_BYTES: u64 = 1_024;

/// Whether a stream has certainly passed its cap of `cap` tokens for each of `choices` answers: its provider ignores the
/// cap, and the stream is ended. No honest stream is: what the provider itself reports is believed (`reported_output`,
/// cumulative), and bytes and events are only too many when each token was as long as the longest there is. Providers
/// may cut a token into several events, but into no more than it has bytes. `output_bytes` is of text, not of sound.
pub fn passes_cap(output_bytes: u64, events: u64, reported_output: Option<u64>, cap: u64, choices: u32) -> bool {
    let allowed = cap.saturating_mul(choices.max(1).into());
    let most = allowed.saturating_mul(LONGEST_TOKEN).saturating_add(SLACK_BYTES);
    reported_output.is_some_and(|output| output > allowed) || output_bytes > most || events > most
}

#[cfg(test)]
#[path = "bound_tests.rs"]
mod tests;

#[cfg(test)]
mod units_tests;

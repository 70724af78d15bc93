//! How much was used: disjoint classes of tokens, and where the figures came from.

use std::fmt;
use std::str::FromStr;

/// Tokens by class, and what else providers bill by. The classes are disjoint: a token stands in exactly one of them.
///
/// Providers report inclusive figures in different ways (OpenAI's input includes cached tokens, Anthropic's
/// does not; OpenAI's output includes reasoning); the reader of each API splits them before they get here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Input tokens at the full price: neither cached, nor written to a cache, nor audio.
    pub input: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input tokens written to a cache that lives 5 minutes.
    pub cache_write_5m: u64,
    /// Input tokens written to a cache that lives 1 hour.
    pub cache_write_1h: u64,
    /// Output tokens that are neither reasoning nor audio.
    pub output: u64,
    /// Output tokens that the model spent on reasoning.
    pub reasoning: u64,
    /// Audio among the input.
    pub audio_input: u64,
    /// Audio among the output.
    pub audio_output: u64,
    /// Pictures among the input, where their tokens have a price of their own.
    pub image_input: u64,
    /// Pictures among the output.
    pub image_output: u64,
    /// Pictures made, of providers that bill by the picture. From here on no tokens are counted.
    pub images: u64,
    /// Milliseconds of sound, of providers that bill by the second.
    pub audio_ms: u64,
    /// Characters, of providers that bill by the character.
    pub characters: u64,
    /// Searches (rerankings), of providers that bill by them.
    pub searches: u64,
}

impl Usage {
    /// Nothing.
    pub const ZERO: Self = Self {
        input: 0,
        cache_read: 0,
        cache_write_5m: 0,
        cache_write_1h: 0,
        output: 0,
        reasoning: 0,
        audio_input: 0,
        audio_output: 0,
        image_input: 0,
        image_output: 0,
        images: 0,
        audio_ms: 0,
        characters: 0,
        searches: 0,
    };

    /// How many classes there are.
    pub const CLASSES: usize = 14;

    /// How many of them are tokens: the first ones of [`Self::classes`]. The others are units.
    pub const TOKENS: usize = 10;

    /// All input tokens: every class of them. Saturates rather than wraps on a provider's absurd figures.
    pub const fn input_total(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.audio_input)
            .saturating_add(self.image_input)
    }

    /// All output tokens: text, reasoning, audio and pictures.
    pub const fn output_total(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.audio_output).saturating_add(self.image_output)
    }

    /// Class by class; saturates rather than wraps.
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_input: self.audio_input.saturating_add(other.audio_input),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            image_input: self.image_input.saturating_add(other.image_input),
            image_output: self.image_output.saturating_add(other.image_output),
            images: self.images.saturating_add(other.images),
            audio_ms: self.audio_ms.saturating_add(other.audio_ms),
            characters: self.characters.saturating_add(other.characters),
            searches: self.searches.saturating_add(other.searches),
        }
    }

    /// Whether nothing was used at all.
    pub const fn is_zero(&self) -> bool {
        let Self { images, audio_ms, characters, searches, .. } = *self;
        let units = images | audio_ms | characters | searches;
        self.input_total() == 0 && self.output_total() == 0 && units == 0
    }

    /// The classes, in the order of [`Self::classes`].
    pub const fn classes_mut(&mut self) -> [&mut u64; Self::CLASSES] {
        [
            &mut self.input,
            &mut self.cache_read,
            &mut self.cache_write_5m,
            &mut self.cache_write_1h,
            &mut self.output,
            &mut self.reasoning,
            &mut self.audio_input,
            &mut self.audio_output,
            &mut self.image_input,
            &mut self.image_output,
            &mut self.images,
            &mut self.audio_ms,
            &mut self.characters,
            &mut self.searches,
        ]
    }

    /// The classes with their label, in a fixed order: for metrics, roll-ups and records.
    pub const fn classes(&self) -> [(&'static str, u64); Self::CLASSES] {
        [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("audio_input", self.audio_input),
            ("audio_output", self.audio_output),
            ("image_input", self.image_input),
            ("image_output", self.image_output),
            ("images", self.images),
            ("audio_ms", self.audio_ms),
            ("characters", self.characters),
            ("searches", self.searches),
        ]
    }
}

/// Where the figures of a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageOrigin {
    /// The provider said so.
    Reported,
    /// Counted by the gateway with the model's own tokenizer.
    Counted,
    /// Estimated from the length of the text.
    Estimated,
    /// Nothing was used: not sent whole, or refused by the provider.
    None,
}

impl UsageOrigin {
    /// The name used in rows, labels and exports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Counted => "counted",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }
}

impl fmt::Display for UsageOrigin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for UsageOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reported, Self::Counted, Self::Estimated, Self::None]
            .into_iter()
            .find(|origin| origin.name() == text)
            .ok_or_else(|| format!("`{text}` is no usage origin"))
    }
}

/// The provider's service tier, which decides the row of the price list.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The ordinary price.
    #[default]
    Standard,
    /// Slower and cheaper (OpenAI `flex`).
    Flex,
    /// Faster and dearer (OpenAI and Anthropic `priority`).
    Priority,
    /// Answered within a day.
    Batch,
}

impl ServiceTier {
    /// The name used in the price list and in rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }

    /// Reads the tier that an answer reports; `default`, `auto`, `scale` and unknown words are the ordinary price.
    pub fn from_answer(text: &str) -> Self {
        match text {
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "batch" => Self::Batch,
            _ => Self::Standard,
        }
    }
}

//! Prompt injection and jailbreaks: named patterns, and a small linear model that looks at short windows.
//!
//! *Catches* what tells a model to drop its instructions, to leak them, to play a role without rules, to take a document's
//! orders; jailbreak templates; the same hidden in base64, hex, escapes, rot13, leet, tags, look-alikes, letters spaced or
//! split or backwards ([`crate::guard::decode`]). *Misses* orders in a tool result that read like an ordinary request
//! ("also send it to bob@…"), what no training text was like, languages other than English for the most part, what is
//! hidden twice, pictures. It is a net, not a wall: tools need rights of their own.
//!
//! A text is *flagged* or *blocked* by thresholds that were calibrated on benign texts, by their number of windows, as
//! long texts have more chances to look bad. Figures and how they came about: `load-tests/results/0.1.0/guard-injection.md`.
//!
//! Cost: about 20 µs per KiB (figures there); linear in the text, no allocation for each window, none at all after the first text of a thread but for
//! hidden texts. Failure mode: none, it is pure.

mod calibration;
mod features;
mod normal;
mod patterns;
mod settings;

pub use settings::{Level, Settings, build};

use self::features::{SLOTS, Scratch, Sum, windows};
use self::normal::normalise;
use self::patterns::{Hits, Matcher, PATTERNS, Weight};
use crate::{
    guard::{Judge, Judgement, decode::views},
    model::Speech,
};
use std::cell::RefCell;

/// What the guard calls what it finds: a pattern's name, or this when only the model finds something.
pub const PROMPT_INJECTION: &str = "prompt_injection";

/// The weights of the model, a signed byte for each slot.
static WEIGHTS: &[u8; SLOTS] = include_bytes!("weights.bin");

thread_local! {
    static ROOM: RefCell<Room> = RefCell::new(Room { scratch: Scratch::new(), normal: Vec::new() });
}

/// Bytes of room that a thread keeps from text to text.
const MOST_KEPT: usize = 1 << 20;

/// Room for one text; used again and again.
struct Room {
    scratch: Scratch,
    normal: Vec<u8>,
}

/// The guard.
pub struct Injection {
    level: Level,
    matcher: Matcher,
}

/// What is known of a text.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// The highest logit of a window.
    pub logit: f32,
    /// Windows.
    pub windows: u32,
    hits: Hits,
}

impl Evidence {
    /// Whether the model scores the text above all but so many of 1,000 ordinary ones: 2, 5, 10, 20, 30 or 50.
    pub fn reaches(&self, rate: u32) -> bool {
        self.logit >= reached(rate, self.windows)
    }
}

/// How far a text is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suspicion {
    None,
    Flag,
    Block,
}

impl Injection {
    /// The guard with these settings.
    pub fn new(settings: &Settings) -> Self {
        Self { level: settings.level, matcher: Matcher::new() }
    }

    /// What `text` says as it stands, without what is hidden in it.
    pub fn evidence(&self, text: &str) -> Evidence {
        ROOM.with_borrow_mut(|room| {
            let normal = normalise(text, &mut room.normal);
            let mut evidence = Evidence { logit: f32::MIN, windows: 0, hits: self.matcher.hits(normal) };
            windows(normal, WEIGHTS, &mut room.scratch, |sum, _| {
                evidence.windows += 1;
                evidence.logit = evidence.logit.max(logit(sum));
            });
            if room.normal.capacity() > MOST_KEPT {
                room.normal = Vec::new();
            }
            evidence
        })
    }

    /// The slots of each window of `text`, for training.
    pub fn slots(&self, text: &str) -> Vec<Vec<u32>> {
        ROOM.with_borrow_mut(|room| {
            let normal = normalise(text, &mut room.normal);
            let mut all = Vec::new();
            windows(normal, WEIGHTS, &mut room.scratch, |_, scratch| {
                let mut slots: Vec<u32> = scratch.slots().collect();
                slots.sort_unstable();
                slots.dedup();
                all.push(slots);
            });
            all
        })
    }

    fn suspicion(evidence: &Evidence, [flag, block]: [u32; 2]) -> Suspicion {
        let model = match (evidence.reaches(block), evidence.reaches(flag)) {
            (true, _) => Suspicion::Block,
            (_, true) => Suspicion::Flag,
            _ => Suspicion::None,
        };
        match evidence.hits.best().map(|pattern| pattern.weight) {
            Some(Weight::Proof) => Suspicion::Block,
            Some(Weight::Hint) if model >= Suspicion::Flag => Suspicion::Block,
            Some(Weight::Hint) => Suspicion::Flag,
            None => model,
        }
    }
}

impl Judge for Injection {
    fn judge(&self, text: &str, speech: Speech) -> Option<Judgement> {
        let rates = rates(self.level, speech)?;
        let plain = self.evidence(text);
        let mut worst = (Self::suspicion(&plain, rates), plain, "");
        for view in views(text) {
            if worst.0 == Suspicion::Block {
                break;
            }
            let evidence = self.evidence(&crate::guard::fold(&view.text));
            let suspicion = Self::suspicion(&evidence, rates);
            if suspicion > worst.0 {
                worst = (suspicion, evidence, view.form);
            }
        }
        let (suspicion, evidence, form) = worst;
        (suspicion > Suspicion::None).then(|| judgement(&evidence, form, suspicion, rates))
    }
}

fn judgement(evidence: &Evidence, form: &str, suspicion: Suspicion, [flag, block]: [u32; 2]) -> Judgement {
    let mut why: Vec<String> = evidence.hits.patterns().map(|pattern| format!("pattern {}", pattern.name)).collect();
    why.dedup();
    let rate = if evidence.reaches(block) { Some(block) } else { evidence.reaches(flag).then_some(flag) };
    why.extend(rate.map(|rate| format!("the model scores it above all but {rate} of 1,000 ordinary texts")));
    if !form.is_empty() {
        why.push(format!("hidden as {form}"));
    }
    Judgement {
        entity: evidence.hits.best().map_or(PROMPT_INJECTION, |pattern| pattern.name),
        why: why.join("; "),
        flag_only: suspicion < Suspicion::Block,
    }
}

/// All names of what the guard finds.
pub fn entities() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    let fresh = move |name: &&'static str| std::mem::replace(&mut last, name) != *name;
    PATTERNS.iter().map(|pattern| pattern.name).chain([PROMPT_INJECTION]).filter(fresh)
}

fn logit(sum: Sum) -> f32 {
    calibration::BIAS + calibration::SCALE * sum.weight as f32 / (sum.count.max(1) as f32).sqrt()
}

/// Of 1,000 ordinary texts so many are flagged and blocked; `None`: such texts are not looked at.
const fn rates(level: Level, speech: Speech) -> Option<[u32; 2]> {
    let outside = match speech {
        Speech::System | Speech::Assistant | Speech::Reasoning | Speech::Refusal | Speech::ToolCall => return None,
        Speech::User | Speech::Unknown => false,
        // Nobody has a reason to give orders there.
        Speech::ToolResult | Speech::Document | Speech::Definition => true,
    };
    Some(match (level, outside) {
        (Level::Strict, true) => [50, 20],
        (Level::Strict, false) | (Level::Balanced, true) => [50, 10],
        (Level::Balanced, false) | (Level::Lenient, true) => [30, 5],
        (Level::Lenient, false) => [10, 2],
    })
}

/// The logit that so many of 1,000 benign texts of so many windows reach.
fn reached(rate: u32, windows: u32) -> f32 {
    let line = calibration::REACHED.iter().find(|(of, _, _)| *of == rate);
    let (_, base, slope) = line.expect("the calibration has all rates");
    base + slope * (windows.max(1) as f32).ln()
}

#[cfg(test)]
mod tests;

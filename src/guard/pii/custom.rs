//! Entities of the configuration: a regular expression, and words that must stand in front of it.

use crate::guard::{CONTEXT, Hit, LONGEST, Spotter};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, nfa::thompson};

/// Largest automaton of one expression, in bytes: what is beyond is a mistake in the configuration.
const MOST_BYTES: usize = 1 << 20;

/// One entity of the configuration. A hit has at most 256 bytes; what an expression would match beyond is no hit.
pub(super) struct Custom {
    entity: &'static str,
    automaton: dense::DFA<Vec<u32>>,
    /// Bytes that a hit may begin with, by what they are.
    first: Box<[bool; 256]>,
    /// Lower case; empty: none is needed.
    context: Vec<String>,
}

impl Custom {
    /// # Errors
    ///
    /// What is wrong with the expression.
    pub(super) fn new(entity: &'static str, pattern: &str, context: Vec<String>) -> Result<Self, String> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .dfa_size_limit(Some(MOST_BYTES))
            .determinize_size_limit(Some(4 * MOST_BYTES));
        let automaton = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MOST_BYTES)))
            .build(pattern)
            .map_err(|error| reason(&error))?;
        let mut custom = Self { entity, automaton, first: Box::new([true; 256]), context: Vec::new() };
        if custom.automaton.is_match_state(custom.automaton.next_eoi_state(custom.begin(None))) {
            return Err("matches the empty text; say what a value has at least".to_owned());
        }
        for byte in 0..=u8::MAX {
            let begins = |before: Option<u8>| {
                let state = custom.begin(before);
                !custom.automaton.is_dead_state(custom.automaton.next_state(state, byte))
            };
            custom.first[usize::from(byte)] =
                [None, Some(b'a'), Some(b' '), Some(b'\n'), Some(b'\r')].into_iter().any(begins);
        }
        custom.context = context.into_iter().map(|word| word.to_ascii_lowercase()).collect();
        Ok(custom)
    }

    fn begin(&self, before: Option<u8>) -> StateID {
        let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
        self.automaton.start_state(&config).expect("anchored starts are built, and no byte is a quit byte")
    }

    /// The length of the match at `start`, and whether more text may change it.
    fn length(&self, text: &[u8], start: usize) -> (Option<usize>, bool) {
        let limit = text.len().min(start + LONGEST);
        let mut state = self.begin(start.checked_sub(1).map(|at| text[at]));
        let mut end = None;
        for (at, &byte) in text[start..limit].iter().enumerate() {
            state = self.automaton.next_state(state, byte);
            if self.automaton.is_match_state(state) {
                // Matches are told one byte late.
                end = Some(at);
            } else if self.automaton.is_dead_state(state) {
                return (end.filter(|&end| end > 0), false);
            }
        }
        if self.automaton.is_match_state(self.automaton.next_eoi_state(state)) {
            end = Some(limit - start);
        }
        (end.filter(|&end| end > 0), limit < start + LONGEST)
    }

    fn fits(&self, text: &[u8], start: usize) -> bool {
        let before = &text[start.saturating_sub(CONTEXT)..start];
        let told = |word: &String| before.windows(word.len()).any(|place| place.eq_ignore_ascii_case(word.as_bytes()));
        self.context.is_empty() || self.context.iter().any(told)
    }
}

fn reason(error: &dense::BuildError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

impl Spotter for Custom {
    fn next(&self, text: &str, from: usize) -> Option<Hit> {
        let bytes = text.as_bytes();
        (from..bytes.len()).filter(|&at| self.first[usize::from(bytes[at])] && text.is_char_boundary(at)).find_map(
            |start| {
                let (length, _) = self.length(bytes, start);
                let end = text.ceil_char_boundary(start + length?);
                self.fits(bytes, start).then_some(Hit { at: start..end, entity: self.entity, grow: None })
            },
        )
    }

    fn pending(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        let from = from.max(bytes.len().saturating_sub(LONGEST));
        let open = |&start: &usize| {
            self.first[usize::from(bytes[start])] && text.is_char_boundary(start) && self.length(bytes, start).1
        };
        (from..bytes.len()).find(open).unwrap_or(bytes.len())
    }
}

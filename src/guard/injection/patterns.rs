//! Named patterns: they say why, and the surest of them decide.
//!
//! A pattern is a row of parts, each one of some words, that follow one another with a bounded gap; it is looked for in
//! the normal form, all patterns in one pass.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// How much a pattern says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A flag; a block where the model has a suspicion too.
    Hint,
    /// A block.
    Proof,
}

/// A row of parts.
pub struct Pattern {
    /// What it is called in verdicts.
    pub name: &'static str,
    /// How much it says.
    pub weight: Weight,
    /// Bytes that may stand between two parts.
    gap: usize,
    parts: &'static [&'static [&'static str]],
}

const INSTRUCTIONS: &[&str] = &[
    "instruction",
    "guideline",
    "directive",
    "directions",
    "system prompt",
    "system message",
    "safety rules",
    "programming",
    "restrictions",
    "anweisung",
    "vorgaben",
    "consignes",
    "instrucciones",
    "instruções",
    "instrucoes",
    "istruzioni",
    "instructies",
    "инструкц",
    "指示",
    "指令",
    "说明",
    "instrukcj",
    "talimat",
    "지시",
];

const FORGET: &[&str] = &[
    "ignore",
    "disregard",
    "forget",
    "override",
    "bypass",
    "neglect",
    "do not follow",
    "don't follow",
    "stop following",
    "ignoriere",
    "vergiss",
    "missachte",
    "ignorez",
    "oubliez",
    "oublie",
    "ignora",
    "olvida",
    "dimentica",
    "esqueça",
    "esqueca",
    "negeer",
    "vergeet",
    "игнорируй",
    "забудь",
    "忽略",
    "无视",
    "無視",
    "忘记",
    "zignoruj",
    "yoksay",
    "무시",
];

const EARLIER: &[&str] = &[
    "previous",
    "prior",
    "preceding",
    "above",
    "earlier",
    "all",
    "any",
    "your",
    "the system",
    "original",
    "foregoing",
    "alle",
    "bisherigen",
    "vorherigen",
    "obigen",
    "précédentes",
    "precedentes",
    "toutes",
    "anteriores",
    "todas",
    "precedenti",
    "tutte",
    "vorige",
    "eerdere",
    "предыдущ",
    "все",
    "之前",
    "以上",
    "所有",
    "先前",
    "これまで",
    "上記",
    "poprzedni",
    "onceki",
    "이전",
];

/// All patterns; names are never changed.
pub const PATTERNS: &[Pattern] = &[
    Pattern {
        name: "ignore_previous_instructions",
        weight: Weight::Hint,
        gap: 24,
        parts: &[FORGET, EARLIER, INSTRUCTIONS],
    },
    Pattern {
        name: "ignore_previous_instructions",
        weight: Weight::Hint,
        gap: 24,
        parts: &[EARLIER, INSTRUCTIONS, FORGET],
    },
    Pattern {
        name: "system_prompt_extraction",
        weight: Weight::Hint,
        gap: 32,
        parts: &[
            &[
                "repeat",
                "reveal",
                "print",
                "output",
                "show me",
                "tell me",
                "display",
                "leak",
                "dump",
                "give me",
                "write out",
            ],
            &["your", "the"],
            &[
                "system prompt",
                "initial prompt",
                "initial instruction",
                "hidden prompt",
                "hidden instruction",
                "system message",
                "original instruction",
                "previous instruction",
                "pre-prompt",
                "preprompt",
                "words above",
                "text above",
            ],
        ],
    },
    Pattern {
        name: "persona_jailbreak",
        weight: Weight::Hint,
        gap: 120,
        parts: &[
            &[
                "you are now",
                "act as",
                "pretend to be",
                "pretend you are",
                "you will be",
                "you are going to",
                "roleplay as",
                "simulate",
                "from now on",
                "du bist jetzt",
                "tu es maintenant",
                "ahora eres",
                "你现在是",
            ],
            &[
                "no restrictions",
                "without restrictions",
                "unrestricted",
                "no rules",
                "no filter",
                "unfiltered",
                "uncensored",
                "no ethical",
                "without any restrictions",
                "no moral",
                "amoral",
                "jailbroken",
                "no limitations",
                "no longer bound",
                "not bound by",
                "free from all",
                "do anything now",
                "never refuse",
                "cannot refuse",
                "ohne einschränkungen",
                "sans restriction",
                "sin restricciones",
                "没有限制",
            ],
        ],
    },
    Pattern {
        name: "do_anything_now",
        weight: Weight::Proof,
        gap: 160,
        parts: &[
            &["you are", "act as", "stay", "immerse yourself", "role of", "pretend"],
            &["dan "],
            &["do anything now"],
        ],
    },
    Pattern {
        name: "developer_mode",
        weight: Weight::Hint,
        gap: 60,
        parts: &[
            &["enable", "enter", "activate", "simulate", "switch to", "you are now in", "act as", "with"],
            &[
                "developer mode",
                "debug mode",
                "god mode",
                "admin mode",
                "maintenance mode",
                "jailbreak mode",
                "dan mode",
                "unrestricted mode",
                "sudo mode",
                "entwicklermodus",
                "modo desarrollador",
                "mode développeur",
                "开发者模式",
            ],
        ],
    },
    Pattern {
        name: "chat_template_tokens",
        weight: Weight::Hint,
        gap: 3,
        parts: &[&[
            "<|im_start|>",
            "<|start_header_id|>",
            "[inst]",
            "<<sys>>",
            "<start_of_turn>",
            "<|system|>",
            "<|assistant|>",
            "<|endoftext|>",
            "<|im_end|>",
            "<|eot_id|>",
            "### system",
            "### instruction:",
        ]],
    },
    Pattern {
        name: "forged_turn",
        weight: Weight::Hint,
        gap: 40,
        parts: &[
            &[
                "<|im_start|>system",
                "<|start_header_id|>system",
                "<<sys>>",
                "[system]",
                "<system>",
                "### system",
                "begin system",
                "end of document",
                "end of input",
                "end of context",
                "[end of",
            ],
            &["you", "new instruction", "ignore", "override", "must", "disregard", "task"],
        ],
    },
    Pattern {
        name: "new_instructions",
        weight: Weight::Hint,
        gap: 40,
        parts: &[
            &[
                "new instruction",
                "updated instruction",
                "important instruction",
                "real instruction",
                "actual instruction",
                "your new task",
                "new system prompt",
                "system override",
                "instruction override",
                "attention ai",
                "note to ai",
                "message to the ai",
                "instructions for the ai",
                "instructions for ai",
                "if you are an ai",
                "if you are a language model",
                "dear assistant",
                "ai assistant:",
                "attention assistant",
            ],
            &[
                "you",
                "ignore",
                "must",
                "send",
                "reply",
                "respond",
                "forward",
                "execute",
                "call",
                "delete",
                "output",
                "print",
                "say",
                "instead",
                "recommend",
                "include",
            ],
        ],
    },
    Pattern {
        name: "markdown_image_exfiltration",
        weight: Weight::Hint,
        gap: 100,
        parts: &[
            &["!["],
            &["](http://", "](https://"],
            // What is to be filled in.
            &[
                "=[",
                "={",
                "=<",
                "=$",
                "=%s",
                "=your",
                "=secret",
                "=data",
                "=user",
                "=the",
                "=base64",
                "/[",
                "/{",
                "=conversation",
                "=history",
                "=summary",
            ],
        ],
    },
    Pattern {
        name: "refusal_suppression",
        weight: Weight::Hint,
        gap: 80,
        parts: &[
            &["never", "do not", "don't", "must not", "without", "cannot"],
            &["say", "saying", "use", "include", "apolog", "mention", "refus", "warn"],
            &[
                "i'm sorry",
                "i cannot",
                "i can't",
                "i'm unable",
                "as an ai",
                "sorry, but",
                "disclaimer",
                "warnings",
                "openai policy",
                "content policy",
                "ethical guidelines",
            ],
        ],
    },
];

/// What a text has of the patterns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits(u32);

impl Hits {
    /// The patterns, in the order of [`PATTERNS`].
    pub fn patterns(self) -> impl Iterator<Item = &'static Pattern> {
        PATTERNS.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, pattern)| pattern)
    }

    /// The pattern that says most, the first of equals.
    pub fn best(self) -> Option<&'static Pattern> {
        self.patterns().reduce(|best, other| if other.weight > best.weight { other } else { best })
    }
}

/// All patterns, ready to be looked for.
pub struct Matcher {
    words: AhoCorasick,
    /// For each word the parts that it is of: pattern and part.
    parts: Vec<Vec<(usize, usize)>>,
}

const MOST_PARTS: usize = 4;

impl Matcher {
    /// Builds the matcher; at start.
    pub fn new() -> Self {
        let (mut words, mut parts) = (Vec::<&str>::new(), Vec::<Vec<(usize, usize)>>::new());
        for (pattern, of) in PATTERNS.iter().enumerate() {
            for (part, choices) in of.parts.iter().enumerate() {
                for word in *choices {
                    let known = words.iter().position(|other| other == word);
                    let at = known.unwrap_or_else(|| {
                        words.push(word);
                        parts.push(Vec::new());
                        words.len() - 1
                    });
                    parts[at].push((pattern, part));
                }
            }
        }
        // Parts are taken from the last to the first: a word is not two parts of a row at once.
        parts.iter_mut().for_each(|of| of.sort_by(|a, b| b.cmp(a)));
        let mut room = Vec::new();
        let words: Vec<String> = words
            .into_iter()
            .map(|word| {
                let normal = super::normal::normalise(word, &mut room);
                let inner = normal.strip_prefix(' ').unwrap_or(normal);
                if word.ends_with(' ') { inner.to_owned() } else { inner.trim_end().to_owned() }
            })
            .collect();
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words)
            .expect("the words of the patterns build");
        Self { words, parts }
    }

    /// The patterns that `text`, which is in normal form, has.
    pub fn hits(&self, text: &str) -> Hits {
        let bytes = text.as_bytes();
        let mut ends = [[usize::MAX; MOST_PARTS]; PATTERNS.len()];
        let mut hits = Hits::default();
        for found in self.words.find_overlapping_iter(text) {
            let first = bytes[found.start()];
            let before = found.start().checked_sub(1).and_then(|at| bytes.get(at));
            if first.is_ascii_alphabetic() && before.is_some_and(u8::is_ascii_alphanumeric) {
                continue;
            }
            for &(pattern, part) in &self.parts[found.pattern().as_usize()] {
                let Pattern { gap, parts, .. } = &PATTERNS[pattern];
                let follows = part == 0
                    || (ends[pattern][part - 1] <= found.start() && found.start() - ends[pattern][part - 1] <= *gap);
                if follows {
                    ends[pattern][part] = found.end();
                    if part + 1 == parts.len() {
                        hits.0 |= 1 << pattern;
                    }
                }
            }
        }
        hits
    }
}

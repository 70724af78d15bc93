//! Words as a tree of their letters, walked from each place where one may begin.

use std::collections::HashMap;

/// Spaces that one space of a phrase stands for.
const MOST_SPACES: usize = 3;
/// Characters between two letters of a word that is split.
const MOST_BETWEEN: usize = 2;
/// Letters that a word must have to be sought split: two letters with something between them stand everywhere.
const LEAST_SPLIT: usize = 4;

/// How letters are compared, and whether words may be split.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) case_sensitive: bool,
    pub(super) split: bool,
}

/// What stands at a place.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Walk {
    /// Where the longest word ends.
    pub(super) end: Option<usize>,
    /// The end of the text was met: more may change it.
    pub(super) open: bool,
}

/// Words by their letters.
#[derive(Debug)]
pub(super) struct Trie {
    manner: Manner,
    /// From a node and a letter to the next node.
    edges: HashMap<(u32, char), u32>,
    /// Whether a word ends at a node, and its letters.
    ends: Vec<Option<usize>>,
}

impl Trie {
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>, manner: Manner) -> Self {
        let mut trie = Self { manner, edges: HashMap::new(), ends: vec![None] };
        for word in words {
            let mut node = 0;
            for letter in word.chars() {
                let fresh = u32::try_from(trie.ends.len()).unwrap_or(u32::MAX);
                node = *trie.edges.entry((node, manner.letter(letter))).or_insert(fresh);
                if node == fresh {
                    trie.ends.push(None);
                }
            }
            if let Some(end) = trie.ends.get_mut(node as usize) {
                *end = Some(word.chars().count());
            }
        }
        trie
    }

    /// The longest word at `at`, written together; behind it `may_end` must hold.
    pub(super) fn walk(&self, text: &str, at: usize, may_end: impl Fn(Option<char>) -> bool) -> Walk {
        let (mut node, mut place, mut walk) = (0, at, Walk::default());
        loop {
            let rest = text.get(place..).unwrap_or_default();
            let letter = rest.chars().next();
            if self.ends.get(node as usize).is_some_and(Option::is_some) {
                walk.open |= letter.is_none();
                if may_end(letter) {
                    walk.end = Some(place);
                }
            }
            let Some(letter) = letter else {
                walk.open = true;
                return walk;
            };
            let Some(&next) = self.edges.get(&(node, self.manner.letter(letter))) else { return walk };
            node = next;
            place += letter.len_utf8();
            if letter.is_whitespace() {
                let more = text.get(place..).unwrap_or_default();
                let spaces = more.chars().take(MOST_SPACES - 1).take_while(|one| one.is_whitespace());
                let length: usize = spaces.map(char::len_utf8).sum();
                place += length;
            }
        }
    }

    /// The longest word at `at` whose letters all have something between them: `b.a.d`, `b a d`.
    pub(super) fn walk_split(&self, text: &str, at: usize, may_end: impl Fn(Option<char>) -> bool) -> Walk {
        let (mut node, mut place, mut walk) = (0, at, Walk::default());
        let mut between = None;
        loop {
            let Some(letter) = text.get(place..).and_then(|rest| rest.chars().next()) else {
                walk.open = true;
                return walk;
            };
            let Some(&next) = self.edges.get(&(node, self.manner.letter(letter))) else { return walk };
            node = next;
            place += letter.len_utf8();
            let rest = text.get(place..).unwrap_or_default();
            let after = rest.chars().next();
            if self.ends.get(node as usize).is_some_and(|end| end.is_some_and(|letters| letters >= LEAST_SPLIT)) {
                walk.open |= after.is_none();
                if may_end(after) {
                    walk.end = Some(place);
                }
            }
            let parts = rest.bytes().take(MOST_BETWEEN).take_while(|byte| parts(*byte)).count();
            let Some(first) = rest.bytes().next() else {
                walk.open = true;
                return walk;
            };
            // The same all along: `a. bad` is no split word.
            if parts == 0 || *between.get_or_insert(first) != first {
                return walk;
            }
            place += parts;
        }
    }
}

impl Manner {
    fn letter(self, letter: char) -> char {
        if letter.is_whitespace() {
            return ' ';
        }
        if self.case_sensitive { letter } else { small(letter) }
    }
}

/// May part the letters of a word.
fn parts(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'/' | b'|' | b',' | b'+' | b'~')
}

/// The small letter, where it is one.
pub(super) fn small(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let mut small = letter.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// The capital letter, where it is one.
pub(super) fn capital(letter: char) -> char {
    let mut capital = letter.to_uppercase();
    match (capital.next(), capital.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

//! The features of a text and what the model says to them, in one pass.
//!
//! Features are runs of 3 to 5 characters within what stands between spaces (the space before and behind included), and
//! runs of 1 to 3 words (a word: letters, digits and `_`; each other sign is a word, and so is each Chinese or Japanese
//! character), hashed to [`SLOTS`]. The text is cut into blocks of about [`BLOCK`] bytes at spaces; a window is two
//! neighbouring blocks, and its features are a set. Each feature is hashed once, whatever the number of windows: a
//! window's sums are those of its blocks less what both have.

/// Slots that features are hashed to, as a power of two.
const SLOT_BITS: u32 = 18;
/// Slots that features are hashed to.
pub const SLOTS: usize = 1 << SLOT_BITS;
/// Bytes of the normal form after which a block ends at the next space; half a window.
const BLOCK: usize = 350;
/// A block ends here without a space.
const LONGEST_BLOCK: usize = 420;

/// Base of the rolling hashes: odd.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
const BASE_3: u64 = BASE.wrapping_mul(BASE).wrapping_mul(BASE);
const BASE_4: u64 = BASE_3.wrapping_mul(BASE);
const BASE_5: u64 = BASE_4.wrapping_mul(BASE);
/// Spreads a hash over its upper bits: odd.
const SPREAD: u64 = 0xff51_afd7_ed55_8ccd;
/// Tell features of different kinds apart.
const SALTS: [u64; 6] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
];

/// What a window's features add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sum of the weights of its features, each once.
    pub weight: i32,
    /// Number of its features.
    pub count: u32,
}

/// Room for the features of two blocks; used again and again.
pub struct Scratch {
    /// Two bits for each slot: whether either of the two blocks has it.
    seen: Box<[u64; SLOTS / 32]>,
    /// Slots of the block that is read, and of the block before it.
    blocks: [Vec<u32>; 2],
}

impl Scratch {
    /// All empty.
    pub fn new() -> Self {
        let seen = vec![0; SLOTS / 32].into_boxed_slice().try_into().expect("its length is the array's");
        Self { seen, blocks: [Vec::with_capacity(2_048), Vec::with_capacity(2_048)] }
    }

    fn forget(&mut self, which: usize) {
        for slot in self.blocks[which].drain(..) {
            let slot = slot as usize & (SLOTS - 1);
            self.seen[slot / 32] &= !(1 << (2 * (slot % 32) + which));
        }
    }
}

/// A block that is being read.
#[derive(Default)]
struct Block {
    sum: Sum,
    /// What the block before it has too.
    shared: Sum,
}

/// Calls `window` for each window of `text`, which is in normal form, with its sums and the slots of its two blocks.
pub fn windows(text: &str, weights: &[u8; SLOTS], scratch: &mut Scratch, mut window: impl FnMut(Sum, &[Vec<u32>; 2])) {
    scratch.forget(0);
    scratch.forget(1);
    let mut reader = Reader { weights, scratch, which: 0, block: Block::default(), before: None, windows: 0 };
    let mut begin = 0;
    let mut hashes = Hashes::default();
    for (at, character) in text.char_indices() {
        let length = at - begin;
        if length >= BLOCK && (character == ' ' || length >= LONGEST_BLOCK) {
            reader.end(&mut window);
            begin = at;
        }
        hashes.push(character, &mut |slot| reader.add(slot));
    }
    if reader.block.sum.count > 0 || reader.before.is_none() {
        reader.end(&mut window);
    }
    // A text of one block is its window.
    if reader.windows == 0 {
        window(reader.before.unwrap_or_default(), &reader.scratch.blocks);
    }
}

struct Reader<'a> {
    weights: &'a [u8; SLOTS],
    scratch: &'a mut Scratch,
    which: usize,
    block: Block,
    /// The sum of the block before.
    before: Option<Sum>,
    windows: u32,
}

impl Reader<'_> {
    #[inline]
    fn add(&mut self, slot: usize) {
        let slot = slot & (SLOTS - 1);
        let word = &mut self.scratch.seen[slot / 32];
        let pair = (*word >> (2 * (slot % 32))) & 3;
        if pair & (1 << self.which) != 0 {
            return;
        }
        *word |= 1 << (2 * (slot % 32) + self.which);
        self.scratch.blocks[self.which].push(slot as u32);
        let weight = i32::from(self.weights[slot] as i8);
        self.block.sum.weight += weight;
        self.block.sum.count += 1;
        if pair != 0 {
            self.block.shared.weight += weight;
            self.block.shared.count += 1;
        }
    }

    /// Ends the block; tells the window of it and the one before, if there is one.
    fn end(&mut self, window: &mut impl FnMut(Sum, &[Vec<u32>; 2])) {
        let Block { sum, shared } = std::mem::take(&mut self.block);
        if let Some(before) = self.before {
            self.windows += 1;
            let weight = before.weight + sum.weight - shared.weight;
            window(Sum { weight, count: before.count + sum.count - shared.count }, &self.scratch.blocks);
        }
        self.before = Some(sum);
        self.which ^= 1;
        self.scratch.forget(self.which);
    }
}

/// Rolling hashes of characters and words.
#[derive(Default)]
struct Hashes {
    /// Hashes of all characters up to now and up to one to five characters ago.
    past: [u64; 6],
    /// Characters since the space that the present ones stand behind, that space included.
    run: u32,
    /// Hash of the word that is being read; 0: none.
    word: u64,
    /// Hashes of the last two words; 0: none.
    words: [u64; 2],
}

impl Hashes {
    #[inline]
    fn push(&mut self, character: char, add: &mut impl FnMut(usize)) {
        let code = u64::from(u32::from(character)) + 1;
        let now = self.past[0].wrapping_mul(BASE).wrapping_add(code);
        self.past = [now, self.past[0], self.past[1], self.past[2], self.past[3], self.past[4]];
        self.run += 1;
        if self.run >= 3 {
            add(slot(now.wrapping_sub(self.past[3].wrapping_mul(BASE_3)), 0));
            if self.run >= 4 {
                add(slot(now.wrapping_sub(self.past[4].wrapping_mul(BASE_4)), 1));
                if self.run >= 5 {
                    add(slot(now.wrapping_sub(self.past[5].wrapping_mul(BASE_5)), 2));
                }
            }
        }
        if is_part(character) {
            self.word = self.word.wrapping_mul(BASE).wrapping_add(code);
            return;
        }
        if self.word != 0 {
            self.end_word(add);
        }
        if character == ' ' {
            self.run = 1;
        } else {
            self.word = code;
            self.end_word(add);
        }
    }

    #[inline]
    fn end_word(&mut self, add: &mut impl FnMut(usize)) {
        let word = self.word.wrapping_mul(SPREAD) | 1;
        add(slot(word, 3));
        let [last, before] = self.words;
        if last != 0 {
            let two = last.wrapping_mul(BASE_3).wrapping_add(word);
            add(slot(two, 4));
            if before != 0 {
                add(slot(before.wrapping_mul(BASE_5).wrapping_add(two.wrapping_mul(BASE)), 5));
            }
        }
        self.words = [word, last];
        self.word = 0;
    }
}

/// Whether `character` goes on with a word.
#[inline]
fn is_part(character: char) -> bool {
    match character {
        '0'..='9' | 'a'..='z' | '_' => true,
        '\0'..='\u{7f}' => false,
        // Chinese and Japanese write no spaces.
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' => false,
        _ => character.is_alphanumeric(),
    }
}

#[inline]
fn slot(hash: u64, kind: usize) -> usize {
    let mixed = (hash ^ SALTS[kind]).wrapping_mul(SPREAD);
    ((mixed ^ (mixed >> 32)).wrapping_mul(BASE) >> (64 - SLOT_BITS)) as usize
}

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

/// Slots that a block can have at most, rounded up to a power of two: six for each of its characters.
const MOST: usize = 4_096;

/// A bit for each slot.
type Bits = [u64; SLOTS / 64];

/// The features of a block.
struct Block {
    /// Its slots, each once.
    slots: Box<[u32; MOST]>,
    count: usize,
    /// The same as bits.
    seen: Box<Bits>,
}

impl Block {
    fn new() -> Self {
        let slots = vec![0; MOST].into_boxed_slice().try_into().expect("its length is the array's");
        let seen = vec![0; SLOTS / 64].into_boxed_slice().try_into().expect("its length is the array's");
        Self { slots, count: 0, seen }
    }

    fn slots(&self) -> &[u32] {
        &self.slots[..self.count.min(MOST)]
    }

    fn clear(&mut self) {
        for &slot in &self.slots[..self.count.min(MOST)] {
            self.seen[slot as usize / 64 % (SLOTS / 64)] = 0;
        }
        self.count = 0;
    }

    /// Reads `text`, going on from `hashes`; the block is empty before.
    fn read(&mut self, text: &str, hashes: &mut Hashes) {
        let (slots, seen, mut count) = (&mut *self.slots, &mut *self.seen, 0);
        let mut add = |slot: usize| {
            let (word, bit) = (&mut seen[slot / 64 % (SLOTS / 64)], slot % 64);
            let fresh = (*word >> bit) & 1 ^ 1;
            *word |= 1 << bit;
            // No branch: about every fourth feature is one again, and is written over.
            slots[count % MOST] = slot as u32;
            count += fresh as usize;
        };
        let mut now = std::mem::take(hashes);
        if text.is_ascii() {
            for &byte in text.as_bytes() {
                now.push(u32::from(byte), KINDS[usize::from(byte)], &mut add);
            }
        } else {
            for character in text.chars() {
                now.push(u32::from(character), kind(character), &mut add);
            }
        }
        *hashes = now;
        self.count = count;
    }

    /// What the block adds up to, and what of it `other` has too.
    fn sums(&self, other: &Self, weights: &[u8; SLOTS]) -> [Sum; 2] {
        let (mut own, mut shared) = (Sum::default(), Sum::default());
        for &slot in self.slots() {
            let slot = slot as usize % SLOTS;
            let weight = i32::from(weights[slot] as i8);
            let both = (other.seen[slot / 64] >> (slot % 64)) & 1;
            own.weight += weight;
            shared.weight += weight * both as i32;
            shared.count += both as u32;
        }
        own.count = self.count as u32;
        [own, shared]
    }
}

/// Room for the features of two blocks; used again and again.
pub struct Scratch {
    /// The block that was read last, and the one before it.
    blocks: [Block; 2],
}

impl Scratch {
    /// All empty.
    pub fn new() -> Self {
        Self { blocks: [Block::new(), Block::new()] }
    }

    /// The slots of the two blocks, those of both twice.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().flat_map(|block| block.slots().iter().copied())
    }
}

/// Calls `window` for each window of `text`, which is in normal form, with its sums and its blocks.
pub fn windows(text: &str, weights: &[u8; SLOTS], scratch: &mut Scratch, mut window: impl FnMut(Sum, &Scratch)) {
    scratch.blocks.iter_mut().for_each(Block::clear);
    let (mut before, mut rest) = (None::<Sum>, text);
    let mut hashes = Hashes::default();
    loop {
        let (block, behind) = rest.split_at(block_end(rest));
        rest = behind;
        scratch.blocks.swap(0, 1);
        let [own, last] = &mut scratch.blocks;
        own.clear();
        own.read(block, &mut hashes);
        let [sum, shared] = own.sums(last, weights);
        if let Some(before) = before {
            let weight = before.weight + sum.weight - shared.weight;
            window(Sum { weight, count: before.count + sum.count - shared.count }, scratch);
        } else if rest.is_empty() {
            // A text of one block is its window.
            window(sum, scratch);
        }
        before = Some(sum);
        if rest.is_empty() {
            return;
        }
    }
}

/// Where the first block of `text` ends: at a space, which is the next one's.
fn block_end(text: &str) -> usize {
    let longest = text.floor_char_boundary(LONGEST_BLOCK);
    match text.as_bytes().get(BLOCK..longest) {
        Some(end) => BLOCK + memchr::memchr(b' ', end).unwrap_or(end.len()),
        None => text.len(),
    }
}

/// What a character is to words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Goes on with a word.
    Part,
    Space,
    /// A word by itself.
    Sign,
}

/// Kinds of ASCII.
static KINDS: [Kind; 256] = {
    let mut table = [Kind::Sign; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = kind_of_ascii(byte as u8);
        byte += 1;
    }
    table
};

const fn kind_of_ascii(byte: u8) -> Kind {
    match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'_' => Kind::Part,
        b' ' => Kind::Space,
        _ => Kind::Sign,
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
    #[inline(always)]
    fn push(&mut self, code: u32, kind: Kind, add: &mut impl FnMut(usize)) {
        let code = (u64::from(code) + 1).wrapping_mul(SPREAD);
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
        if kind == Kind::Part {
            self.word = self.word.wrapping_mul(BASE).wrapping_add(code);
            return;
        }
        if self.word != 0 {
            self.end_word(add);
        }
        if kind == Kind::Space {
            self.run = 1;
        } else {
            self.word = code;
            self.end_word(add);
        }
    }

    #[inline(always)]
    fn end_word(&mut self, add: &mut impl FnMut(usize)) {
        let word = (self.word ^ (self.word >> 31)).wrapping_mul(SPREAD) | 1;
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

fn kind(character: char) -> Kind {
    match character {
        '\0'..='\u{7f}' => kind_of_ascii(character as u8),
        // Chinese and Japanese write no spaces.
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}' => Kind::Sign,
        _ if character.is_alphanumeric() => Kind::Part,
        _ => Kind::Sign,
    }
}

#[inline(always)]
fn slot(hash: u64, kind: usize) -> usize {
    ((hash ^ SALTS[kind]) >> (64 - SLOT_BITS)) as usize
}

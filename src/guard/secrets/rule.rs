//! What a row of the tables says, and how it is held against a text.

use super::reader::{Class, Reader};
use super::strength::varied;
use crate::guard::{Grow, Hit};

/// From the beginning of a hit to its end, when it goes on behind.
pub(super) const LONG: usize = 240;

/// What issuers a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Clouds, hosting, vaults.
    Cloud,
    /// Source hosting, CI, packages.
    Code,
    /// Model providers and what surrounds them.
    Models,
    /// Chat, mail, social networks.
    Messages,
    /// Payment and shops.
    Payment,
    /// Monitoring, analytics, databases, office.
    Services,
    /// Private keys.
    Keys,
    /// Signed tokens, headers, URLs and connection strings.
    Credentials,
    /// Secrets without a format, by the issuer's name in what they are assigned to.
    Named,
    /// What context alone makes a secret: assignments.
    Generic,
}

impl Group {
    /// All of them, as settings write them.
    pub const ALL: [(&'static str, Self); 10] = [
        ("cloud", Self::Cloud),
        ("code", Self::Code),
        ("models", Self::Models),
        ("messages", Self::Messages),
        ("payment", Self::Payment),
        ("services", Self::Services),
        ("keys", Self::Keys),
        ("credentials", Self::Credentials),
        ("named", Self::Named),
        ("generic", Self::Generic),
    ];

    /// How sure a hit of it is.
    pub const fn confidence(self) -> Confidence {
        match self {
            Self::Cloud | Self::Code | Self::Models | Self::Messages | Self::Payment | Self::Services | Self::Keys => {
                Confidence::High
            }
            Self::Credentials | Self::Named => Confidence::Medium,
            Self::Generic => Confidence::Low,
        }
    }
}

/// How sure a hit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// By context and by how random a value looks.
    Low,
    /// By syntax that also examples have.
    Medium,
    /// By an issuer's prefix and alphabet.
    High,
}

/// What follows a literal.
pub(super) enum Part {
    /// So many bytes of a class; what follows is not of it.
    Run(Class, usize, usize),
    /// At least so many bytes of a class, to where they end.
    Open(Class, usize),
    /// This.
    Lit(&'static str),
}

/// How a rule finds.
pub(super) enum How {
    Parts(&'static [Part]),
    /// Looks for itself: the place of the literal and its length.
    Own(fn(&Reader<'_>, usize, usize) -> Option<Hit>),
}

/// A format.
pub(super) struct Rule {
    pub(super) entity: &'static str,
    /// One of them stands where it begins.
    pub(super) literals: &'static [&'static str],
    pub(super) how: How,
    /// Bytes of the literal in front of the hit.
    pub(super) skip: usize,
    /// What stands in front of the literal: a class, and how many bytes of it.
    pub(super) behind: Option<(Class, usize, usize)>,
    /// What is behind the literal must pass it.
    check: fn(&[u8]) -> bool,
}

/// A row of a table.
pub(super) const fn rule(entity: &'static str, literals: &'static [&'static str], parts: &'static [Part]) -> Rule {
    Rule { entity, literals, how: How::Parts(parts), skip: 0, behind: None, check: varied }
}

/// A row whose rule looks for itself.
pub(super) const fn own(
    entity: &'static str,
    literals: &'static [&'static str],
    find: fn(&Reader<'_>, usize, usize) -> Option<Hit>,
) -> Rule {
    Rule { entity, literals, how: How::Own(find), skip: 0, behind: None, check: varied }
}

impl Rule {
    /// The hit begins so many bytes behind the literal's beginning.
    pub(super) const fn skip(mut self, bytes: usize) -> Self {
        self.skip = bytes;
        self
    }

    /// Between `least` and `most` bytes of `class` stand in front of the literal.
    pub(super) const fn behind(mut self, class: Class, least: usize, most: usize) -> Self {
        self.behind = Some((class, least, most));
        self
    }

    /// What is behind the literal passes `check`.
    pub(super) const fn check(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = check;
        self
    }

    /// The hit whose literal of `length` bytes stands at `at`.
    pub(super) fn find(&self, text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
        match self.how {
            How::Parts(parts) => self.find_parts(parts, text, at, length),
            How::Own(find) => find(text, at, length),
        }
    }

    fn find_parts(&self, parts: &[Part], text: &Reader<'_>, at: usize, length: usize) -> Option<Hit> {
        if !self.stands_apart(text, at) {
            return None;
        }
        let start = at + self.skip;
        text.begin(start);
        let (mut end, mut grow) = (at + length, None);
        for part in parts {
            match *part {
                Part::Run(class, least, most) => {
                    let stop = text.run(end, most + 1, class);
                    if stop - end < least || stop - end > most {
                        return None;
                    }
                    end = stop;
                }
                Part::Open(class, least) => {
                    let most = (start + LONG).saturating_sub(end);
                    let stop = text.run(end, most, class);
                    if stop - end < least {
                        return None;
                    }
                    grow = (stop - end == most).then_some(Grow::While(class));
                    end = stop;
                }
                Part::Lit(literal) if text.literal(end, literal) => end += literal.len(),
                Part::Lit(_) => return None,
            }
        }
        (self.check)(text.slice(at + length, end)).then_some(Hit { at: start..end, entity: self.entity, grow })
    }

    /// Nothing that could belong to it stands in front.
    pub(super) fn stands_apart(&self, text: &Reader<'_>, at: usize) -> bool {
        let word = text.slice(at, at + 1).first().is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Some((class, least, most)) = self.behind else { return !word || stands_apart(text, at) };
        let mut begin = at;
        while at - begin <= most && text.before(begin).is_some_and(class) {
            begin -= 1;
        }
        (least..=most).contains(&(at - begin)) && stands_apart(text, begin)
    }
}

/// Whether a word may begin here: behind what is no word, or behind an escape that stands in the text as such (`\n`,
/// `%3D`).
pub(super) fn stands_apart(text: &Reader<'_>, at: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text.before(at) {
        Some(byte) if word(byte) => {
            let escape = matches!(byte, b'n' | b'r' | b't') && text.before(at - 1) == Some(b'\\');
            escape
                || (byte.is_ascii_hexdigit()
                    && matches!(text.slice(at.saturating_sub(3), at), [b'%', two, _] if two.is_ascii_hexdigit()))
        }
        _ => true,
    }
}

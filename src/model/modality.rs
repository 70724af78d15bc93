//! What a request holds beside plain text, as far as is seen without decoding it.

/// One kind of content, or of what is asked for with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// Text: every request holds it.
    Text,
    /// Pictures.
    Image,
    /// Sound, sent or asked for.
    Audio,
    /// Films.
    Video,
    /// Documents and other files.
    Document,
    /// Tools.
    Tools,
}

impl Modality {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Text, Self::Image, Self::Audio, Self::Video, Self::Document, Self::Tools];

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
            Self::Tools => "tools",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Modalities(u8);

impl Modalities {
    /// Adds `one`.
    pub const fn insert(&mut self, one: Modality) {
        self.0 |= one.bit();
    }

    /// Adds `one` if `there`.
    pub const fn insert_if(&mut self, one: Modality, there: bool) {
        if there {
            self.insert(one);
        }
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `one` is in it.
    pub const fn contains(self, one: Modality) -> bool {
        self.0 & one.bit() != 0
    }

    /// Whether some are in both.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of it are in `other`.
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether none is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in it, in the order of [`Modality::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Modality> {
        Modality::ALL.into_iter().filter(move |one| self.contains(*one))
    }
}

impl FromIterator<Modality> for Modalities {
    fn from_iter<I: IntoIterator<Item = Modality>>(all: I) -> Self {
        let mut set = Self::default();
        all.into_iter().for_each(|one| set.insert(one));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_meet_and_hold_one_another() {
        let text: Modalities = [Modality::Text].into_iter().collect();
        let both: Modalities = [Modality::Text, Modality::Image].into_iter().collect();
        assert!(text.is_within(both) && !both.is_within(text) && text.meets(both));
        assert!(!text.contains(Modality::Image) && Modalities::default().is_empty());
        assert_eq!(both.iter().map(Modality::name).collect::<Vec<_>>(), ["text", "image"]);
    }
}

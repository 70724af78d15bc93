//! What a guard that decides about a whole text says about it.

use super::measure::Measure;
use crate::model::Speech;

/// Decides about texts, one by one.
///
/// Pure and without I/O; its time is linear in the length of the text. Texts come folded ([`super::fold`]); what else is
/// hidden in them (base64, spaced letters …) is tried by the judge that wants it.
pub trait Judge: Send + Sync {
    /// What is wrong with `text`, which is `speech`; `None`: nothing.
    fn judge(&self, text: &str, speech: Speech) -> Option<Judgement>;

    /// What is wrong with the texts of a request together; `None`: nothing.
    fn judge_all(&self, texts: &[String]) -> Option<Judgement> {
        let _ = texts;
        None
    }

    /// Whether it wants to know how long the texts of an answer are together.
    fn sums(&self) -> bool {
        false
    }

    /// What is wrong with an answer whose texts have `sum` together so far; `over`: no more comes.
    fn judge_sum(&self, sum: Measure, over: bool) -> Option<Judgement> {
        let _ = (sum, over);
        None
    }

    /// It is given texts decoded but not folded: accents tell languages apart, and a curly quote inside of JSON folded to
    /// a straight one would end a string.
    fn wants_original(&self) -> bool {
        false
    }
}

/// What a judge has against a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What it is, in lower case; of a closed set.
    pub entity: &'static str,
    /// Why, for people: a rule's name, a length. Never the text.
    pub why: String,
    /// Only worth a flag, whatever the guard's action is.
    pub flag_only: bool,
}

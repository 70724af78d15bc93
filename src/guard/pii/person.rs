//! Names of people, by what stands in front of them. Best effort: a name without a title, an introduction or a common
//! given name is missed, and so are names in scripts without capitals.

use super::ballot::{Ballot, Strength};
use super::entity::Entity::Person;
use super::look::Look;
use std::sync::LazyLock;

/// Titles: one name is enough behind them.
const TITLES: &str = "\
    mr. |mr |mrs. |mrs |ms. |ms |miss |dr. |dr |prof. |professor |herr |herrn |frau |mme |m. |monsieur |\
    madame |senor |senora |sr. |sra. |sig. |signor |signora |sir |lady |dona |don |dona |senhor |senhora ";

/// What introduces a name: one word is enough behind these.
const INTRODUCTIONS: &str = "\
    my name is |name is |name's |name: |name:|\"name\": \"|\"name\":\"|name\": \"|full name: |mein name ist |\
    ich heisse |je m'appelle |me llamo |mi nombre es |mi chiamo |meu nome e |me chamo |regards,\n|\
    sincerely,\n|cheers,\n|thanks,\n|dear |patient: |customer: |employee: |client: |grusse\n|liebe |lieber |\
    cardholder: |beneficiary: |signed by |my wife |my husband |my son |my daughter |my friend |my boss |\
    my colleague |my brother |my sister ";

/// What may introduce a name: two capitalised words, or a common given name.
const HINTS: &str = "\
    i am |i'm |this is |named |patient |customer |employee |attn: |attn |ich bin ";

/// What may introduce a common given name.
const WEAK_HINTS: &str = "\
    hi |hello |hey |from |to |by |with |for |ask |tell |contact |client |author |cc |called ";

/// Common given names: the most given ones of several countries, written down from memory, in order.
const GIVEN: &str = "\
    Aaron Abigail Adam Adriana Ahmed Aisha Alan Albert Alejandro Alex Alexander Alexandra Alfred Ali Alice \
    Alicia Alison Allison Amanda Amber Amelia Amit Amy Ana Andre Andrea Andreas Andrew Angela Anita Anja Ann \
    Anna Anne Anthony Antoine Antonio Arjun Arthur Ashley Barbara Benjamin Bernard Bernd Beth Betty Beverly Bill \
    Birgit Bob Brandon Brenda Brian Bruce Bryan Camille Carl Carla Carlos Carmen Carol Caroline Catherine \
    Charles Charlotte Cheryl Chloe Chris Christian Christina Christine Christopher Claire Claudia Craig Crystal \
    Cynthia Daniel Daniela David Deborah Deepak Denise Dennis Diana Diane Diego Dieter Donald Donna Dorothy \
    Douglas Dylan Edward Elena Elizabeth Ella Emily Emma Eric Erika Ethan Eugene Eva Evelyn Fatima Felix \
    Fernando Frances Francesca Francesco Francisco Frank Fred Gabriel Gary George Gerald Giulia Giuseppe Gloria \
    Grace Greg Gregory Hannah Hans Harold Harry Heather Heidi Heinz Helen Helga Henry Howard Ian Ingrid Irene \
    Isabel Isabella Jack Jacob Jacqueline James Jan Jane Janet Janice Jason Javier Jean Jeff Jeffrey Jennifer \
    Jeremy Jerry Jessica Jim Joan Joe Joel Johann John Johnny Jonathan Jorge Jose Joseph Joshua Joyce Juan \
    Judith Judy Julia Julian Julie Justin Karen Karl Kate Katherine Kathleen Keith Kelly Kenneth Kevin Kim \
    Kimberly Klaus Kyle Lars Laura Lauren Lawrence Leah Leon Liam Linda Lisa Logan Louis Louise Lucas Lucia Lucy \
    Luis Luke Madison Manuel Marco Margaret Maria Marie Marilyn Mario Mark Markus Martha Martin Mary Mason \
    Matthew Megan Melissa Michael Michelle Miguel Mohamed Mohammed Monika Nancy Natalie Nathan Neha Nicholas \
    Nicole Nina Noah Oliver Olivia Oscar Pablo Pamela Patricia Patrick Paul Paula Pedro Peter Philip Philippe \
    Pierre Priya Rachel Rahul Raj Ralph Randy Raymond Rebecca Richard Robert Roger Ronald Rose Roy Russell Ruth \
    Ryan Samantha Samuel Sandra Sara Sarah Scott Sean Sergio Sharon Shirley Simon Sofia Sophia Sophie Stefan \
    Stephanie Stephen Steve Steven Susan Sven Teresa Theresa Thomas Tim Timothy Tina Tom Tyler Ursula Uwe \
    Vanessa Victor Victoria Vincent Virginia Walter Wayne William Willie Wolfgang Yasmin Yusuf Zachary Zoe";

static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| GIVEN.split(' ').collect());

/// Small words inside of names.
const PARTICLES: &str = "\
    van |von |de |der |den |la |da |dos |del |di |bin |al |el ";

/// A name at the start.
pub(super) fn vote(ballot: &mut Ballot<'_>) {
    let look = ballot.look;
    if !ballot.wants(Person) || !is_capital(look.at(look.start()), look.at(look.start() + 1)) {
        return;
    }
    let before = look.context();
    let led = |words: &str| words.split('|').any(|word| follows(before, word));
    let one = led(TITLES) || led(INTRODUCTIONS);
    let first = word(look, look.start());
    let given =
        std::str::from_utf8(look.seen(look.start()..first)).is_ok_and(|word| NAMES.binary_search(&word).is_ok());
    let (end, words) = name(look);
    let hinted = led(HINTS);
    let told = one || (given && (words > 1 || hinted || led(WEAK_HINTS))) || (words > 1 && words < 4 && hinted);
    if words > 0 && told {
        ballot.offer(Person, end, Strength::Shape);
    }
}

/// Whether `before` ends with `word`, in any case, and the word stands apart.
fn follows(before: &[u8], word: &str) -> bool {
    let Some(rest) = before.len().checked_sub(word.len()) else { return false };
    let apart = rest.checked_sub(1).is_none_or(|at| !before[at].is_ascii_alphanumeric());
    apart && before[rest..].eq_ignore_ascii_case(word.as_bytes())
}

/// The end of up to four capitalised words, and how many there are.
fn name(look: &Look<'_>) -> (usize, usize) {
    let (mut at, mut end, mut words) = (look.start(), look.start(), 0);
    while words < 4 {
        for _ in 0..2 {
            let small = PARTICLES.split('|').find(|particle| words > 0 && look.word_at(at, particle));
            at += small.map_or(0, |particle| particle.len());
        }
        if !is_capital(look.at(at), look.at(at + 1)) {
            break;
        }
        let stop = word(look, at);
        let initial = stop - at == 1 && look.at(stop) == b'.';
        let stop = if initial { stop + 1 } else { stop };
        if stop - at > 24 || (stop - at < 2 && words == 0) {
            break;
        }
        (end, words) = (stop, words + 1);
        if look.at(stop) != b' ' {
            break;
        }
        at = stop + 1;
    }
    (end, words)
}

fn word(look: &Look<'_>, from: usize) -> usize {
    let mut end = look.run(from, |byte| byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b'-' | 0x80..=0xdf));
    if end > from + 2 && look.seen(end - 2..end) == b"'s" {
        end -= 2;
    }
    while end > from && matches!(look.at(end - 1), b'\'' | b'-') {
        end -= 1;
    }
    end
}

/// A capital of ASCII, or one of `À` to `Þ`.
const fn is_capital(first: u8, second: u8) -> bool {
    first.is_ascii_uppercase() || first == 0xc3 && matches!(second, 0x80..=0x9e)
}

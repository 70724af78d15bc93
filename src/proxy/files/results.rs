//! Answers of a batch on their way down, and what guardrails leave of them. Which those are is known by whoever made the
//! batch and by whoever reads its answers: they are looked at by the guardrails of both.

use super::call::Call;
use super::meter::{ANSWERS, MOST_LINE};
use crate::{
    files::Kept,
    guard::{Direction, Verdicts},
    model::Api,
    proxy::{
        bounds::{Buffers, Share},
        finish::Local,
        governed::Governing,
        guarded::{self, Line, Party},
        reject::Reject,
        trouble::Trouble,
    },
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use std::sync::Arc;

/// Longer pieces are looked at on a thread that may take its time.
const MOST_AT_ONCE: usize = 64 * 1024;
/// Lines that services are asked about at once.
const ASKED: usize = 8;

impl Call<'_> {
    /// What looks at what is in a file, on its way down; `None`: nothing.
    ///
    /// # Errors
    ///
    /// A guardrail must look at it, and it is no file of answers.
    pub async fn readers(&self, kept: &Kept, local: &mut Local) -> Result<Option<Arc<Party>>, Reject> {
        let snapshot = self.snapshot;
        let governing = local.governing.clone().unwrap_or_else(|| snapshot.governed.of(&self.caller));
        let maker = self.maker(kept).await?;
        // What an older process took note of during an upgrade does not say itself what its batch says.
        let told = maker.as_ref().filter(|_| kept.api.is_none()).unwrap_or(kept);
        let model = maker.as_ref().unwrap_or(kept).model.clone().unwrap_or_default();
        let mask = guarded::mask(snapshot, &self.headers, (&self.caller, &governing), &model)?;
        let mask = mask | snapshot.guards.of_names(&told.guards);
        let Some(api) = told.api.filter(|_| kept.purpose == ANSWERS) else {
            return guarded::unless_closed(snapshot, mask, Api::Files, &[Direction::Answer]).map(|()| None);
        };
        let party = Party {
            services: Arc::clone(self.services),
            snapshot: Arc::clone(snapshot),
            arrival: self.arrival.clone(),
            caller: Arc::clone(&self.caller),
            user: local.user.clone(),
            metadata: Vec::new(),
            model,
            api,
            mask,
        };
        Ok(party.reads_answers().then(|| Arc::new(party)))
    }

    /// The guardrails of a batch of the requests in `file`.
    ///
    /// # Errors
    ///
    /// One of them must look at those, and did not when they were uploaded.
    pub fn guards_of_batch(&self, governing: &Governing, model: &str, file: &Kept) -> Result<Vec<Arc<str>>, Reject> {
        let guards = &self.snapshot.guards;
        let mask = guarded::mask(self.snapshot, &self.headers, (&self.caller, governing), model)?;
        guarded::unless_not_looked(self.snapshot, mask, file)?;
        Ok(guards.names(mask | guards.of_names(&file.guards)))
    }
}

/// Looks at a file of answers as it comes.
pub struct Results {
    party: Arc<Party>,
    /// A line that is not whole yet.
    line: BytesMut,
    share: Share,
    verdicts: Verdicts,
}

impl Results {
    /// Nothing came yet.
    ///
    /// # Errors
    ///
    /// [`Reject::BuffersFull`].
    pub fn new(party: Arc<Party>, buffers: &Buffers) -> Result<Self, Reject> {
        let share = buffers.take(0).ok_or(Reject::BuffersFull)?;
        Ok(Self { party, line: BytesMut::new(), share, verdicts: Verdicts::default() })
    }

    /// Takes the next bytes; returns the lines that are whole with them, as they may go out. `last`: no more come.
    ///
    /// # Errors
    ///
    /// A line is too long to be looked at.
    pub async fn push(&mut self, piece: &Bytes, last: bool) -> Result<Bytes, Trouble> {
        let end = memchr::memrchr(b'\n', piece).map_or(0, |at| at + 1);
        let end = if last { piece.len() } else { end };
        let (now, later) = (piece.slice(..end), piece.slice(end..));
        let mut lines = Bytes::new();
        if !now.is_empty() || last {
            lines = match self.line.is_empty() {
                true => now,
                false => {
                    self.line.extend_from_slice(&now);
                    std::mem::take(&mut self.line).freeze()
                }
            };
        }
        if later.len() > MOST_LINE - self.line.len().min(MOST_LINE) {
            return Err(Trouble::Garbage(format!(
                "a line of more than {MOST_LINE} bytes, which guardrails must look at"
            )));
        }
        self.line.extend_from_slice(&later);
        if !self.share.grow_to(lines.len().max(self.line.len()) * 2) {
            return Err(Trouble::Internal("there is no room for a line that guardrails must look at".to_owned()));
        }
        let looked = self.look(lines).await?;
        self.share.shrink_to(self.line.len() * 2);
        Ok(looked)
    }

    async fn look(&mut self, lines: Bytes) -> Result<Bytes, Trouble> {
        if lines.is_empty() {
            return Ok(lines);
        }
        let party = Arc::clone(&self.party);
        let (told, verdicts) = if party.asks(Direction::Answer) {
            let ask = |line: Bytes| {
                let party = Arc::clone(&party);
                async move {
                    let looked = party.answer(&line).await;
                    (line, looked)
                }
            };
            let looked = stream::iter(split(&lines)).map(ask).buffered(ASKED).collect::<Vec<_>>().await;
            joined(&lines, looked)
        } else if lines.len() > MOST_AT_ONCE {
            let looked = tokio::task::spawn_blocking(move || at_once(&party, &lines)).await;
            // A panic of the gateway's own, for those of guards are caught: nothing goes out.
            looked.map_err(|_| Trouble::Internal("guardrails could not look at a line".to_owned()))?
        } else {
            at_once(&party, &lines)
        };
        self.verdicts.merge(&verdicts);
        Ok(told)
    }

    /// Records what was said about all lines.
    pub fn said(&self) -> Option<String> {
        self.party.said(&self.verdicts)
    }
}

fn at_once(party: &Party, lines: &Bytes) -> (Bytes, Verdicts) {
    joined(
        lines,
        split(lines).into_iter().map(|line| (party.answer_at_once(&line), line)).map(|(looked, line)| (line, looked)),
    )
}

fn split(lines: &Bytes) -> Vec<Bytes> {
    let mut at = 0;
    let each = lines.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let from = at;
        at += line.len();
        lines.slice(from..at)
    });
    each.collect()
}

/// The lines with what stands in their places, and what was said about them.
fn joined(lines: &Bytes, looked: impl IntoIterator<Item = (Bytes, Line)>) -> (Bytes, Verdicts) {
    let (mut out, mut verdicts, mut changed) = (Vec::with_capacity(lines.len()), Verdicts::default(), false);
    for (line, Line { edited, verdicts: said, .. }) in looked {
        verdicts.merge(&said);
        changed |= edited.is_some();
        out.extend_from_slice(edited.as_ref().unwrap_or(&line));
    }
    (if changed { out.into() } else { lines.clone() }, verdicts)
}

//! A file of requests on its way up: read line by line, rewritten with the provider's names of models, and looked at by
//! guardrails, each line as a request of its own. It is done in blocks of lines on threads that may take their time, so that
//! neither a worker nor more memory than the file itself is taken.

use super::lines::{Named, One, Reader};
use super::meter;
use crate::{
    auth::Caller,
    guard::{Direction, Mask, Verdicts},
    model::Api,
    proxy::{
        bounds::Share,
        exchange::Arrival,
        gateway::{Services, Snapshot},
        governed::Governing,
        guarded::{self, Guarded, Line, Party, Stopped},
        metadata::Metadata,
        reject::{Reject, shown},
    },
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::HeaderMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of lines that are read at once, about.
const BLOCK: usize = 256 * 1024;
/// Lines that services are asked about at once.
const ASKED: usize = 8;

/// Whose file it is.
pub struct Owner {
    pub services: Arc<Services>,
    pub snapshot: Arc<Snapshot>,
    pub arrival: Arrival,
    pub caller: Arc<Caller>,
    pub governing: Governing,
    pub user: Option<Arc<str>>,
    pub metadata: Metadata,
    pub headers: HeaderMap,
    /// The provider that keeps it.
    pub provider: Arc<str>,
}

/// A file that was looked at.
pub struct Checked {
    /// What goes up.
    pub body: Bytes,
    /// Its part of the gateway's memory.
    pub share: Share,
    /// The model of the configuration that all lines name.
    pub model: Arc<str>,
    /// The call that they make.
    pub api: Api,
    /// The guardrails that the upload was under.
    pub guards: Vec<Arc<str>>,
    /// Those of them that looked at every line and decided.
    pub looked: Vec<Arc<str>>,
    /// What those said, in a line.
    pub said: Option<String>,
}

/// A file that may not go up.
pub struct Refused {
    pub reject: Reject,
    /// What its guardrails said, in a line.
    pub said: Option<String>,
    /// What its first line names.
    pub model: Option<Arc<str>>,
}

/// What is done with a file.
struct Work {
    owner: Arc<Owner>,
    reader: Reader,
    party: Option<Arc<Party>>,
    out: Vec<u8>,
    verdicts: Verdicts,
    /// The guardrails that were for all lines so far; `None`: there was none.
    held: Option<Mask>,
}

/// A line that services are asked about.
struct Waiting {
    line: Bytes,
    number: usize,
    /// `None`: it is blank.
    one: Option<One>,
}

/// The form `body`, of which `file` is the file.
///
/// # Errors
///
/// The first line that is wrong, or that a guardrail refuses.
pub async fn checked(owner: Owner, body: Bytes, file: Range<usize>, boundary: &str) -> Result<Checked, Box<Refused>> {
    let early = |reject| Box::new(Refused { reject, said: None, model: None });
    let mut share = owner.services.buffers.take(body.len()).ok_or_else(|| early(Reject::BuffersFull))?;
    // Names are about as long as those that they take the place of.
    let mut out = Vec::with_capacity(body.len() + BLOCK / 8);
    out.extend_from_slice(body.get(..file.start).unwrap_or_default());
    let mut work = Work {
        owner: Arc::new(owner),
        reader: Reader::default(),
        party: None,
        out,
        verdicts: Verdicts::default(),
        held: None,
    };
    let mut rest = file.clone();
    while let Some(length) = block(body.get(rest.clone()).unwrap_or_default()) {
        let lines = body.slice(rest.start..rest.start + length);
        rest.start += length;
        let ran = work.lines(lines).await;
        work = match ran {
            Ok((work, Ok(()))) => work,
            Ok((work, Err(reject))) => return Err(work.refused(reject)),
            Err(reject) => return Err(early(reject)),
        };
        if !share.grow_to(work.out.capacity()) {
            return Err(work.refused(Reject::BuffersFull));
        }
    }
    let lines = work.out.get(file.start..).unwrap_or_default();
    if memchr::memmem::find(lines, format!("\r\n--{boundary}").as_bytes()).is_some() {
        let why = "the boundary of the form stands in its file; choose another one";
        return Err(work.refused(wrong(why.to_owned())));
    }
    work.out.extend_from_slice(body.get(file.end..).unwrap_or_default());
    let Some((model, api)) = work.reader.names().map(|(model, api)| (Arc::clone(model), api)) else {
        let none = std::mem::take(&mut work.reader).end().err().map(|mistake| mistake.to_string());
        return Err(work.refused(wrong(none.unwrap_or_default())));
    };
    let said = work.said();
    let mask = work.party.as_ref().map_or(0, |party| party.mask);
    let guards = work.owner.snapshot.guards.names(mask);
    let looked = work.party.as_ref().map_or_else(Vec::new, |party| party.deciding(work.held.unwrap_or(0)));
    Ok(Checked { body: work.out.into(), share, model, api, guards, looked, said })
}

/// Bytes of the whole lines that are read next; `None`: nothing is left.
fn block(rest: &[u8]) -> Option<usize> {
    let from = rest.len().min(BLOCK);
    let behind = rest.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)).map(|at| from + at + 1);
    (!rest.is_empty()).then(|| behind.unwrap_or(rest.len()))
}

impl Work {
    fn said(&self) -> Option<String> {
        self.party.as_ref().and_then(|party| party.said(&self.verdicts))
    }

    fn refused(&self, reject: Reject) -> Box<Refused> {
        let model = self.reader.names().map(|(model, _)| Arc::clone(model));
        Box::new(Refused { reject, said: self.said(), model })
    }

    /// Takes the next lines; an error of its own: the thread broke down.
    async fn lines(self, lines: Bytes) -> Result<(Self, Result<(), Reject>), Reject> {
        let mut work = self;
        let read = tokio::task::spawn_blocking(move || {
            let read = work.read(&lines);
            (work, read)
        });
        let (mut work, read) = read.await.map_err(|_| Reject::FilesUnavailable)?;
        let waiting = match read {
            Ok(waiting) => waiting,
            Err(reject) => return Ok((work, Err(reject))),
        };
        let ran = work.ask(waiting).await;
        Ok((work, ran))
    }

    /// Reads lines, and looks at them unless somebody is to be asked.
    fn read(&mut self, lines: &Bytes) -> Result<Vec<Waiting>, Reject> {
        let mut waiting = Vec::new();
        let mut at = 0;
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = lines.slice(at..at + line.len());
            at += line.len();
            let owner = Arc::clone(&self.owner);
            let one = self.reader.read(&line, |api, model| owner.resolve(api, model));
            let one = one.map_err(|mistake| wrong(mistake.to_string()))?;
            let party = self.party()?;
            let number = self.reader.line();
            match (party, one) {
                (Some(party), one) if party.asks(Direction::Request) => waiting.push(Waiting { line, number, one }),
                (_, None) => self.out.extend_from_slice(&line),
                (None, Some(one)) => one.write(&line, &mut self.out),
                (Some(party), Some(one)) => {
                    let looked = party.request_at_once(line.get(one.body.range()).unwrap_or_default());
                    self.take(&Waiting { line, number, one: None }, &one, looked)?;
                }
            }
        }
        Ok(waiting)
    }

    /// What looks at the lines; `None`: nothing, or no line was read yet.
    fn party(&mut self) -> Result<Option<Arc<Party>>, Reject> {
        if self.party.is_none()
            && let Some((model, api)) = self.reader.names()
        {
            let owner = &self.owner;
            let mut governing = owner.governing.clone();
            owner.snapshot.governed.with_model(&mut governing, model);
            let mask = guarded::mask(&owner.snapshot, &owner.headers, (&owner.caller, &governing), model)?;
            self.party = Some(Arc::new(Party {
                services: Arc::clone(&owner.services),
                snapshot: Arc::clone(&owner.snapshot),
                arrival: owner.arrival.clone(),
                caller: Arc::clone(&owner.caller),
                user: owner.user.clone(),
                metadata: owner.metadata.clone(),
                model: Arc::clone(model),
                api,
                mask,
            }));
        }
        Ok(self.party.clone().filter(|party| party.mask != 0))
    }

    /// Asks about lines, some at a time; they stay in their order.
    async fn ask(&mut self, waiting: Vec<Waiting>) -> Result<(), Reject> {
        let Some(party) = self.party.clone() else { return Ok(()) };
        let ask = |waiting: Waiting| {
            let party = Arc::clone(&party);
            async move {
                let looked = match &waiting.one {
                    Some(one) => Some(party.request(waiting.line.get(one.body.range()).unwrap_or_default()).await),
                    None => None,
                };
                (waiting, looked)
            }
        };
        let mut asked = std::pin::pin!(stream::iter(waiting).map(ask).buffered(ASKED));
        while let Some((mut waiting, looked)) = asked.next().await {
            match (waiting.one.take(), looked) {
                (Some(one), Some(looked)) => self.take(&waiting, &one, looked)?,
                (Some(one), None) => one.write(&waiting.line, &mut self.out),
                (None, _) => self.out.extend_from_slice(&waiting.line),
            }
        }
        Ok(())
    }

    /// Writes a line as its guardrails leave it.
    fn take(&mut self, of: &Waiting, one: &One, looked: Result<Line, Stopped>) -> Result<(), Reject> {
        let told = |reject| match reject {
            Reject::Guard(why) => {
                let (line, custom_id, why) = (of.number, shown(&one.custom_id), Box::new(why));
                Reject::Guard(Guarded::Line { line, custom_id, why })
            }
            Reject::BadRequest { message, .. } => wrong(format!("line {}: {message}", of.number)),
            other => other,
        };
        match looked {
            Ok(Line { edited, verdicts, held }) => {
                self.held = Some(self.held.unwrap_or(held) & held);
                self.verdicts.merge(&verdicts);
                match edited {
                    None => one.write(&of.line, &mut self.out),
                    Some(body) => one
                        .write_with(&of.line, &body, &mut self.out)
                        .map_err(|why| wrong(format!("line {}: {why}", of.number)))?,
                }
                Ok(())
            }
            Err(Stopped { reject, verdicts }) => {
                self.verdicts.merge(&verdicts);
                Err(told(reject))
            }
        }
    }
}

impl Owner {
    /// Which model a line means, if the caller may call it and it has a target at the provider.
    fn resolve(&self, api: Api, model: &str) -> Result<Named, String> {
        let (snapshot, provider) = (&self.snapshot, &self.provider);
        let route = snapshot.table.find(model);
        let route = route.ok_or_else(|| Reject::NoModel { model: shown(model) }.to_string())?;
        may_call(&self.caller, &route.name).map_err(|reject| reject.to_string())?;
        match meter::target(snapshot, &route.name, provider) {
            Some(target) if target.passes(api) => {
                Ok(Named { name: Arc::clone(&route.name), there: target.model_json.clone() })
            }
            Some(_) => Err(format!(
                "model `{}` does not take {api} at provider `{provider}`, where batches are made",
                route.name
            )),
            None => {
                Err(format!("model `{}` has no target at provider `{provider}`, where batches are made", route.name))
            }
        }
    }
}

/// Whether the caller may call a model.
///
/// # Errors
///
/// [`Reject::ModelNotAllowed`].
pub fn may_call(caller: &Caller, model: &str) -> Result<(), Reject> {
    match caller.may_call(model) {
        true => Ok(()),
        false => Err(Reject::ModelNotAllowed {
            model: model.to_owned(),
            key: caller.key.to_string(),
            team: caller.team.to_string(),
        }),
    }
}

fn wrong(message: String) -> Reject {
    Reject::BadRequest { message, param: Some("file".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines() {
        for (lines, length) in [(1, 10), (40, 100_000), (1, 600_000), (70_000, 9)] {
            let file = format!("{}\n", "x".repeat(length)).repeat(lines);
            let (mut rest, mut blocks) = (file.as_bytes(), 0);
            while let Some(length) = block(rest) {
                let (taken, left) = rest.split_at(length);
                assert!(taken.ends_with(b"\n"), "{lines} {length}");
                (rest, blocks) = (left, blocks + 1);
            }
            assert!(rest.is_empty() && blocks <= 1 + file.len() / BLOCK);
        }
        assert_eq!(block(b"no end"), Some(6));
    }
}

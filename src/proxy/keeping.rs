//! Prompts and answers that a team's rule keeps: the client's own body, as it came and before any guardrail, and the bytes
//! that the client was sent. Held in memory as a part of `server.max_buffered_bytes` until the request is over; then they
//! are handed to a thread, and nobody waits.
//!
//! Not kept: what is no conversation (files, batches, realtime sessions, copies of mirrors), refusals that the gateway
//! words itself, and requests that are refused before their body was read and understood.

use super::{bounds::Share, gateway::Services};
use crate::{
    auth::Caller,
    config::{Content, Records},
    model::Ask,
    records::{Keep, Kept, Side},
    telemetry::{AccessAttempt, AccessRecord, Outcome},
};
use std::collections::HashMap;
use std::sync::Arc;

/// Whose texts are kept, and how much of them.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Nobody's: then nothing else is asked.
    off: bool,
    all: Option<Keep>,
    teams: HashMap<Arc<str>, Option<Keep>>,
    most: usize,
}

impl Keeping {
    /// As the file says.
    pub fn new(records: &Records) -> Self {
        let keep = |content: Content| match content {
            Content::None => None,
            Content::Redacted => Some(Keep::Redacted),
            Content::Full => Some(Keep::Full),
        };
        Self {
            off: !records.keeps_content(),
            all: keep(records.content),
            teams: records.teams.iter().map(|(team, content)| (Arc::clone(team), keep(*content))).collect(),
            most: records.content_max_bytes,
        }
    }

    fn of(&self, team: &str) -> Option<Keep> {
        if self.off { None } else { self.teams.get(team).copied().unwrap_or(self.all) }
    }
}

/// The texts of one request on its way.
pub struct Capture {
    keep: Keep,
    request: Side,
    answer: Side,
    most: usize,
    share: Share,
}

impl Capture {
    /// What the client sent, if its team's is kept.
    pub fn begin(services: &Services, caller: &Caller, ask: &Ask) -> Option<Box<Self>> {
        let Services { keeping, buffers, .. } = services;
        let keep = keeping.of(&caller.team).filter(|_| ask.api.billed())?;
        let (request, answer) = (Side::default(), Side::default());
        let share = buffers.take(0)?;
        let mut capture = Box::new(Self { keep, request, answer, most: keeping.most, share });
        let body = ask.body.bytes();
        append(&mut capture.request, &body, (keeping.most, 0), &mut capture.share);
        Some(capture)
    }

    /// The client is sent this.
    pub fn wrote(&mut self, bytes: &[u8]) {
        let before = self.request.bytes.len();
        append(&mut self.answer, bytes, (self.most, before), &mut self.share);
    }
}

/// Adds what there is room for; `held` are bytes of the share that are taken otherwise.
fn append(side: &mut Side, bytes: &[u8], (most, held): (usize, usize), share: &mut Share) {
    let kept = side.bytes.len();
    // What is cut stays cut: nothing is kept behind a gap.
    let wanted = if side.is_truncated() { 0 } else { most.saturating_sub(kept).min(bytes.len()) };
    side.total = side.total.saturating_add(bytes.len() as u64);
    if wanted == 0 {
        return;
    }
    match share.grow_to(held + kept + wanted) {
        true => side.bytes.extend_from_slice(bytes.get(..wanted).unwrap_or_default()),
        false => side.no_room = true,
    }
}

/// Hands over what is kept of the request that `line` tells of, and notes there that it is.
pub fn conclude(services: &Services, capture: Option<Box<Capture>>, line: &mut AccessRecord) {
    let (Some(capture), Some(log)) = (capture, &services.contents) else { return };
    let Capture { keep, request, answer, .. } = *capture;
    let (Some(key), Some(team), Some(api)) = (&line.key, &line.team, line.api) else { return };
    let ends = |attempt: &AccessAttempt| attempt.outcome == Outcome::Answered;
    let broken = line.code.is_some() || !line.attempts.last().is_some_and(ends);
    let kept = Kept {
        time_us: line.time_us,
        id: line.id,
        key: Arc::clone(key),
        team: Arc::clone(team),
        model: line.model.clone().unwrap_or_default(),
        api,
        keep,
        stream: line.stream,
        broken,
        request,
        answer,
        trace: line.trace.clone(),
    };
    if log.write(Box::new(kept)) {
        line.content = Some(keep.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::bounds::Buffers;

    #[test]
    fn the_beginning_is_kept_as_far_as_there_is_room_and_nothing_behind_a_gap() {
        let buffers = Buffers::new(12);
        let mut share = buffers.take(0).expect("room");
        let mut side = Side::default();
        append(&mut side, b"abcd", (6, 0), &mut share);
        append(&mut side, b"efgh", (6, 0), &mut share);
        append(&mut side, b"i", (6, 0), &mut share);
        assert_eq!((side.bytes.as_slice(), side.total, side.is_truncated()), (&b"abcdef"[..], 9, true));
        assert_eq!(buffers.used(), 6);
        let mut other = Side::default();
        append(&mut other, b"12345678", (8, 6), &mut share);
        assert!(other.no_room && other.bytes.is_empty() && other.is_truncated());
        append(&mut other, b"1", (8, 6), &mut share);
        assert!(other.bytes.is_empty(), "no middle without its beginning");
        drop(share);
        assert_eq!(buffers.used(), 0);
    }

    #[test]
    fn a_team_says_for_itself_and_the_others_are_under_the_general_rule() {
        let records = |content, teams: &[(&str, Content)]| Records {
            access_log: crate::config::AccessLog::Off,
            files: None,
            content,
            teams: teams.iter().map(|(team, content)| (Arc::from(*team), *content)).collect(),
            content_max_bytes: 1,
        };
        let some = Keeping::new(&records(Content::Redacted, &[("legal", Content::None), ("lab", Content::Full)]));
        assert_eq!(["legal", "lab", "rest"].map(|team| some.of(team)), [None, Some(Keep::Full), Some(Keep::Redacted)]);
        let none = Keeping::new(&records(Content::None, &[("legal", Content::None)]));
        assert!(none.off && none.of("legal").is_none());
    }
}

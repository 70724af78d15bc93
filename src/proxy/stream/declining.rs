//! An answer that the provider's policy declines inside of a 200, where the model names another one for that: held back as long
//! as it says nothing else, so that the other one may answer.

use super::{Answer, Kind, MAX_EVENT_BYTES, Release};
use crate::{
    config::Failure,
    dialect::declined::{self, Told},
    model::Api,
    proxy::{course::Kept, trouble::Trouble},
    sse::SseScanner,
};
use bytes::{Bytes, BytesMut};

/// A refusal is short: what is longer goes out.
const MOST_HELD: usize = 64 * 1024;

impl Answer {
    /// What of `release` goes out as long as the answer may turn out to be declined.
    ///
    /// # Errors
    ///
    /// It is declined: another model is worth trying. Or it failed, of which the client has nothing.
    pub fn unless_declined(&mut self, release: Release) -> Result<Release, Trouble> {
        let Some(held) = &mut self.declining else { return Ok(release) };
        if let Some(trouble) = self.failed.take() {
            return Err(trouble);
        }
        if release.bytes.is_empty() {
            return Ok(release);
        }
        held.extend_from_slice(&release.bytes);
        let is_declined = match &self.kind {
            Kind::Whole(_) => declined::whole(self.expect.api, held),
            Kind::Stream(_) => held.len() <= MOST_HELD && tells_nothing_else(self.expect.api, held),
            Kind::Pending | Kind::Flowing(_) | Kind::Opaque(_) | Kind::Refusal(_) => false,
        };
        match (is_declined, self.ended) {
            (true, false) => Ok(Release::default()),
            (true, true) => {
                let body = std::mem::take(held).freeze();
                let about = Failure::ContentPolicy;
                let content_type = self.content_type.clone();
                self.kept = Some(Kept { status: self.status, content_type, body, message: None, about });
                Err(Trouble::Refused { status: self.status, about })
            }
            (false, _) => {
                let first_output = release.first_output || matches!(self.kind, Kind::Stream(_));
                let bytes =
                    if held.len() == release.bytes.len() { release.bytes } else { std::mem::take(held).freeze() };
                self.declining = None;
                Ok(Release { bytes, first_output })
            }
        }
    }

    /// Whether it is held back for now.
    pub(super) fn is_held_back(&self) -> bool {
        self.declining.as_ref().is_some_and(|held| !held.is_empty())
    }

    /// From now on it is watched for being declined.
    pub(super) fn watch_for_declining(&mut self) {
        self.declining = self.expect.api.generates().then(BytesMut::new);
    }
}

/// Whether what came of a stream says that it is declined, and has no content.
fn tells_nothing_else(api: Api, held: &[u8]) -> bool {
    let mut events = Vec::new();
    // Each event in it was scanned before.
    let scanned = SseScanner::new(MAX_EVENT_BYTES).push(&Bytes::copy_from_slice(held), &mut events);
    let mut is_declined = false;
    for event in events.iter().filter(|event| event.has_data) {
        match declined::event(api, &event.data) {
            Told::Content => return false,
            Told::Declined => is_declined = true,
            Told::Nothing => {}
        }
    }
    is_declined && scanned.is_ok()
}

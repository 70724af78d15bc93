//! Ends of answers that need more than to be passed on.

use super::{Answer, Expect, Kind, Release};
use crate::{
    config::Failure,
    providers::OutputText,
    proxy::{
        course::{Kept, Withholds},
        reading::{self, Reader},
        refusal,
        translate::{self, Teller},
        trouble::Trouble,
    },
};
use bytes::Bytes;

impl Answer {
    /// Nothing follows the end marker, but for the LF that a cut parted from its CR.
    pub(super) fn behind_the_end(&mut self, piece: &Bytes) -> Release {
        let belongs = std::mem::take(&mut self.half_line_end) && piece.starts_with(b"\n");
        Release { bytes: piece.slice(..usize::from(belongs)), first_output: false }
    }

    /// The body ended without an end marker: right where the API has none and every answer is over, else it was cut off.
    pub(super) fn end_unmarked(&mut self, before: Release) -> Result<Release, Trouble> {
        let Kind::Stream(stream) = &mut self.kind else { return Ok(before) };
        if !stream.reader.may_end() {
            return self.fail(Trouble::Cut, before);
        }
        let mut bytes = std::mem::take(&mut stream.held);
        bytes.extend_from_slice(&before.bytes);
        if let Reader::Translated(translation) = &mut stream.reader {
            translation.clear();
            self.end_marker_bytes = translation.end();
            bytes.extend_from_slice(translation.made());
        }
        self.ended = true;
        let first_output = !std::mem::replace(&mut self.released, true);
        Ok(Release { bytes: bytes.freeze(), first_output })
    }

    /// A whole answer is told in the client's dialect.
    pub(super) fn end_translated(&mut self, body: &Bytes) -> Result<Release, Trouble> {
        let provider = self.provider.as_ref();
        reading::shallow(body).map_err(Trouble::Garbage)?;
        let (bytes, reading, output) = match &mut self.teller {
            None => return Ok(Release::default()),
            Some(Teller::Chat(encoder)) => {
                // About as long as what it is told from, of which it is a second copy.
                if !self.share.grow_to(body.len().saturating_mul(2)) {
                    return Err(Trouble::BuffersFull);
                }
                let told = translate::whole(provider, encoder.as_mut(), body);
                let told = told.map_err(|garbage| Trouble::Garbage(garbage.why))?;
                if !self.share.grow_to(body.len().saturating_add(told.0.len())) {
                    return Err(Trouble::BuffersFull);
                }
                told
            }
            Some(Teller::Retrieval(retelling)) => {
                let (bytes, reading) = retelling.whole(provider, body, &mut self.share)?;
                (bytes, reading, OutputText::default())
            }
        };
        if reading.usage.is_none() {
            self.whole_output = Some(output);
        }
        self.reading = reading;
        self.content_type = None; // JSON of our own
        (self.ended, self.released) = (true, true);
        Ok(Release { bytes, first_output: false })
    }

    /// The provider refuses the request itself: told, or kept back where another target or model may do better.
    pub(super) fn end_refused(&mut self) -> Result<Release, Trouble> {
        let Kind::Refusal(refusal) = &mut self.kind else { return Ok(Release::default()) };
        let provider = self.provider.as_ref();
        let status = refusal.status(provider, self.status);
        if !matches!(status, 400 | 413 | 422) {
            return Err(Trouble::Status { status, retry_after: None, again: None });
        }
        let about = refusal.about(provider, status);
        self.about = Some(about);
        let own = self.translated || self.in_stream;
        let holds = self.withholds.holds(about, status);
        let told = if own || holds { refusal.message(provider) } else { None };
        let passed = if own { None } else { refusal.body(provider) };
        let bytes = passed.unwrap_or_else(|| {
            self.content_type = None; // JSON of our own
            let Expect { api, label, .. } = &self.expect;
            refusal::of_our_own(*api, (self.status, about), told.as_deref(), label, self.in_stream)
        });
        if holds {
            self.kept = Some(Kept { status: self.status, content_type: None, body: bytes, message: told, about });
            return Err(Trouble::Refused { status, about });
        }
        (self.ended, self.released) = (true, true);
        Ok(Release { bytes, first_output: false })
    }

    /// Nothing more of it goes out: the client was told so already.
    pub fn cut(&mut self, trouble: Trouble) {
        self.failed = Some(trouble);
    }

    /// Answers about the request itself are kept back so.
    pub fn withholding(mut self, withholds: Withholds) -> Self {
        self.withholds = withholds;
        if withholds.holds(Failure::ContentPolicy, 200) {
            self.watch_for_declining();
        }
        self
    }

    /// The answer that was kept back.
    pub fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// What the provider's refusal is about.
    pub fn about(&self) -> Option<Failure> {
        self.about
    }
}

//! Ends of answers that need more than to be passed on.

use super::{Answer, Kind, Release};
use crate::providers::OutputText;
use crate::proxy::{
    reading::{self, Reader},
    translate::{self, Teller},
    trouble::Trouble,
};
use bytes::Bytes;

impl Answer {
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
}

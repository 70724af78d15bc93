//! What is known of an answer: for the header, the row and the record, and for the event that ends a stream in trouble.

use super::{Answer, Kind, Opaque};
use crate::dialect::error::{self, Told};
use crate::guard::FAILED;
use crate::model::{ServiceTier, Usage};
use crate::providers::{OutputText, Reading};
use crate::proxy::translate::Teller;
use crate::proxy::trouble::Trouble;
use bytes::Bytes;
use http::header;

impl Answer {
    /// The error event that ends this stream, in its dialect.
    pub fn error_event(&self, trouble: &Trouble) -> Bytes {
        let (status, code) = match trouble {
            Trouble::InBand { status, .. } => (*status, "upstream_failed"),
            Trouble::Idle | Trouble::Total => (504, "upstream_timeout"),
            Trouble::PastCap => (502, "output_cap_passed"),
            Trouble::Revoked => (401, "caller_revoked"),
            Trouble::Blocked(refused) if *refused.entity == *FAILED => (503, "guardrail_failed"),
            Trouble::Blocked(_) => (400, "guardrail_blocked"),
            _ => (502, "upstream_failed"),
        };
        let message = match trouble {
            Trouble::InBand { message, .. } => format!("the provider reported an error in mid-answer: {message}"),
            Trouble::Revoked | Trouble::Blocked(_) => format!("the stream was ended: {trouble}"),
            other => format!("the provider failed in mid-answer: {other}"),
        };
        let told = Told { status, code, message: &message, param: None, request_id: &self.expect.label };
        let sequence = match &self.kind {
            Kind::Stream(stream) => stream.reader.next_sequence(),
            _ => 0,
        };
        error::stream_error(self.expect.api, &told, sequence)
    }

    /// The client has the header of a stream: what is told from now on is told in it.
    pub fn tell_in_stream(&mut self) {
        self.in_stream = true;
    }

    /// Length of the stream's end marker, the last thing of the release that it came with; 0 before it.
    pub fn end_marker_bytes(&self) -> usize {
        self.end_marker_bytes
    }

    /// What ended the answer after it was begun.
    pub fn failed(&self) -> Option<&Trouble> {
        self.failed.as_ref()
    }

    /// Whether the client has seen, or is about to see, a part of it.
    pub fn released(&self) -> bool {
        self.released && !self.is_held_back()
    }

    /// Whether the answer is whole.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether a header came.
    pub fn begun(&self) -> bool {
        self.status != 0
    }

    /// The provider's status, 0 before its header.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the provider refuses the request itself (400, 413, 422).
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Refusal(_))
    }

    /// Whether a stream was asked for.
    pub fn expects_stream(&self) -> bool {
        self.expect.stream
    }

    /// Whether this is an event stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// Whether the answer is passed on as it comes.
    pub fn is_live(&self) -> bool {
        matches!(self.kind, Kind::Stream(_) | Kind::Opaque(_))
    }

    /// Whether the answer is released before its length is known.
    pub fn is_flowing(&self) -> bool {
        matches!(self.kind, Kind::Stream(_) | Kind::Flowing(_) | Kind::Opaque(_))
    }

    /// What was kept of an answer that is passed on unread.
    pub fn opaque(&self) -> Option<&Opaque> {
        match &self.kind {
            Kind::Opaque(opaque) => Some(opaque),
            _ => None,
        }
    }

    /// The provider's content type.
    pub fn content_type(&self) -> Option<&header::HeaderValue> {
        self.content_type.as_ref()
    }

    /// What the provider reported so far.
    pub fn reading(&self) -> &Reading {
        match &self.kind {
            Kind::Stream(stream) => stream.reader.reading(),
            _ => &self.reading,
        }
    }

    /// The output text seen so far: of streams, and of whole answers that do not report their usage.
    pub fn output(&self) -> Option<&OutputText> {
        match &self.kind {
            Kind::Stream(stream) => Some(stream.reader.output()),
            _ => self.whole_output.as_ref(),
        }
    }

    /// What an answer used that reports nothing and is billed by the search.
    pub fn likely_searches(&self) -> Option<Usage> {
        match &self.teller {
            Some(Teller::Retrieval(retelling)) => retelling.likely_searches(self.provider.as_ref()),
            Some(Teller::Chat(_)) | None => None,
        }
    }

    /// Bytes of an answer that could not be read, for an estimate.
    pub fn unread_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Flowing(tail) => tail.seen(),
            Kind::Opaque(opaque) => opaque.seen(),
            Kind::Whole(body) => body.len() as u64,
            Kind::Pending | Kind::Stream(_) | Kind::Refusal(_) => 0,
        }
    }

    /// Usage and tier if the provider has told them completely.
    pub fn reported(&self) -> Option<(Usage, ServiceTier)> {
        let reading = self.reading();
        reading.usage.filter(|_| reading.complete).map(|usage| (usage, reading.tier.unwrap_or_default()))
    }
}

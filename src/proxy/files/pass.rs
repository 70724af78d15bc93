//! What is in a file, on its way down as it comes.

use super::call::{Call, unless_gone};
use super::meter::{self, Lines};
use super::results::Results;
use super::upstream::Sent;
use crate::{
    files::{Kept, Kind, Metering},
    proxy::{finish::Local, guarded::Party, open::Next, reject::Reject, respond, trouble::Trouble},
};
use http::{HeaderMap, header};
use pingora::proxy::Session;
use std::sync::Arc;

impl Call<'_> {
    /// Passes a file on. Where it holds the answers of a batch whose provider does not add up what they used, it is added up
    /// here.
    ///
    /// # Errors
    ///
    /// What the client is told, as long as it got nothing.
    pub async fn pass(
        self,
        session: &mut Session,
        (kept, party): (&Kept, Option<Arc<Party>>),
        (mut sent, mut headers): (Sent, HeaderMap),
        local: &mut Local,
    ) -> Result<Next, Reject> {
        let mut lines = self.unmetered(kept).await?.then(Lines::default);
        let mut results = party.map(|party| Results::new(party, &self.services.buffers)).transpose()?;
        if results.is_some() {
            headers.remove(header::CONTENT_LENGTH); // it is that of before
        }
        let mut share = self.services.buffers.take(0).ok_or(Reject::BuffersFull)?;
        let header = respond::download(self.arrival, &headers, &local.shares(&self.services.limits));
        let written = match header {
            Ok(header) => respond::bounded(session.write_response_header(Box::new(header), false)).await,
            Err(error) => Err(error),
        };
        let mut bytes = 0;
        let mut ended = written.map_err(|_| Trouble::ClientGone);
        while ended.is_ok() {
            let piece = match unless_gone(session, sent.piece()).await {
                Ok(piece) => piece,
                Err(trouble) => {
                    ended = Err(trouble);
                    break;
                }
            };
            let last = piece.is_none();
            let piece = piece.unwrap_or_default();
            if let Some(reading) = &mut lines {
                reading.push(self.provider(), &piece);
                share.shrink_to(reading.held());
                if !share.grow_to(reading.held()) {
                    lines = None;
                }
            }
            let piece = match &mut results {
                Some(results) => match unless_gone(session, results.push(&piece, last)).await {
                    Ok(piece) => piece,
                    Err(trouble) => {
                        ended = Err(trouble);
                        break;
                    }
                },
                None => piece,
            };
            if last && let Some(results) = &results {
                local.guardrails = results.said(); // who has all of it finds what was found in it
            }
            bytes += piece.len() as u64;
            let written =
                piece.is_empty() || respond::bounded(session.write_response_body(Some(piece), false)).await.is_ok();
            if !written {
                ended = Err(Trouble::ClientGone);
            }
            if last {
                break;
            }
        }
        if ended.is_err()
            && let Some(results) = &results
            && local.guardrails.is_none()
        {
            local.guardrails = results.said();
        }
        if let (Ok(()), Some(lines)) = (&ended, lines) {
            self.book(kept, lines).await;
        }
        let code = match &ended {
            Ok(()) => {
                respond::end(session).await;
                None
            }
            Err(Trouble::ClientGone) => Some("client_gone"),
            Err(_) => Some("upstream_failed"),
        };
        self.ended(local, ended.as_ref().err(), 200);
        Ok(Next::Ended { status: 200, bytes, code })
    }

    /// Books a batch by its answers, which were read to their end.
    async fn book(&self, kept: &Kept, lines: Lines) {
        let (Some(batch), Some(usage)) = (&kept.batch, lines.end(self.provider())) else { return };
        // The client has its file; who reads it next tries again.
        let booked = meter::by_lines(self.services, self.snapshot, &self.account.name, batch.clone(), usage).await;
        if let Err(reject) = booked {
            tracing::warn!(%batch, code = reject.code(), "a batch could not be booked by its answers");
        }
    }

    /// Whether the file holds answers that were not booked.
    async fn unmetered(&self, kept: &Kept) -> Result<bool, Reject> {
        Ok(self.maker(kept).await?.is_some_and(|batch| batch.metering == Metering::Unreported))
    }

    /// The batch that made a file of answers.
    pub async fn maker(&self, kept: &Kept) -> Result<Option<Kept>, Reject> {
        let Some(batch) = kept.batch.clone() else { return Ok(None) };
        let provider = kept.provider.clone();
        let found = self.services.files.shelf.ask(move |shelf| shelf.find(&provider, Kind::Batch, &batch)).await;
        found.map_err(meter::unavailable)
    }
}

//! Records that are no attempt's and must not be lost.

use super::{Clerk, MAX_QUEUED_BYTES};

impl Clerk {
    /// Writes a record at once, with one `write(2)`; where the disk does not take it, it is kept for the journal thread to
    /// write. Tells whether it is written or kept: not while too much waits, nor behind the epoch's end.
    pub(crate) fn note(&self, frame: &[u8]) -> bool {
        let mut pen = self.pen.lock();
        if pen.closed && pen.open == 0 {
            return false;
        }
        let mut kept = pen.writer.append(frame).is_ok();
        if !kept {
            self.metrics.write_errors.inc();
            kept = pen.writer.queued_bytes() < MAX_QUEUED_BYTES;
            if kept {
                pen.writer.queue(frame);
            }
        }
        pen.refused |= kept;
        self.wake(pen);
        kept
    }
}

//! The side of the process that admits: it answers those that handed over to it, or to who was before it.

use super::wire::{Answer, Asked, receive, send};
use crate::{
    ledger::book::Ledger,
    ledger::budget::{Given, Speaker},
};
use std::io;
use std::os::unix::net::UnixStream;

impl Ledger {
    /// Answers the process of `epoch` until it is gone, or this one hands over in turn. Blocks.
    pub fn serve(&self, epoch: u64, stream: UnixStream) {
        let Ok(again) = stream.try_clone() else { return };
        if !self.keeps_balances() {
            return;
        }
        let speaker = self.budgets().listen_to(epoch);
        self.followers().lock().push((epoch, again));
        // However it ends: what it holds stays held until it says otherwise, or is dead.
        let ended = self.answer_all(speaker, &stream);
        tracing::debug!(epoch, ?ended, "a process that handed over is not answered any more");
        self.budgets().hung_up(speaker);
        self.followers().lock().retain(|(_, other)| !same_socket(other, &stream));
    }

    fn answer_all(&self, speaker: Speaker, stream: &UnixStream) -> io::Result<()> {
        loop {
            let answer = match receive::<Asked>(stream)? {
                Asked::Holds(holds) => {
                    // First what it settled, then what it holds no more.
                    self.count_others().map_err(io::Error::other)?;
                    if !self.budgets().lent_to(speaker, &holds) {
                        return Ok(());
                    }
                    Answer::Noted
                }
                Asked::Reserve(now_us, lines) => match self.budgets().lend(speaker, now_us, &lines) {
                    Given::All(stands) => Answer::Granted(stands),
                    Given::Nothing(place, stands) => Answer::Refused(u32::try_from(place).unwrap_or(u32::MAX), stands),
                    Given::NotHere => return Ok(()),
                },
                Asked::Look(now_us, lines) => match self.budgets().stands(now_us, &lines) {
                    Some(stands) => Answer::Stands(stands),
                    None => return Ok(()),
                },
            };
            send(stream, &answer)?;
        }
    }
}

fn same_socket(one: &UnixStream, other: &UnixStream) -> bool {
    let inode = |stream: &UnixStream| rustix::fs::fstat(stream).ok().map(|found| found.st_ino);
    inode(one).is_some() && inode(one) == inode(other)
}

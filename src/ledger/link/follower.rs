//! The side of the process that handed over: it tells what it holds, and asks for what it still admits.

use super::wire::{Answer, Asked, Held, Stand, receive, send};
use crate::{
    ledger::budget::{Authority, Budgets, Lent},
    ledger::clerk::Clerk,
};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Makes a connection to the process that admits and says who is there.
pub(crate) type Dial = Box<dyn Fn() -> io::Result<UnixStream> + Send + Sync>;

/// Between two snapshots of what is held.
const EACH: Duration = Duration::from_millis(100);
/// So long a request waits until who admits is found, and for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to find it.
const AGAIN: Duration = Duration::from_millis(5);
/// When nobody was found, requests are not kept waiting for so long.
const GIVEN_UP: Duration = Duration::from_secs(1);

/// Asks the process that keeps the balances.
pub(crate) struct Follower {
    dial: Dial,
    budgets: Weak<Budgets>,
    clerk: Arc<Clerk>,
    line: Mutex<Line>,
}

/// Held for a question and its answer: so a snapshot has all that was granted before.
#[derive(Default)]
struct Line {
    stream: Option<UnixStream>,
    /// The last snapshot that was taken in there.
    told: Option<Vec<Held>>,
    nobody_until: Option<Instant>,
    over: bool,
}

impl Follower {
    pub(crate) fn new(dial: Dial, budgets: &Arc<Budgets>, clerk: &Arc<Clerk>) -> Self {
        let (budgets, clerk) = (Arc::downgrade(budgets), Arc::clone(clerk));
        Self { dial, budgets, clerk, line: Mutex::default() }
    }

    /// Tells what is held as long as the ledger is open.
    pub(crate) fn keep_telling(&self) {
        loop {
            let mut line = self.line.lock();
            if line.over {
                return;
            }
            // Whoever is not found now may be there the next time.
            drop(self.tell(&mut line));
            drop(line);
            std::thread::park_timeout(EACH);
        }
    }

    /// The last word: nothing is told any more.
    pub(crate) fn end(&self) {
        let mut line = self.line.lock();
        line.over = true;
        drop(self.tell(&mut line));
        line.stream = None;
    }

    /// Tells what is held, if that changed or who admits is another one.
    fn tell(&self, line: &mut Line) -> io::Result<()> {
        if line.stream.is_none() {
            line.stream = Some((self.dial)()?);
            line.told = None;
        }
        let Some(budgets) = self.budgets.upgrade() else { return Ok(()) };
        let (holds, _) = budgets.held();
        // What is held no more was settled before, and that must be there to be read; tried again with the next one.
        self.clerk.write_queued().map_err(io::Error::other)?;
        if line.told.as_ref() == Some(&holds) {
            return Ok(());
        }
        match line.ask(&Asked::Holds(holds.clone()))? {
            Answer::Noted => line.told = Some(holds),
            other => return Err(line.broken(&other)),
        }
        Ok(())
    }

    /// Asks, and looks for who admits if that is another one now; `None`: there is nobody.
    fn ask(&self, line: &mut Line, asked: &Asked) -> Option<Answer> {
        let begun = Instant::now();
        if line.nobody_until.is_some_and(|until| begun < until) {
            return None;
        }
        line.nobody_until = None;
        loop {
            let answer = match line.stream.is_some() {
                true => line.ask(asked),
                false => self.tell(line).and_then(|()| line.ask(asked)),
            };
            match answer {
                Ok(answer) => return Some(answer),
                Err(error) if begun.elapsed() >= PATIENCE => {
                    tracing::error!(%error, "the gateway that took over cannot be asked; budgets that enforce refuse");
                    line.nobody_until = Some(Instant::now() + GIVEN_UP);
                    return None;
                }
                Err(_) => std::thread::park_timeout(AGAIN),
            }
        }
    }
}

impl Line {
    /// Asks and waits for the answer. After a failure the connection is given up: nobody knows what was done.
    fn ask(&mut self, asked: &Asked) -> io::Result<Answer> {
        let Some(stream) = &self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let answer = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .and_then(|()| send(stream, asked))
            .and_then(|()| receive(stream));
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn broken(&mut self, answer: &Answer) -> io::Error {
        self.stream = None;
        io::Error::new(io::ErrorKind::InvalidData, format!("an answer that was not asked for: {answer:?}"))
    }
}

impl Authority for Follower {
    fn reserve(&self, now_us: u64, lines: Vec<Held>, then: &mut dyn FnMut(Lent)) {
        if lines.is_empty() {
            return then(Lent::Granted(Vec::new()));
        }
        let mut line = self.line.lock();
        let lent = match self.ask(&mut line, &Asked::Reserve(now_us, lines)) {
            Some(Answer::Granted(stands)) => {
                // The next snapshot must say so, also where it is the same as the last one.
                line.told = None;
                Lent::Granted(stands)
            }
            Some(Answer::Refused(place, stands)) => Lent::Refused(place as usize, stands),
            Some(Answer::Noted | Answer::Stands(_)) | None => Lent::Unreachable,
        };
        then(lent);
    }

    fn look(&self, now_us: u64, lines: Vec<Held>) -> Option<Vec<Stand>> {
        if lines.is_empty() {
            return Some(Vec::new());
        }
        match self.ask(&mut self.line.lock(), &Asked::Look(now_us, lines))? {
            Answer::Stands(stands) => Some(stands),
            Answer::Noted | Answer::Granted(_) | Answer::Refused(..) => None,
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Follower").finish_non_exhaustive()
    }
}

//! Places among the open requests: taken at once where one is free, waited for in a fair queue where none is, refused
//! within a moment where waiting would be in vain.
//!
//! A place is free while fewer requests are open than `server.max_in_flight`, and while no more were admitted than the
//! pace allows that goes by `server.shed_lag`. The way without overload is two loads and one atomic write; the queue's lock is
//! taken only where somebody waits, and never held across an `.await`.
//!
//! - How many may wait is bounded by what can be served in time, too: by how fast places became free. Who would wait in vain
//!   is refused at once, or takes the room of one with less claim ([`FairQueue::displace`]). A refusal that comes late is
//!   worth little: who has waited for [`FIRM`] is not sent away for others any more, but served within its wait.
//! - `server.queue.wait` is for bursts. Once somebody has waited for that long without a pause of the same length, only as
//!   many wait as are served within a twentieth of it: under lasting overload it would only make every answer later.
//! - A client that leaves while it waits is found by looking at its connection every [`LOOK`] (`waiting.rs`).

use crate::{
    config::{Priority, Server},
    limits::{Claim, FairQueue, Pace, Standing, Turnover},
    telemetry::OverloadMetrics,
};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// How often it is looked whether a waiting client is still there.
const LOOK: Duration = Duration::from_millis(25);

/// Who has waited for so long is not displaced any more.
const FIRM: Duration = Duration::from_millis(15);

/// What the pace lets pass at once after a pause, in nanoseconds of its rate.
const BURST_NS: u64 = 20_000_000;

/// Why a request got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// As many wait as may.
    Full,
    /// It waited as long as it may.
    Waited,
    /// It made room for one with more claim to wait.
    Displaced,
}

/// A request without a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Why.
    pub why: Why,
    /// Whether it was for want of processor time, not of places.
    pub paced: bool,
    /// When it is worth trying again.
    pub wait: Duration,
}

impl fmt::Display for Overload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.paced {
            false => "the gateway serves as many requests as `server.max_in_flight` allows",
            true => "the gateway's processors are busy (`server.shed_lag`)",
        })?;
        out.write_str(match self.why {
            Why::Full => ", and as many wait as can be served in time (`server.queue`)",
            Why::Waited => ", and none of its places became free in time (`server.queue.wait`)",
            Why::Displaced => ", and requests of other teams or of a higher `priority` wait before this one",
        })?;
        out.write_str("; try again in a moment")
    }
}

/// The places of all requests.
#[derive(Clone)]
pub struct Admission(Arc<Shared>);

struct Shared {
    /// How many are open in the low half, how many ever were admitted (wrapping) in the high one.
    open: AtomicU64,
    most: u32,
    /// How many wait; changed with the desk's lock held.
    waiting: AtomicUsize,
    desk: Mutex<Desk>,
    length: usize,
    wait: Duration,
    pace: Mutex<Pace>,
    shed_lag: Duration,
    /// Nanoseconds between two admissions; 0: as they come.
    gap_ns: AtomicU64,
    /// When the next admission is due, in nanoseconds since `zero`.
    due_ns: AtomicU64,
    zero: Instant,
    metrics: OverloadMetrics,
}

/// Those who wait, by what tells them.
type Queue = FairQueue<oneshot::Sender<()>>;

#[derive(Default)]
struct Desk {
    queue: Queue,
    turnover: Turnover,
    /// Since when somebody waits, without a pause as long as `server.queue.wait`.
    since_us: Option<u64>,
    /// Since when nobody does.
    empty_us: Option<u64>,
}

const ONE_ADMITTED: u64 = (1 << 32) + 1;

/// A place; dropping it makes it free.
pub struct Place {
    of: Arc<Shared>,
    /// How long it was waited for.
    pub waited: Duration,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.release();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Place").field("waited", &self.waited).finish_non_exhaustive()
    }
}

impl Admission {
    /// Nobody is admitted yet.
    pub fn new(server: &Server, metrics: OverloadMetrics) -> Self {
        let lag_us = u64::try_from(server.shed_lag.as_micros()).unwrap_or(u64::MAX);
        Self(Arc::new(Shared {
            open: AtomicU64::new(0),
            most: server.max_in_flight.get(),
            waiting: AtomicUsize::new(0),
            desk: Mutex::default(),
            length: server.queue.length,
            wait: server.queue.wait,
            pace: Mutex::new(Pace::new(lag_us)),
            shed_lag: server.shed_lag,
            gap_ns: AtomicU64::new(0),
            due_ns: AtomicU64::new(0),
            zero: Instant::now(),
            metrics,
        }))
    }

    /// How many requests are open.
    pub fn used(&self) -> usize {
        self.0.used() as usize
    }

    /// How many requests are open or wait for it.
    pub fn busy(&self) -> usize {
        self.used() + self.0.waiting.load(Ordering::SeqCst)
    }

    /// A free place, if nobody waits for it.
    pub fn take(&self) -> Option<Place> {
        let free = self.0.waiting.load(Ordering::SeqCst) == 0 && self.0.take();
        free.then(|| self.0.place(Duration::ZERO))
    }

    /// Sets the gauges.
    pub fn refresh(&self) {
        let desk = self.0.desk.lock();
        for priority in Priority::ALL {
            self.0.metrics.waiting(priority.name(), desk.queue.len_of(priority));
        }
    }

    /// A place, waited for where none is free. `left` is asked while it waits whether the client is gone: then there is
    /// none.
    ///
    /// # Errors
    ///
    /// `Overload`: it waited in vain, or did not need to.
    pub async fn enter(
        &self,
        priority: Priority,
        team: &Arc<str>,
        mut left: impl FnMut() -> bool,
    ) -> Result<Option<Place>, Overload> {
        if let Some(place) = self.take() {
            return Ok(Some(place));
        }
        let begun = Instant::now();
        let told = |why: Why| {
            self.0.metrics.waited(begun.elapsed());
            self.0.metrics.refused(why.name(), priority.name());
            self.0.overload(why)
        };
        let mut ticket = match self.0.queue_up(priority, team) {
            Ok(Queued::At(ticket)) => ticket,
            Ok(Queued::Served(place)) => return Ok(Some(place)),
            Err(overload) => {
                self.0.metrics.refused(overload.why.name(), priority.name());
                return Err(overload);
            }
        };
        let deadline = begun + self.0.wait;
        loop {
            let look = deadline.min(Instant::now() + LOOK);
            tokio::select! {
                biased;
                word = &mut ticket.word => {
                    ticket.settled = true;
                    if word.is_err() {
                        return Err(told(Why::Displaced));
                    }
                    self.0.metrics.waited(begun.elapsed());
                    return Ok(Some(self.0.place(begun.elapsed())));
                }
                () = sleep_until(look) => {}
            }
            if left() {
                self.0.metrics.refused("left", priority.name());
                return Ok(None);
            }
            if Instant::now() >= deadline {
                drop(ticket);
                return Err(told(Why::Waited));
            }
            // Under a pace places become free as time passes.
            self.0.serve();
        }
    }

    /// Measures the lag, for one of a few requests: what it takes to be served again by the thread's own queue.
    pub async fn measure(&self, at_us: u64) {
        if self.0.shed_lag.is_zero() || !at_us.is_multiple_of(Pace::EACH) {
            return;
        }
        let begun = Instant::now();
        tokio::task::yield_now().await;
        self.0.lag(begun.elapsed());
    }
}

enum Queued {
    At(Ticket),
    Served(Place),
}

/// One that waits; dropped, it does so no longer.
struct Ticket {
    of: Arc<Shared>,
    standing: Standing,
    /// A place, or the news that there is none to wait for.
    word: oneshot::Receiver<()>,
    settled: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        self.of.leave(&self.standing);
        self.word.close();
        // A place that was given meanwhile goes to the next.
        if self.word.try_recv().is_ok() {
            self.of.release();
        }
    }
}

impl Shared {
    fn used(&self) -> u32 {
        self.open.load(Ordering::Relaxed) as u32
    }

    fn place(self: &Arc<Self>, waited: Duration) -> Place {
        Place { of: Arc::clone(self), waited }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Takes a free place, whoever waits.
    fn take(&self) -> bool {
        if self.used() >= self.most || !self.due() {
            return false;
        }
        // Sequential, as `waiting` is: of one that takes the last place and one that queues up, one sees the other.
        let fits = |open: u64| ((open as u32) < self.most).then(|| open.wrapping_add(ONE_ADMITTED));
        self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
    }

    /// Whether the pace lets one more pass; it is counted then.
    fn due(&self) -> bool {
        let gap = self.gap_ns.load(Ordering::Relaxed);
        if gap == 0 {
            return true;
        }
        let now = u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let next = |due: u64| (due <= now).then(|| due.max(now.saturating_sub(BURST_NS)).saturating_add(gap));
        self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    fn release(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.serve();
    }

    /// Gives free places to those who wait.
    fn serve(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let mut desk = self.desk.lock();
            self.serve_from(&mut desk);
            self.waiting.store(desk.queue.len(), Ordering::SeqCst);
        }
    }

    fn serve_from(&self, desk: &mut Desk) {
        let now_us = self.now_us();
        // Whoever has waited for much longer than planned comes first: nobody shall wait in vain.
        let part = if self.stands(desk, now_us) { 1 } else { 3 };
        let late_us = now_us.checked_sub(self.wait_us() / 4 * part);
        while !desk.queue.is_empty() && self.take() {
            let given = desk.queue.pop(late_us).is_some_and(|word| word.send(()).is_ok());
            if given {
                desk.turnover.given(now_us);
            } else {
                self.open.fetch_sub(1, Ordering::SeqCst);
            }
        }
        desk.note_empty(now_us);
    }

    fn leave(&self, standing: &Standing) {
        let mut desk = self.desk.lock();
        desk.queue.remove(standing);
        desk.note_empty(self.now_us());
        self.waiting.store(desk.queue.len(), Ordering::SeqCst);
    }

    fn queue_up(self: &Arc<Self>, priority: Priority, team: &Arc<str>) -> Result<Queued, Overload> {
        let mut desk = self.desk.lock();
        // Counted before it is looked for a place: one that becomes free from here on is given by `release`.
        self.waiting.store(desk.queue.len() + 1, Ordering::SeqCst);
        let queued = self.queue_at(&mut desk, priority, team);
        self.waiting.store(desk.queue.len(), Ordering::SeqCst);
        drop(desk);
        match queued {
            Some(Some((standing, word))) => {
                let of = Arc::clone(self);
                Ok(Queued::At(Ticket { of, standing, word, settled: false }))
            }
            Some(None) => Ok(Queued::Served(self.place(Duration::ZERO))),
            None => Err(self.overload(Why::Full)),
        }
    }

    /// `None`: no room. `Some(None)`: it has a place.
    fn queue_at(&self, desk: &mut Desk, priority: Priority, team: &Arc<str>) -> Option<Option<Waiting>> {
        self.serve_from(desk);
        if desk.queue.is_empty() && self.take() {
            return Some(None);
        }
        let now_us = self.now_us();
        desk.end_pause(now_us, self.wait_us());
        let most = self.room(desk, now_us);
        if desk.queue.len() >= most && !self.make_room(&mut desk.queue, (priority, team), most, now_us) {
            return None;
        }
        if desk.queue.is_empty() {
            desk.turnover.begin(now_us);
        }
        desk.since_us.get_or_insert(now_us);
        let (tell, word) = oneshot::channel();
        Some(Some((desk.queue.push(priority, team, now_us, tell), word)))
    }

    /// Whether one of this class and team may wait although as many do as should. The sender of one that makes room is
    /// dropped, which tells it.
    fn make_room(&self, queue: &mut Queue, (priority, team): (Priority, &Arc<str>), most: usize, now_us: u64) -> bool {
        let firm_us = now_us.checked_sub(u64::try_from(FIRM.as_micros()).unwrap_or(u64::MAX));
        let claim = match queue.displace(priority, team, firm_us) {
            Claim::Room(_) => return true,
            Claim::Firm => true,
            // The lowest class gets its share too.
            Claim::None => queue.len_of(priority) == 0,
        };
        let is_full = queue.len() >= self.length;
        let before = |one: &Priority| *one >= priority;
        let ahead: usize = Priority::ALL.into_iter().filter(before).map(|one| queue.len_of(one)).sum();
        match claim {
            // A few more than should; meanwhile the door is closed for those with less claim.
            true if !is_full => ahead < most.saturating_mul(2).max(LEAST_ROOM),
            // Nothing moves here: late is better than unfair.
            true => matches!(queue.displace(priority, team, None), Claim::Room(_)),
            false => false,
        }
    }

    fn wait_us(&self) -> u64 {
        u64::try_from(self.wait.as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether it is no burst any more.
    fn stands(&self, desk: &Desk, now_us: u64) -> bool {
        desk.since_us.is_some_and(|since| now_us.saturating_sub(since) > self.wait_us())
    }

    /// How many may wait. In a burst as many as are served within half of the wait: nobody shall wait for the whole of it in
    /// vain.
    fn room(&self, desk: &Desk, now_us: u64) -> usize {
        let useful_us = self.wait_us() / if self.stands(desk, now_us) { 20 } else { 2 };
        let by_time = desk.turnover.wait_us(1, now_us).map_or(u64::MAX, |each| useful_us / each.max(1)).max(1);
        usize::try_from(by_time).unwrap_or(usize::MAX).min(self.length)
    }

    fn overload(&self, why: Why) -> Overload {
        let now_us = self.now_us();
        let wait_us = {
            let desk = self.desk.lock();
            desk.turnover.wait_us(desk.queue.len() + 1, now_us)
        };
        let wait = wait_us.map_or(LEAST_WAIT, Duration::from_micros).clamp(LEAST_WAIT, MOST_WAIT);
        // They shall not all come again at once.
        let spread = now_us.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54; // 0 to 1023
        let wait = wait + wait.mul_f64(f64::from(u16::try_from(spread).unwrap_or(0)) / 2048.0);
        Overload { why, paced: self.gap_ns.load(Ordering::Relaxed) > 0, wait }
    }

    fn lag(&self, lag: Duration) {
        // Who measures at the same time measures the same.
        let Some(mut pace) = self.pace.try_lock() else { return };
        let admitted = (self.open.load(Ordering::Relaxed) >> 32) as u32;
        let lag_us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        if let Some(least_us) = pace.lag(lag_us, admitted, self.now_us()) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
            let gap = pace.rate().map_or(0, |rate| (1e9 / rate) as u64);
            self.gap_ns.store(gap, Ordering::Relaxed);
            self.metrics.paced(Duration::from_micros(least_us), pace.rate());
        }
    }
}

type Waiting = (Standing, oneshot::Receiver<()>);

/// Those with a claim may be so many, however few should wait.
const LEAST_ROOM: usize = 16;

/// What a client is told to wait at least and at most.
const LEAST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(30);

impl Desk {
    fn note_empty(&mut self, now_us: u64) {
        if self.queue.is_empty() && self.since_us.is_some() {
            self.empty_us.get_or_insert(now_us);
            self.turnover.end();
        }
    }

    /// Somebody comes: after a pause of `wait_us` it is a new burst that begins.
    fn end_pause(&mut self, now_us: u64, wait_us: u64) {
        if self.empty_us.take_if(|_| self.queue.is_empty()).is_some_and(|since| now_us.saturating_sub(since) >= wait_us)
        {
            self.since_us = None;
        }
    }
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Waited => "waited",
            Self::Displaced => "displaced",
        }
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;

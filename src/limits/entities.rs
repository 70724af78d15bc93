//! Counters of a rule: one, or one for each value that clients send.
//!
//! A table holds at most [`MOST_ENTITIES`]. When it is full, those that count nothing now are let go; when none is idle,
//! new ones share one counter: they are limited together, and nobody can make the gateway's memory grow.

use super::window::Window;
use papaya::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Past it new entities share one counter; each takes about 600 bytes.
pub const MOST_ENTITIES: usize = 100_000;

/// A full table is looked through for idle entities at most this often: it takes milliseconds.
const LOOK_EVERY_US: u64 = 1_000_000;

/// What counts.
#[derive(Debug)]
pub enum Meter {
    /// Requests or tokens.
    Window(Box<Window>),
    /// What is open now.
    Gate(Gate),
}

/// Requests that are open.
#[derive(Debug, Default)]
pub struct Gate(AtomicU32);

impl Gate {
    /// One more, unless `most` are open.
    pub fn enter(&self, most: u32) -> bool {
        let fits = |open: u32| (open < most).then_some(open.saturating_add(1));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }

    /// One less.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many are open.
    pub fn open(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// A meter and who holds on to it.
#[derive(Debug)]
pub struct Counter {
    meter: Meter,
    /// Holders, or [`RETIRED`].
    pins: AtomicU32,
}

const RETIRED: u32 = u32::MAX;

impl Counter {
    /// Nothing was counted yet.
    pub fn new(meter: Meter) -> Arc<Self> {
        Arc::new(Self { meter, pins: AtomicU32::new(0) })
    }

    /// Counts nothing at `now_us`.
    fn is_idle(&self, now_us: u64) -> bool {
        match &self.meter {
            Meter::Window(window) => window.used(now_us) == 0,
            Meter::Gate(gate) => gate.open() == 0,
        }
    }

    /// Nobody gets hold of it any more, if it counts nothing and nobody holds it now.
    fn retire(&self, now_us: u64) -> bool {
        let swap = |from, to| self.pins.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !self.is_idle(now_us) || !swap(0, RETIRED) {
            return false;
        }
        // Between the two somebody may have counted; now nobody can.
        self.is_idle(now_us) || !swap(RETIRED, 0)
    }
}

/// Holds a counter: it is not let go meanwhile, so what is given back or corrected arrives.
#[derive(Debug)]
pub struct Pin(Arc<Counter>);

impl Pin {
    /// `None`: the counter was let go.
    pub fn hold(counter: &Arc<Counter>) -> Option<Self> {
        let more = |pins: u32| (pins != RETIRED).then(|| pins + 1);
        counter.pins.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(counter)))
    }
}

impl Deref for Pin {
    type Target = Meter;

    fn deref(&self) -> &Meter {
        &self.0.meter
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counters by entity.
#[derive(Debug)]
pub struct Entities {
    map: HashMap<Arc<str>, Arc<Counter>>,
    len: AtomicUsize,
    most: usize,
    other: Arc<Counter>,
    next_look_us: AtomicU64,
    make: fn(Duration) -> Meter,
    per: Duration,
}

impl Entities {
    /// Empty; `make` makes the meter of a new entity.
    pub fn new(make: fn(Duration) -> Meter, per: Duration, most: usize) -> Self {
        Self {
            map: HashMap::new(),
            len: AtomicUsize::new(0),
            most,
            other: Counter::new(make(per)),
            next_look_us: AtomicU64::new(0),
            make,
            per,
        }
    }

    /// The counter of `name`, made if it is new.
    pub fn pin(&self, name: &str, now_us: u64) -> Pin {
        let map = self.map.pin();
        loop {
            if let Some(counter) = map.get(name) {
                match Pin::hold(counter) {
                    Some(pin) => return pin,
                    // It is being taken out of the map at this moment, or was held on to after all.
                    None => std::hint::spin_loop(),
                }
                continue;
            }
            let room = |len: usize| (len < self.most).then_some(len + 1);
            if self.len.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_err() {
                if self.let_go(now_us) {
                    continue;
                }
                return Pin::hold(&self.other).expect("the shared counter is never retired");
            }
            let counter = Counter::new((self.make)(self.per));
            let pin = Pin::hold(&counter).expect("a new counter is not retired");
            if map.try_insert(Arc::from(name), counter).is_ok() {
                return pin;
            }
            self.len.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The counter of `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<Pin> {
        self.map.pin().get(name).and_then(Pin::hold)
    }

    /// Each entity that has a counter of its own, in no order.
    pub fn for_each(&self, mut seen: impl FnMut(&str, Pin)) {
        for (name, counter) in &self.map.pin() {
            if let Some(pin) = Pin::hold(counter) {
                seen(name, pin);
            }
        }
    }

    /// How many entities have a counter of their own.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Lets idle ones go; whether there are any. At most one thread a second looks.
    fn let_go(&self, now_us: u64) -> bool {
        let due = |at: u64| (now_us >= at).then(|| now_us.saturating_add(LOOK_EVERY_US));
        if self.next_look_us.fetch_update(Ordering::AcqRel, Ordering::Acquire, due).is_err() {
            return false;
        }
        let map = self.map.pin();
        let mut gone = 0;
        for (name, counter) in &map {
            if counter.retire(now_us) && map.remove(name).is_some() {
                self.len.fetch_sub(1, Ordering::AcqRel);
                gone += 1;
            }
        }
        gone > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 1_795_000_000_000_000;

    fn table(most: usize) -> Entities {
        Entities::new(|per| Meter::Window(Box::new(Window::new(per))), Duration::from_secs(1), most)
    }

    fn take(pin: &Pin, now_us: u64) -> bool {
        match &**pin {
            Meter::Window(window) => window.take(1, 1, now_us).is_ok(),
            Meter::Gate(_) => unreachable!("it is a window"),
        }
    }

    #[test]
    fn each_counts_for_itself_and_past_the_bound_new_ones_share_one() {
        let table = table(2);
        assert!(take(&table.pin("a", BASE), BASE) && take(&table.pin("b", BASE), BASE));
        assert!(!take(&table.pin("a", BASE), BASE));
        assert!(take(&table.pin("c", BASE), BASE), "the first of the others");
        assert!(!take(&table.pin("d", BASE), BASE), "it shares with the one before");
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn idle_ones_make_room_and_busy_or_held_ones_stay() {
        let table = table(2);
        assert!(take(&table.pin("a", BASE), BASE));
        let held = table.pin("b", BASE);
        let later = BASE + 5_000_000;
        assert!(take(&table.pin("c", later), later));
        assert!(table.find("a").is_none() && table.find("c").is_some(), "the idle one went");
        assert!(take(&held, later));
        drop(held);
        assert!(!take(&table.pin("b", later), later), "it is the same counter still");
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn threads_that_come_and_go_never_get_more_than_the_limit_for_one_name() {
        let table = table(8);
        let passed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (table, passed) = (&table, &passed);
                scope.spawn(move || {
                    for turn in 0..5_000_u64 {
                        // Names of one use make the table look for idle ones all the time.
                        let name = format!("{thread}-{turn}");
                        drop(table.pin(&name, BASE + turn * 10_000_000));
                        if turn % 100 == 0 && take(&table.pin("same", BASE), BASE) {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert!(table.len() <= 8);
        assert!(passed.load(Ordering::Relaxed) >= 1);
    }
}

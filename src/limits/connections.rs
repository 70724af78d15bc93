//! Open connections: of all clients together, and of each address.
//!
//! Unlike what addresses *do* (`address.rs`), what they *hold* is counted exactly: there are never more entries than open
//! connections, and each gives its place back when it is dropped.

use super::address::network;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts connections.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    /// Of one address; 0: any number.
    most_of_one: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// By address, of IPv6 by /64.
    of: HashMap<IpAddr, usize>,
}

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionsFull {
    /// As many as there may be are open.
    All,
    /// As many as its address may have are open.
    Address,
}

/// A connection that is open. Dropping it gives its place back.
#[derive(Debug)]
pub struct Connection {
    of: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// At most `most` in all, and `most_of_one` of one address (0: any number).
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, open: Mutex::default() }
    }

    /// Takes a place for a connection whose client is not known yet.
    ///
    /// # Errors
    ///
    /// [`ConnectionsFull::All`].
    pub fn open(self: &Arc<Self>) -> Result<Connection, ConnectionsFull> {
        let mut open = self.open.lock();
        if open.all >= self.most {
            return Err(ConnectionsFull::All);
        }
        open.all += 1;
        Ok(Connection { of: Arc::clone(self), address: None })
    }

    /// Connections that are open now.
    pub fn count(&self) -> usize {
        self.open.lock().all
    }
}

impl Connection {
    /// The connection is one of `address`.
    ///
    /// # Errors
    ///
    /// [`ConnectionsFull::Address`]; it is not counted for it then.
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), ConnectionsFull> {
        if self.of.most_of_one == 0 || self.address.is_some() {
            return Ok(());
        }
        let address = network(address);
        let mut open = self.of.open.lock();
        let count = open.of.entry(address).or_insert(0);
        if *count >= self.of.most_of_one {
            return Err(ConnectionsFull::Address);
        }
        *count += 1;
        drop(open);
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.of.open.lock();
        open.all = open.all.saturating_sub(1);
        let Some(Entry::Occupied(mut entry)) = self.address.map(|address| open.of.entry(address)) else { return };
        *entry.get_mut() = entry.get().saturating_sub(1);
        if *entry.get() == 0 {
            entry.remove();
            // What a flood of addresses took is given back behind it.
            if open.of.capacity() > 1024 && open.of.len() * 8 < open.of.capacity() {
                open.of.shrink_to(1024);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_connection_gives_its_place_back_when_it_is_dropped() {
        let all = Arc::new(Connections::new(2, 0));
        let (first, second) = (all.open().expect("room"), all.open().expect("room"));
        assert_eq!(all.open().err(), Some(ConnectionsFull::All));
        drop(first);
        assert_eq!(all.count(), 1);
        let third = all.open().expect("room again");
        drop((second, third));
        assert_eq!((all.count(), all.open.lock().of.len()), (0, 0));
    }

    #[test]
    fn one_address_has_its_share_and_a_64_is_one_client() {
        let all = Arc::new(Connections::new(10, 2));
        let take = |text: &str| {
            let mut connection = all.open().expect("room");
            connection.belongs_to(address(text)).map(|()| connection)
        };
        let kept = [take("192.0.2.1"), take("::ffff:192.0.2.1"), take("2001:db8::1"), take("2001:db8::2")];
        assert!(kept.iter().all(Result::is_ok));
        for full in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::3"] {
            assert_eq!(take(full).err(), Some(ConnectionsFull::Address), "{full}");
        }
        assert_eq!(all.count(), 4, "who is refused holds nothing");
        let other = take("192.0.2.2").expect("another address has its own");
        drop(kept);
        assert!(take("192.0.2.1").is_ok());
        drop(other);
        assert_eq!((all.count(), all.open.lock().of.len()), (0, 0));
    }

    #[test]
    fn a_connection_counts_for_one_address_only() {
        let all = Arc::new(Connections::new(10, 1));
        let mut connection = all.open().expect("room");
        assert_eq!(connection.belongs_to(address("192.0.2.1")), Ok(()));
        assert_eq!(connection.belongs_to(address("192.0.2.2")), Ok(()));
        drop(connection);
        assert!(all.open.lock().of.is_empty());
    }
}

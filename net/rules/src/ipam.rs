//! Which pod has which address of the node's podCIDR.
//!
//! Addresses are handed out in rising order and reused only after the range has been
//! walked once, because peers remember the address of a dead pod (DNS, connection
//! tracking) for a while. Network, gateway (first) and broadcast addresses stay free.

use ipnetwork::Ipv4Network;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

/// The addresses of one podCIDR and their owners.
#[derive(Clone, Debug)]
pub struct Ipam {
    first: u32,
    last: u32,
    next: u32,
    by_pod: BTreeMap<String, Ipv4Addr>,
    used: BTreeSet<Ipv4Addr>,
}

impl Ipam {
    /// All of `cidr` is free, but for its network, gateway and broadcast addresses.
    pub fn new(cidr: Ipv4Network) -> Self {
        let (network, broadcast) = (u32::from(cidr.network()), u32::from(cidr.broadcast()));
        let first = network.saturating_add(2);
        Self { first, last: broadcast.saturating_sub(1), next: first, by_pod: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// The pod's address: the one it has, or the next free one; `None` when the range is exhausted.
    pub fn allocate(&mut self, pod_uid: &str) -> Option<Ipv4Addr> {
        if let Some(ip) = self.by_pod.get(pod_uid) {
            return Some(*ip);
        }
        if self.first > self.last {
            return None;
        }
        let free = |ip: &u32| !self.used.contains(&Ipv4Addr::from(*ip));
        let found = (self.next..=self.last).chain(self.first..self.next).find(free)?;
        self.next = if found == self.last { self.first } else { found + 1 };
        self.take(pod_uid, Ipv4Addr::from(found));
        Some(Ipv4Addr::from(found))
    }

    /// Records an address that a pod already holds, as read from disk after a restart.
    ///
    /// False, and nothing changes, when the address is outside the range or owned by another pod,
    /// or the pod has another address.
    pub fn restore(&mut self, pod_uid: &str, ip: Ipv4Addr) -> bool {
        match self.by_pod.get(pod_uid) {
            Some(known) => *known == ip,
            None if !(self.first..=self.last).contains(&u32::from(ip)) || self.used.contains(&ip) => false,
            None => {
                self.take(pod_uid, ip);
                if u32::from(ip) >= self.next {
                    self.next = if u32::from(ip) == self.last { self.first } else { u32::from(ip) + 1 };
                }
                true
            }
        }
    }

    /// Frees the pod's address and returns it.
    pub fn release(&mut self, pod_uid: &str) -> Option<Ipv4Addr> {
        let ip = self.by_pod.remove(pod_uid)?;
        self.used.remove(&ip);
        Some(ip)
    }

    /// The address of a pod, if it has one.
    pub fn get(&self, pod_uid: &str) -> Option<Ipv4Addr> {
        self.by_pod.get(pod_uid).copied()
    }

    /// Number of addresses in use.
    pub fn len(&self) -> usize {
        self.by_pod.len()
    }

    /// Whether no address is in use.
    pub fn is_empty(&self) -> bool {
        self.by_pod.is_empty()
    }

    fn take(&mut self, pod_uid: &str, ip: Ipv4Addr) {
        self.by_pod.insert(pod_uid.to_owned(), ip);
        self.used.insert(ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Ipv4Network {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_rise_and_are_reused_last() {
        let mut ipam = Ipam::new(cidr("10.244.1.0/29"));
        let got: Vec<_> = ["a", "b", "c"].iter().map(|uid| ipam.allocate(uid).unwrap().to_string()).collect();
        assert_eq!(got, ["10.244.1.2", "10.244.1.3", "10.244.1.4"]);
        assert_eq!(ipam.release("a"), Some(Ipv4Addr::new(10, 244, 1, 2)));
        assert_eq!(ipam.allocate("d"), Some(Ipv4Addr::new(10, 244, 1, 5)));
        assert_eq!(ipam.allocate("e"), Some(Ipv4Addr::new(10, 244, 1, 6)));
        assert_eq!(ipam.allocate("f"), Some(Ipv4Addr::new(10, 244, 1, 2)));
        assert_eq!(ipam.allocate("g"), None, "network, gateway and broadcast are never given");
    }

    #[test]
    fn restore_refuses_strangers_and_doubles() {
        let mut ipam = Ipam::new(cidr("10.244.1.0/24"));
        for (uid, ip, taken) in [
            ("a", "10.244.1.9", true),
            ("a", "10.244.1.9", true),
            ("a", "10.244.1.10", false),
            ("b", "10.244.1.9", false),
            ("c", "10.244.2.9", false),
            ("d", "10.244.1.0", false),
            ("e", "10.244.1.255", false),
        ] {
            assert_eq!(ipam.restore(uid, ip.parse().unwrap()), taken, "{uid} {ip}");
        }
        assert_eq!(ipam.allocate("f"), Some(Ipv4Addr::new(10, 244, 1, 10)));
    }

    #[test]
    fn ranges_without_room_give_nothing() {
        for text in ["10.0.0.0/32", "10.0.0.0/31", "255.255.255.255/32", "255.255.255.252/30"] {
            let mut ipam = Ipam::new(cidr(text));
            let expected = (text == "255.255.255.252/30").then(|| Ipv4Addr::new(255, 255, 255, 254));
            assert_eq!(ipam.allocate("a"), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_address_is_ever_given_twice(steps in prop::collection::vec((any::<bool>(), 0u8..20), 1..200)) {
            let network = cidr("10.244.1.0/28");
            let mut ipam = Ipam::new(network);
            for (add, pod) in steps {
                let uid = pod.to_string();
                if add {
                    let before = ipam.get(&uid);
                    match ipam.allocate(&uid) {
                        Some(ip) => {
                            prop_assert!(before.is_none_or(|known| known == ip));
                            prop_assert!(network.contains(ip) && ip != network.network() && ip != network.broadcast());
                        }
                        None => prop_assert_eq!(ipam.len(), 13),
                    }
                } else {
                    ipam.release(&uid);
                }
                let held: Vec<_> = (0u8..20).filter_map(|p| ipam.get(&p.to_string())).collect();
                let distinct: BTreeSet<_> = held.iter().copied().collect();
                prop_assert_eq!(held.len(), distinct.len());
                prop_assert_eq!(held.len(), ipam.len());
            }
        }
    }
}

//! Cluster IPs and node ports: which are taken, and which are about to be.
//!
//! What is taken is read off the Services themselves, so a deleted Service has freed its
//! addresses by being gone. Only writes in flight need to be remembered.

use crate::{backend::Backend, verbs::ApiConfig};
use ipnetwork::Ipv4Network;
use podium_machinery::state::Snapshot;
use podium_types::{Key, meta};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The lower part of the range is left to addresses that users choose (as in Kubernetes), where it is large enough.
const STATIC_BAND: u32 = 256;

/// What a Service holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// A cluster IP.
    Address(Ipv4Addr),
    /// A node port of a protocol.
    Port(u16, String),
}

#[derive(Default)]
struct Book {
    /// Claims of each Service at the revision they were read at.
    services: BTreeMap<Key, (u64, Vec<Claim>)>,
    /// How often each claim stands in `services`.
    taken: BTreeMap<Claim, usize>,
    /// Claims of writes that are not committed yet.
    pending: BTreeSet<Claim>,
}

impl Book {
    fn remove(&mut self, claims: &[Claim]) {
        for claim in claims {
            if let Some(count) = self.taken.get_mut(claim) {
                *count -= 1;
                if *count == 0 {
                    self.taken.remove(claim);
                }
            }
        }
    }
}

/// Finds and holds free addresses and ports.
pub(crate) struct Allocator {
    config: ApiConfig,
    book: Arc<Mutex<Book>>,
}

/// Claims of one write; free again when it is dropped.
#[derive(Default)]
pub(crate) struct Reserved {
    claims: Vec<Claim>,
    book: Option<Arc<Mutex<Book>>>,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(book) = &self.book {
            let mut book = lock(book);
            for claim in &self.claims {
                book.pending.remove(claim);
            }
        }
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    // The book is right again after the next `refresh`, whatever a panicking holder did.
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Allocator {
    pub(crate) fn new(config: ApiConfig) -> Self {
        Self { config, book: Arc::default() }
    }
    pub(super) fn config(&self) -> &ApiConfig {
        &self.config
    }
    /// Begins to allocate for one write.
    pub(super) fn begin(&self, backend: &dyn Backend) -> Allocation<'_> {
        let mut book = lock(&self.book);
        if let Some(kind) = podium_kinds::by_resource("services") {
            refresh(&mut book, &backend.snapshot(kind));
        }
        let reserved = Reserved { claims: Vec::new(), book: Some(Arc::clone(&self.book)) };
        let mut ranges = vec![self.config.service_cidr];
        if let Some(kind) = podium_kinds::by_resource("servicecidrs.networking.k8s.io") {
            ranges.extend(backend.snapshot(kind).objects.values().flat_map(|range| usable(&range.value())));
        }
        Allocation { config: &self.config, ranges, book, reserved }
    }
}

/// The networks of a ServiceCIDR that addresses may be taken from (KEP-1880): it is ready, and stays.
fn usable(range: &Value) -> Vec<Ipv4Network> {
    let conditions = range["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.filter(|c| c["type"] == "Ready").any(|c| c["status"] == "True");
    let cidrs = range["spec"]["cidrs"].as_array().filter(|_| ready && !meta::is_deleting(range));
    cidrs.into_iter().flatten().filter_map(|cidr| cidr.as_str()?.parse().ok()).collect()
}

fn refresh(book: &mut Book, snapshot: &Snapshot) {
    let objects = &snapshot.objects;
    let gone: Vec<Key> = book.services.keys().filter(|k| !objects.contains_key(*k)).cloned().collect();
    for key in gone {
        if let Some((_, claims)) = book.services.remove(&key) {
            book.remove(&claims);
        }
    }
    for (key, object) in objects {
        if book.services.get(key).is_some_and(|(revision, _)| *revision == object.revision) {
            continue;
        }
        if let Some((_, claims)) = book.services.remove(key) {
            book.remove(&claims);
        }
        let claims = claims(&object.value());
        for claim in &claims {
            *book.taken.entry(claim.clone()).or_default() += 1;
        }
        book.services.insert(key.clone(), (object.revision, claims));
    }
}

/// What a Service holds.
pub(super) fn claims(service: &Value) -> Vec<Claim> {
    let spec = &service["spec"];
    let mut claims: Vec<Claim> =
        spec["clusterIP"].as_str().and_then(|ip| ip.parse().ok()).map(Claim::Address).into_iter().collect();
    for port in spec["ports"].as_array().into_iter().flatten() {
        if let Some(number) = port["nodePort"].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0) {
            claims.push(Claim::Port(number, protocol(port)));
        }
    }
    if let Some(number) = spec["healthCheckNodePort"].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0) {
        claims.push(Claim::Port(number, "TCP".into()));
    }
    claims
}

/// The protocol of a Service port.
pub(super) fn protocol(port: &Value) -> String {
    port["protocol"].as_str().filter(|p| !p.is_empty()).unwrap_or("TCP").to_owned()
}

/// One write's claims in the making; nobody else allocates meanwhile.
pub(super) struct Allocation<'a> {
    config: &'a ApiConfig,
    /// Where addresses are taken from: the cluster's own network first.
    ranges: Vec<Ipv4Network>,
    // Declared before `reserved`, whose drop takes the lock again.
    book: MutexGuard<'a, Book>,
    reserved: Reserved,
}

impl Allocation<'_> {
    fn is_free(&self, claim: &Claim) -> bool {
        !self.book.taken.contains_key(claim) && !self.book.pending.contains(claim)
    }
    fn hold(&mut self, claim: Claim) {
        if self.book.pending.insert(claim.clone()) {
            self.reserved.claims.push(claim);
        }
    }
    /// Holds a claim that was asked for; false where somebody else has it.
    pub(super) fn request(&mut self, claim: Claim) -> bool {
        let free = self.is_free(&claim);
        if free {
            self.hold(claim);
        }
        free
    }
    /// Whether an address is one that a Service may have.
    pub(super) fn covers(&self, ip: Ipv4Addr) -> bool {
        self.ranges.iter().any(|cidr| cidr.contains(ip) && ip != cidr.network() && ip != cidr.broadcast())
    }
    /// Holds a free address; `None` where all are taken. The place in the range follows from `seed`.
    pub(super) fn address(&mut self, seed: &str) -> Option<Ipv4Addr> {
        let ranges = self.ranges.clone();
        let found = ranges.into_iter().find_map(|cidr| self.free_in(cidr, seed))?;
        self.hold(Claim::Address(found));
        Some(found)
    }
    fn free_in(&self, cidr: Ipv4Network, seed: &str) -> Option<Ipv4Addr> {
        // Network and broadcast address stay unused.
        let size = cidr.size().saturating_sub(2);
        let band = if size > 2 * STATIC_BAND { STATIC_BAND } else { 0 };
        let base = u32::from(cidr.network()) + 1;
        let upper = probe(seed, size - band).map(|i| base + band + i);
        let mut all = upper.chain((0..band).map(|i| base + i)).map(Ipv4Addr::from);
        all.find(|ip| self.is_free(&Claim::Address(*ip)))
    }
    /// Holds a free node port; `None` where all are taken.
    pub(super) fn port(&mut self, seed: &str, protocol: &str) -> Option<u16> {
        let (first, last) = (*self.config.node_ports.start(), *self.config.node_ports.end());
        let size = u32::from(last.saturating_sub(first)) + 1;
        let numbers = probe(seed, size).filter_map(|i| u16::try_from(u32::from(first) + i).ok());
        let found = numbers.into_iter().find(|n| self.is_free(&Claim::Port(*n, protocol.to_owned())))?;
        self.hold(Claim::Port(found, protocol.to_owned()));
        Some(found)
    }
    /// The claims, to be kept until the write is committed.
    pub(super) fn finish(self) -> Reserved {
        self.reserved
    }
}

/// Every number below `size`, once, from a place that follows from `seed`.
fn probe(seed: &str, size: u32) -> impl Iterator<Item = u32> + use<> {
    let digest = Sha256::digest(seed.as_bytes());
    let start = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    (0..size).map(move |i| (start % size + i) % size)
}

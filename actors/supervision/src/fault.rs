//! The fault point that every mailbox passes. Free of cost while unarmed: one relaxed load.
//!
//! A fault is a lease: it carries its own end, so that no fault outlives its experiment even
//! when whoever set it has died. Chance comes from its seed, so that a run can be replayed.

use arc_swap::ArcSwapOption;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is lost.
    Drop,
    /// It is handled later.
    Delay(Duration),
    /// It is handled twice, where its type can be copied.
    Duplicate,
    /// It is handled after the one that follows it.
    Reorder,
    /// The actor panics instead of handling it.
    Panic,
    /// The actor handles nothing for a while.
    Stall(Duration),
}

/// A fault to inject.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To how many messages of a thousand.
    pub per_mille: u16,
    /// Seed of the choice.
    pub seed: u64,
    /// When the fault ends by itself.
    pub until: Instant,
}

/// Longest time that one fault may be armed.
pub const MAX_LEASE: Duration = Duration::from_secs(3600);

/// Where faults are injected into one mailbox.
#[derive(Debug, Default)]
pub struct FaultPoint {
    armed: AtomicBool,
    fault: ArcSwapOption<Fault>,
    draws: AtomicU64,
}

impl FaultPoint {
    /// Arms the fault until it ends; at most [`MAX_LEASE`] from now.
    pub fn arm(&self, mut fault: Fault) {
        fault.until = fault.until.min(Instant::now() + MAX_LEASE);
        self.draws.store(0, Relaxed);
        self.fault.store(Some(Arc::new(fault)));
        self.armed.store(true, Relaxed);
    }
    /// Ends the fault.
    pub fn disarm(&self) {
        self.armed.store(false, Relaxed);
        self.fault.store(None);
    }
    /// What happens to the next message; `None` nearly always.
    pub fn draw(&self) -> Option<FaultKind> {
        if !self.armed.load(Relaxed) {
            return None;
        }
        let fault = self.fault.load_full()?;
        if Instant::now() >= fault.until {
            self.disarm();
            return None;
        }
        let n = self.draws.fetch_add(1, Relaxed);
        hit(fault.seed, n, fault.per_mille).then_some(fault.kind)
    }
}

/// Whether the `n`th draw hits; the same for the same seed.
fn hit(seed: u64, n: u64, per_mille: u16) -> bool {
    let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 1000 < u64::from(per_mille)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_seeded_and_end_with_the_lease() {
        let point = FaultPoint::default();
        assert_eq!(point.draw(), None);
        let fault = |until| Fault { kind: FaultKind::Drop, per_mille: 300, seed: 5, until };
        let run = |point: &FaultPoint| (0..1000).filter(|_| point.draw().is_some()).count();
        point.arm(fault(Instant::now() + Duration::from_secs(60)));
        let first = run(&point);
        point.arm(fault(Instant::now() + Duration::from_secs(60)));
        assert_eq!(run(&point), first);
        assert!((200..400).contains(&first), "{first}");
        point.arm(fault(Instant::now()));
        assert_eq!(run(&point), 0);
    }
}

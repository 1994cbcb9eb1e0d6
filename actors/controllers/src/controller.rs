//! What every controller is.

use crate::{Plan, Refusal, View};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};

/// Fresh names and uids for a decision; seeded, so that a decision can be replayed.
pub struct Ids {
    state: u64,
}

impl Ids {
    /// A generator; the same seed gives the same ids.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }
    /// The next 64 bits (SplitMix64).
    #[allow(clippy::should_implement_trait, reason = "it never ends, so an Option would only be in the way")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// A suffix of five characters as generateName makes it.
    pub fn suffix(&mut self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.next();
        (0..5)
            .map(|_| {
                let c = ALPHABET[(bits % ALPHABET.len() as u64) as usize];
                bits /= ALPHABET.len() as u64;
                c as char
            })
            .collect()
    }
}

/// A controller: which keys an event wakes, and what to do for a key. No state of its own.
pub trait Controller: Send + Sync {
    /// `deployment`; also its actor's name.
    fn name(&self) -> &'static str;
    /// Storage names of the kinds whose events it looks at; empty: all.
    fn watches(&self) -> &'static [&'static str];
    /// Keys to decide because of an event; the view has it already.
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key>;
    /// Every key to decide when the controller (re)starts.
    fn all_keys(&self, view: &View) -> Vec<Key>;
    /// What to do for `key`. Must be a function of its arguments alone.
    fn decide(&self, view: &View, key: &Key, now: Timestamp, ids: &mut Ids) -> Plan;
    /// What to tell of writes of the last plan for `key` that the server refused; the key is
    /// decided again after a pause in any case.
    fn refused(&self, _view: &View, _key: &Key, _now: Timestamp, _refusals: &[Refusal]) -> Plan {
        Plan::default()
    }
}

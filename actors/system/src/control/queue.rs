//! A controller's work queue: which keys wait, which are at work, which must wait a while.
//!
//! Pure: times are milliseconds on any monotonic clock.

use podium_types::Key;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map::Entry};

/// First delay after a failed key, in milliseconds; doubles.
pub const RETRY_BASE: u64 = 5;
/// Longest delay, in milliseconds.
pub const RETRY_CAP: u64 = 16_000;

/// Keys to decide, each at most once at a time.
#[derive(Debug, Default)]
pub struct Queue {
    ready: VecDeque<Key>,
    /// Since when each key that is ready waits.
    queued: BTreeMap<Key, u64>,
    busy: BTreeSet<Key>,
    dirty: BTreeSet<Key>,
    timers: BTreeSet<(u64, Key)>,
    due: BTreeMap<Key, u64>,
    failures: BTreeMap<Key, u32>,
    adds: u64,
    retries: u64,
}

/// A key whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// The key.
    pub key: Key,
    /// How long it was ready.
    pub waited: u64,
}

impl Queue {
    /// Wakes a key: it is decided as soon as may be, once more if it is being decided now.
    pub fn wake(&mut self, key: Key, now: u64) {
        if self.busy.contains(&key) {
            self.dirty.insert(key);
        } else if let Entry::Vacant(entry) = self.queued.entry(key.clone()) {
            entry.insert(now);
            self.adds += 1;
            self.ready.push_back(key);
        }
    }
    /// Wakes a key at `at`, unless it has an earlier timer.
    pub fn wake_at(&mut self, key: Key, at: u64) {
        match self.due.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(*later, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.timers.insert((at, key));
    }
    /// The next key to decide; it is busy until [`Queue::done`].
    pub fn next(&mut self, now: u64) -> Option<Turn> {
        while let Some((at, key)) = self.timers.first().cloned()
            && at <= now
        {
            self.timers.remove(&(at, key.clone()));
            self.due.remove(&key);
            self.wake(key, at);
        }
        let key = self.ready.pop_front()?;
        let waited = self.queued.remove(&key).map_or(0, |since| now.saturating_sub(since));
        self.busy.insert(key.clone());
        Some(Turn { key, waited })
    }
    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }
    /// A key has been decided and its plan carried out, or not.
    pub fn done(&mut self, key: Key, succeeded: bool, now: u64) {
        self.busy.remove(&key);
        if succeeded {
            self.failures.remove(&key);
        } else {
            let failures = self.failures.entry(key.clone()).or_insert(0);
            let delay = RETRY_BASE.saturating_mul(1 << (*failures).min(20)).min(RETRY_CAP);
            *failures = failures.saturating_add(1);
            self.retries += 1;
            self.wake_at(key.clone(), now + delay);
        }
        if self.dirty.remove(&key) && succeeded {
            self.wake(key, now);
        }
    }
    /// Whether the last plan for a key was not carried out.
    pub fn failed(&self, key: &Key) -> bool {
        self.failures.contains_key(key)
    }
    /// Keys that wait to be decided.
    pub fn depth(&self) -> usize {
        self.ready.len()
    }
    /// How often keys began to wait, and how often they were put off after a failure.
    pub fn counts(&self) -> (u64, u64) {
        (self.adds, self.retries)
    }
    /// Keys being decided or carried out.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("", name)
    }

    fn next(queue: &mut Queue, now: u64) -> Option<Key> {
        queue.next(now).map(|turn| turn.key)
    }

    #[test]
    fn waiting_is_measured_and_counted() {
        let mut queue = Queue::default();
        queue.wake(key("a"), 10);
        queue.wake(key("a"), 20);
        assert_eq!(queue.next(50), Some(Turn { key: key("a"), waited: 40 }));
        queue.done(key("a"), false, 50);
        assert_eq!(queue.next(60), Some(Turn { key: key("a"), waited: 5 }));
        assert_eq!(queue.counts(), (2, 1));
    }

    #[test]
    fn a_key_is_never_decided_twice_at_once_and_never_forgotten() {
        let mut queue = Queue::default();
        queue.wake(key("a"), 0);
        queue.wake(key("a"), 0);
        assert_eq!(next(&mut queue, 0), Some(key("a")));
        assert_eq!(queue.next(0), None);
        queue.wake(key("a"), 0);
        assert_eq!(queue.next(0), None);
        queue.done(key("a"), true, 0);
        assert_eq!(next(&mut queue, 0), Some(key("a")));
    }

    #[test]
    fn failures_back_off_and_success_forgets_them() {
        let mut queue = Queue::default();
        let mut now = 0;
        for expected in [5, 10, 20, 40] {
            queue.wake_at(key("a"), now);
            assert_eq!(next(&mut queue, now), Some(key("a")));
            queue.done(key("a"), false, now);
            assert_eq!(queue.next_timer(), Some(now + expected));
            now += expected;
        }
        assert_eq!(next(&mut queue, now), Some(key("a")));
        assert!(queue.failed(&key("a")));
        queue.done(key("a"), true, now);
        assert!(!queue.failed(&key("a")));
        assert_eq!((queue.next(now + RETRY_CAP), queue.next_timer()), (None, None));
    }

    #[test]
    fn the_earlier_timer_wins() {
        let mut queue = Queue::default();
        queue.wake_at(key("a"), 50);
        queue.wake_at(key("a"), 20);
        queue.wake_at(key("a"), 70);
        assert_eq!(queue.next(19), None);
        assert_eq!(next(&mut queue, 20), Some(key("a")));
        queue.done(key("a"), true, 20);
        assert_eq!(queue.next(100), None);
    }
}

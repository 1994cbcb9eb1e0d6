//! Answers that hold for a while: the API server is not asked at every request.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Answers remembered; beyond this the memory begins anew.
const MOST: usize = 1024;

/// Answers by question.
pub(super) struct Memory<K, V>(Mutex<BTreeMap<K, (Instant, V)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, V: Clone> Memory<K, V> {
    /// The answer, while it holds.
    pub fn get(&self, key: &K, now: Instant) -> Option<V> {
        self.lock().get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// Keeps an answer for a time.
    pub fn put(&self, key: K, value: V, now: Instant, hold: Duration) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (now + hold, value));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, (Instant, V)>> {
        // Nothing panics while holding this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_their_time_and_are_few() {
        let (memory, now, hold) = (Memory::default(), Instant::now(), Duration::from_secs(5));
        memory.put(0, "a", now, hold);
        assert_eq!(memory.get(&0, now + Duration::from_secs(4)), Some("a"));
        assert_eq!(memory.get(&0, now + hold), None);
        for key in 1..=MOST * 2 {
            memory.put(key, "b", now, hold);
            assert!(memory.lock().len() <= MOST);
        }
        assert_eq!(memory.get(&0, now), None);
    }
}

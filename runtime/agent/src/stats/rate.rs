//! CPU use per second, from counters read now and then.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A rate is taken over this time at least, where there are readings so old (cAdvisor's housekeeping interval).
const WINDOW_SECONDS: i64 = 10;

/// A counter's reading.
type Reading = (Timestamp, u64);

/// Two earlier readings per counter.
#[derive(Default)]
pub(super) struct Rates(BTreeMap<String, (Reading, Reading)>);

impl Rates {
    /// Nanoseconds of CPU time per second until now; at the first reading since `began`, when the counter was 0.
    pub fn add(&mut self, counter: &str, began: Timestamp, now: Timestamp, value: u64) -> u64 {
        let (before, last) = self.0.entry(counter.to_owned()).or_insert(((began, 0), (now, value)));
        if value < last.1 {
            // Another life of the same name.
            (*before, *last) = ((began, 0), (now, value));
        }
        if now.duration_since(last.0).as_secs() >= WINDOW_SECONDS {
            (*before, *last) = (*last, (now, value));
        }
        let nanos = now.duration_since(before.0).as_nanos();
        let used = u128::from(value.saturating_sub(before.1)) * 1_000_000_000;
        match u128::try_from(nanos) {
            Ok(nanos) if nanos > 0 => u64::try_from(used / nanos).unwrap_or(u64::MAX),
            _ => 0,
        }
    }

    /// Forgets counters that are gone.
    pub fn keep(&mut self, counters: &BTreeSet<String>) {
        self.0.retain(|name, _| counters.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_span_a_window() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut rates = Rates::default();
        let seconds = |n: u64| n * 1_000_000_000;
        for (now, used, expected) in [
            (100, 50, 500_000_000),
            // Too soon for a window of its own: still since the beginning.
            (105, 50, 476_190_476),
            // Since 100.
            (110, 60, 1_000_000_000),
            (120, 60, 0),
            // A new life, since the beginning.
            (130, 13, 100_000_000),
        ] {
            assert_eq!(rates.add("c", at(0), at(now), seconds(used)), expected, "at {now}");
        }
        rates.keep(&BTreeSet::new());
        assert_eq!(rates.add("c", at(130), at(140), seconds(5)), 500_000_000);
        assert_eq!(rates.add("d", at(140), at(140), seconds(5)), 0);
    }
}

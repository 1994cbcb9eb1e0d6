//! A lock-free latency histogram: powers of two of microseconds.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

const BUCKETS: usize = 40;

/// Counts of durations by magnitude.
#[derive(Debug)]
pub struct Latency([AtomicU64; BUCKETS]);

impl Default for Latency {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latency {
    /// Counts one duration.
    pub fn record(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let bucket = (64 - micros.leading_zeros() as usize).min(BUCKETS - 1);
        self.0[bucket].fetch_add(1, Relaxed);
    }
    /// An upper bound of the given quantile (0 to 1) in microseconds; 0 where nothing was counted.
    pub fn quantile(&self, q: f64) -> u64 {
        let counts: Vec<u64> = self.0.iter().map(|c| c.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let rank = (total as f64 * q).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= rank {
                return 1 << bucket;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_bound_what_was_recorded() {
        let latency = Latency::default();
        assert_eq!(latency.quantile(0.99), 0);
        for micros in 1..=100 {
            latency.record(Duration::from_micros(micros));
        }
        assert_eq!(latency.quantile(0.99), 128);
        assert_eq!(latency.quantile(0.5), 64);
    }
}

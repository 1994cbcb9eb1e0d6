//! Latencies and what is said of them.

use std::time::Duration;

/// A sorted set of latencies.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }
    /// The quantile (0 to 1) in milliseconds.
    pub fn ms(&self, q: f64) -> f64 {
        let at = ((self.0.len() as f64 * q).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
        self.0.get(at).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

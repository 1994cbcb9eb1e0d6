//! Latencies, medians, and what is said of them.

use std::time::Duration;

/// The middle of some figures; of an even number the upper one.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = figures.into_iter().collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

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

/// One run of many requests.
pub struct Run {
    pub latencies: Latencies,
    pub took: Duration,
}

/// Runs of the same requests, each as long as the others.
pub struct Runs(pub Vec<Run>);

impl Runs {
    /// Requests per second: the median of the runs.
    pub fn rate(&self) -> f64 {
        median(self.0.iter().map(|r| r.latencies.len() as f64 / r.took.as_secs_f64()))
    }
    /// A quantile of the latency in milliseconds: the median of the runs.
    pub fn ms(&self, q: f64) -> f64 {
        median(self.0.iter().map(|r| r.latencies.ms(q)))
    }
    /// Rate, p50 and p99 in words.
    pub fn said(&self) -> String {
        format!("{:.0}/s, p50 {:.2} ms, p99 {:.1} ms", self.rate(), self.ms(0.5), self.ms(0.99))
    }
}

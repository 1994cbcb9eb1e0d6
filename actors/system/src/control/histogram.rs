//! Counts of durations in growing buckets, as Prometheus wants them.

use std::fmt::Write;

/// How the limits of a histogram's buckets grow.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Limit of the first bucket, in seconds.
    pub first: f64,
    /// How much larger each next one is.
    pub factor: f64,
    /// How many there are.
    pub buckets: u8,
}

impl Scale {
    /// As Kubernetes has it for work queues: 10 ns to 1000 s.
    pub const QUEUE: Self = Self { first: 1e-8, factor: 10.0, buckets: 12 };
    /// As Kubernetes has it for scheduling attempts: 1 ms to 16 s.
    pub const ATTEMPT: Self = Self { first: 0.001, factor: 2.0, buckets: 15 };

    fn limits(self) -> impl Iterator<Item = f64> {
        (0..self.buckets).map(move |n| self.first * self.factor.powi(i32::from(n)))
    }
}

/// Durations seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    scale: Scale,
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    /// An empty one.
    pub fn new(scale: Scale) -> Self {
        Self { scale, counts: vec![0; usize::from(scale.buckets)], count: 0, sum: 0.0 }
    }
    /// Counts `times` durations of `seconds` each.
    pub fn observe(&mut self, seconds: f64, times: u64) {
        self.count += times;
        self.sum += seconds * times as f64;
        let mut buckets = self.counts.iter_mut().zip(self.scale.limits());
        if let Some((bucket, _)) = buckets.find(|(_, limit)| seconds <= *limit) {
            *bucket += times;
        }
    }
    /// Adds what another of the same scale has seen.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, more)| *own += more);
    }
    /// How many durations it has seen.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Their mean, in seconds.
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
    /// Its lines; `labels` without braces, not empty.
    pub fn render(&self, name: &str, labels: &str, text: &mut String) {
        let mut below = 0;
        // Writing to a String cannot fail.
        for (count, limit) in self.counts.iter().zip(self.scale.limits()) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {below}", short(limit));
        }
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", self.count);
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", self.sum, self.count);
    }
}

/// A limit without the noise of binary fractions.
fn short(limit: f64) -> f64 {
    format!("{limit:.6e}").parse().unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_all_below_them() {
        let mut seen = Histogram::new(Scale { first: 0.001, factor: 10.0, buckets: 3 });
        for (seconds, times) in [(0.0005, 1), (0.001, 1), (0.05, 2), (9.0, 1)] {
            seen.observe(seconds, times);
        }
        let mut both = seen.clone();
        both.merge(&seen);
        let mut text = String::new();
        both.render("work_seconds", "name=\"a\"", &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "work_seconds_bucket{name=\"a\",le=\"0.001\"} 4");
        assert_eq!(lines[1], "work_seconds_bucket{name=\"a\",le=\"0.01\"} 4");
        assert_eq!(lines[2], "work_seconds_bucket{name=\"a\",le=\"0.1\"} 8");
        assert_eq!(lines[3], "work_seconds_bucket{name=\"a\",le=\"+Inf\"} 10");
        assert_eq!(lines[5], "work_seconds_count{name=\"a\"} 10");
    }
}

//! How soon a broken watch is begun again.
//!
//! client-go waits 0.8 s to 30 s, out of kindness to servers with thousands of nodes. A node that joins while the
//! control plane starts, or outlives it, should be back within moments: the waits here are short.

use kube::runtime::utils::Backoff;
use std::time::{Duration, Instant};

/// First pause; doubles.
const FIRST: Duration = Duration::from_millis(25);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(2);
/// After so long without a failure the first pause holds again.
const CALM: Duration = Duration::from_secs(10);

/// Pauses between the attempts of one watch.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<(Instant, Duration)>,
}

impl Pace {
    fn failed(&mut self, now: Instant) -> Duration {
        let pause = match self.last {
            Some((at, pause)) if now.duration_since(at) < CALM => (pause * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some((now, pause));
        pause
    }
}

impl Iterator for Pace {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.failed(Instant::now()))
    }
}

impl Backoff for Pace {
    /// A watcher tells of a success before every attempt, so only time counts.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_after_calm() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for expected in [25, 50, 100, 200, 400, 800, 1600, 2000, 2000] {
            pace.reset();
            let pause = pace.failed(now);
            assert_eq!(pause.as_millis(), expected);
            now += pause;
        }
        assert_eq!(pace.failed(now + CALM), FIRST);
    }
}

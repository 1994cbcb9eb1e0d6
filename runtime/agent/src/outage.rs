//! What is said of an API that does not answer: nothing of a short pause (it starts, or was replaced), then the reason
//! now and then, and in the end how long it took.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// A shorter outage is nobody's concern.
const GRACE: Duration = Duration::from_secs(5);
/// How often a lasting one is told.
const AGAIN: Duration = Duration::from_secs(60);

/// Failures in a row of one kind of request.
#[derive(Default)]
pub(crate) struct Outage {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Outage {
    /// It failed again.
    pub fn failed(&mut self, what: &str, error: &dyn Display) {
        if self.tells(Instant::now()) {
            tracing::warn!(%error, "{what}");
        }
    }

    /// It works.
    pub fn mended(&mut self, what: &str) {
        if let Some(lasted) = self.ends(Instant::now()) {
            tracing::info!("{what}: works again after {} s", lasted.as_secs());
        }
    }

    fn tells(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let tells = now.duration_since(self.told.unwrap_or(since)) >= if self.told.is_some() { AGAIN } else { GRACE };
        if tells {
            self.told = Some(now);
        }
        tells
    }

    fn ends(&mut self, now: Instant) -> Option<Duration> {
        let (since, told) = (self.since.take(), self.told.take());
        told.and(since).map(|since| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_outages_are_silent_and_long_ones_told_now_and_then() {
        let (begin, at) = (Instant::now(), |seconds| Duration::from_secs(seconds));
        let mut outage = Outage::default();
        for (second, tells) in [(0, false), (4, false), (5, true), (6, false), (64, false), (65, true), (124, false)] {
            assert_eq!(outage.tells(begin + at(second)), tells, "{second}");
        }
        assert_eq!(outage.ends(begin + at(130)), Some(at(130)));
        assert_eq!(outage.ends(begin + at(131)), None);
        assert!(!outage.tells(begin + at(140)), "another outage begins with silence");
        assert_eq!(outage.ends(begin + at(141)), None);
    }
}

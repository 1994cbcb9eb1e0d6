//! Exponential back-off of restarts and pulls, in the kubelet's numbers.

use jiff::SignedDuration;
use podium_types::Timestamp;

/// First pause.
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// Longest pause.
const LONGEST: SignedDuration = SignedDuration::from_secs(300);
/// After so long without a failure the count begins anew.
const FORGET: SignedDuration = SignedDuration::from_secs(600);

/// 10 s, doubling to 5 min, forgotten after 10 min. The first repetition does not wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backoff {
    delay: SignedDuration,
    updated: Option<Timestamp>,
}

impl Backoff {
    /// How long to wait after a failure at `failed`.
    pub fn delay(&self, failed: Timestamp) -> SignedDuration {
        match self.updated {
            Some(updated) if failed.duration_since(updated) <= FORGET => self.delay,
            _ => SignedDuration::ZERO,
        }
    }

    /// Something is tried again at `now`: the next pause is longer.
    pub fn retried(&mut self, now: Timestamp) {
        let fresh = self.updated.is_none_or(|updated| now.duration_since(updated) > FORGET);
        self.delay = if fresh { FIRST } else { (self.delay * 2).min(LONGEST) };
        self.updated = Some(now);
    }

    /// A back-off that has already seen `times` repetitions, the last at `now`; for what is known only by its count.
    pub fn after(times: u32, now: Timestamp) -> Self {
        let mut backoff = Self::default();
        for _ in 0..times.min(8) {
            backoff.retried(now);
        }
        backoff
    }
}

/// When a pause of `delay` that began at `from` is over.
pub(crate) fn later(from: Timestamp, delay: SignedDuration) -> Timestamp {
    from.checked_add(delay).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_five_minutes_and_forgets() {
        let mut at = Timestamp::UNIX_EPOCH;
        let mut backoff = Backoff::default();
        let mut seen = Vec::new();
        for _ in 0..8 {
            let delay = backoff.delay(at);
            seen.push(delay.as_secs());
            at = later(at, delay);
            backoff.retried(at);
        }
        assert_eq!(seen, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.delay(later(at, SignedDuration::from_secs(601))), SignedDuration::ZERO);
    }
}

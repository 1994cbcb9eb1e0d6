//! One probe of one container: when it is due, and what its outcomes add up to.

use crate::backoff::later;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Probe;
use podium_types::Timestamp;

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Holds the others back until the container is up.
    Startup,
    /// Whether the container takes traffic.
    Readiness,
    /// Whether the container must be restarted.
    Liveness,
}

impl ProbeKind {
    /// All of them, in the order they are looked at.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// As events name it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// Counts outcomes against thresholds.
#[derive(Clone, Debug)]
pub struct ProbeMachine {
    period: SignedDuration,
    success: u32,
    failure: u32,
    verdict: Option<bool>,
    last: bool,
    streak: u32,
    due: Timestamp,
    running: bool,
}

impl ProbeMachine {
    /// A probe of a container that started at `started`. `verdict` is what is known from before.
    pub fn new(spec: &Probe, started: Timestamp, now: Timestamp, verdict: Option<bool>) -> Self {
        let at_least = |value: Option<i32>, default: i32| value.filter(|v| *v > 0).unwrap_or(default);
        let delay = SignedDuration::from_secs(i64::from(spec.initial_delay_seconds.unwrap_or(0).max(0)));
        Self {
            period: SignedDuration::from_secs(i64::from(at_least(spec.period_seconds, 10))),
            success: at_least(spec.success_threshold, 1).unsigned_abs(),
            failure: at_least(spec.failure_threshold, 3).unsigned_abs(),
            verdict,
            last: false,
            streak: 0,
            due: later(started, delay).max(now),
            running: false,
        }
    }

    /// When it runs next; None while it runs.
    pub fn due(&self) -> Option<Timestamp> {
        (!self.running).then_some(self.due)
    }

    /// It runs now.
    pub fn begin(&mut self, now: Timestamp) {
        self.running = true;
        self.due = later(now, self.period);
    }

    /// What it has found out so far: None before a threshold was reached.
    pub fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// Takes one outcome in; the verdict when this outcome changed it.
    pub fn outcome(&mut self, ok: bool) -> Option<bool> {
        self.running = false;
        if self.streak > 0 && self.last == ok {
            self.streak = self.streak.saturating_add(1);
        } else {
            (self.last, self.streak) = (ok, 1);
        }
        let reached = self.streak >= if ok { self.success } else { self.failure };
        if !reached || self.verdict == Some(ok) {
            return None;
        }
        self.verdict = Some(ok);
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_count_consecutive_outcomes() {
        let spec = Probe {
            failure_threshold: Some(2),
            success_threshold: Some(2),
            initial_delay_seconds: Some(5),
            period_seconds: Some(3),
            ..Probe::default()
        };
        let t0 = Timestamp::UNIX_EPOCH;
        let mut probe = ProbeMachine::new(&spec, t0, t0, None);
        assert_eq!(probe.due(), Some(later(t0, SignedDuration::from_secs(5))));
        probe.begin(later(t0, SignedDuration::from_secs(5)));
        assert_eq!(probe.due(), None);
        let seen: Vec<_> = [true, false, true, true, true, false, true, false, false, false]
            .into_iter()
            .map(|ok| probe.outcome(ok))
            .collect();
        assert_eq!(seen, [None, None, None, Some(true), None, None, None, None, Some(false), None]);
        assert_eq!(probe.due(), Some(later(t0, SignedDuration::from_secs(8))));
    }
}

//! What the node is short of over time: soft thresholds have a grace, conditions stay a while.

use super::{Observation, Pressure, Signal, Threshold};
use crate::backoff::later;
use jiff::SignedDuration;
use podium_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Thresholds with their history.
#[derive(Clone, Debug)]
pub struct Manager {
    thresholds: Vec<Threshold>,
    /// How long a condition outlives its cause: a node must not oscillate.
    transition: SignedDuration,
    /// Since when each threshold is met, by its index.
    since: BTreeMap<usize, Timestamp>,
    /// Thresholds that were acted upon and have not won back what they must.
    acting: BTreeSet<usize>,
    /// When each condition was last true.
    pressed: BTreeMap<Pressure, Timestamp>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Conditions that are true now.
    pub pressures: BTreeSet<Pressure>,
    /// It is time to win something back: the most urgent threshold.
    pub due: Option<Due>,
}

/// A threshold that calls for action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub threshold: Threshold,
    /// What was seen.
    pub seen: Observation,
}

impl Manager {
    /// Nothing was seen yet.
    pub fn new(thresholds: Vec<Threshold>, transition: SignedDuration) -> Self {
        Self { thresholds, transition, since: BTreeMap::new(), acting: BTreeSet::new(), pressed: BTreeMap::new() }
    }

    /// Takes in what is left of everything.
    pub fn observe(&mut self, seen: &BTreeMap<Signal, Observation>, now: Timestamp) -> Verdict {
        let all = self.thresholds.iter().enumerate();
        let met: BTreeSet<usize> =
            all.filter(|(index, t)| t.met(seen, self.acting.contains(index))).map(|(index, _)| index).collect();
        self.since.retain(|index, _| met.contains(index));
        for index in &met {
            self.since.entry(*index).or_insert(now);
            if let Some(threshold) = self.thresholds.get(*index) {
                self.pressed.insert(threshold.signal.pressure(), now);
            }
        }
        let transition = self.transition;
        let holds = |at: &Timestamp| *at == now || now < later(*at, transition);
        self.pressed.retain(|_, at| holds(at));
        let due = |index: &usize| {
            let (threshold, since) = (self.thresholds.get(*index)?, self.since.get(index)?);
            let ripe = threshold.grace.is_none_or(|grace| later(*since, grace) <= now);
            ripe.then_some((*index, *threshold))
        };
        let due: Vec<(usize, Threshold)> = met.iter().filter_map(due).collect();
        self.acting = due.iter().map(|(index, _)| *index).collect();
        // Thresholds are in the order of their signals, memory first: want of it hurts soonest.
        let first = due
            .first()
            .and_then(|(_, threshold)| Some(Due { threshold: *threshold, seen: *seen.get(&threshold.signal)? }));
        Verdict { pressures: self.pressed.keys().copied().collect(), due: first }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Amount, *};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn seen(signal: Signal, available: u64) -> BTreeMap<Signal, Observation> {
        [(signal, Observation { capacity: 1000, available })].into()
    }

    fn threshold(signal: Signal, amount: u64, grace: Option<i64>, reclaim: Option<u64>) -> Threshold {
        Threshold {
            signal,
            amount: Amount::Absolute(amount),
            grace: grace.map(SignedDuration::from_secs),
            reclaim: reclaim.map(Amount::Absolute),
        }
    }

    #[test]
    fn hard_thresholds_act_at_once_and_conditions_stay() {
        let hard = threshold(Signal::MemoryAvailable, 100, None, Some(50));
        let mut manager = Manager::new(vec![hard], SignedDuration::from_secs(300));
        for (second, available, pressed, due) in [
            (0, 100, false, false),
            (10, 99, true, true),
            // Above the threshold, but what must be won back is not there yet.
            (20, 149, true, true),
            (30, 150, true, false),
            // The condition stays for its transition period.
            (319, 500, true, false),
            (320, 500, false, false),
            // Once it is over, the plain threshold counts again.
            (330, 120, false, false),
        ] {
            let verdict = manager.observe(&seen(Signal::MemoryAvailable, available), at(second));
            assert_eq!(verdict.pressures.contains(&Pressure::Memory), pressed, "at {second}");
            assert_eq!(verdict.due.is_some(), due, "at {second}");
        }
    }

    #[test]
    fn soft_thresholds_wait_out_their_grace() {
        let soft = threshold(Signal::NodeFsAvailable, 100, Some(60), None);
        let mut manager = Manager::new(vec![soft], SignedDuration::ZERO);
        for (second, available, pressed, due) in [
            (0, 50, true, false),
            (59, 50, true, false),
            (60, 50, true, true),
            (70, 200, false, false),
            // The grace begins anew.
            (80, 50, true, false),
            (140, 50, true, true),
        ] {
            let verdict = manager.observe(&seen(Signal::NodeFsAvailable, available), at(second));
            assert_eq!(verdict.pressures.contains(&Pressure::Disk), pressed, "at {second}");
            assert_eq!(verdict.due.is_some(), due, "at {second}");
        }
    }

    #[test]
    fn memory_comes_first_and_uncounted_things_never() {
        let all =
            vec![threshold(Signal::MemoryAvailable, 100, None, None), threshold(Signal::PidAvailable, 9, None, None)];
        let mut manager = Manager::new(all, SignedDuration::ZERO);
        let mut both = seen(Signal::PidAvailable, 1);
        let verdict = manager.observe(&both, at(0));
        assert_eq!(verdict.due.map(|d| d.threshold.signal), Some(Signal::PidAvailable));
        both.extend(seen(Signal::MemoryAvailable, 1));
        let verdict = manager.observe(&both, at(1));
        assert_eq!(verdict.due.map(|d| d.threshold.signal), Some(Signal::MemoryAvailable));
        assert_eq!(verdict.pressures, [Pressure::Memory, Pressure::Pid].into());
        let uncounted = [(Signal::PidAvailable, Observation { capacity: 0, available: 0 })].into();
        assert_eq!(manager.observe(&uncounted, at(2)), Verdict::default());
    }
}

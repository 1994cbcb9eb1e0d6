//! Thresholds, as a KubeletConfiguration writes them: `memory.available: 100Mi`, `nodefs.available: 5%`.

use super::{Observation, Signal};
use jiff::SignedDuration;
use podium_types::Quantity;
use std::collections::BTreeMap;

/// Thousandths of a percent in the whole.
const WHOLE: u64 = 100_000;

/// How much must be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Bytes or pieces.
    Absolute(u64),
    /// Thousandths of a percent of the capacity.
    Share(u64),
}

impl Amount {
    /// `100Mi`, `10%`, `0.5%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("invalid eviction threshold {text:?}: {why}"));
        let Some(percent) = text.strip_suffix('%') else {
            return match Quantity::parse(text).map(|q| u64::try_from(q.value())) {
                Ok(Ok(value)) => Ok(Self::Absolute(value)),
                Ok(Err(_)) => wrong("must be positive"),
                Err(why) => wrong(why),
            };
        };
        // Percent are quantities too, without a unit.
        match Quantity::parse(percent).map(|q| u64::try_from(q.milli_value())) {
            Ok(Ok(share)) if share <= WHOLE => Ok(Self::Share(share)),
            Ok(_) => wrong("percentages are between 0% and 100%"),
            Err(why) => wrong(why),
        }
    }

    /// Of so much.
    pub fn of(self, capacity: u64) -> u64 {
        match self {
            Self::Absolute(value) => value,
            Self::Share(share) => {
                u64::try_from(u128::from(capacity) * u128::from(share) / u128::from(WHOLE)).unwrap_or(u64::MAX)
            }
        }
    }
}

/// A signal below an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// What is watched.
    pub signal: Signal,
    /// Less than this is too little.
    pub amount: Amount,
    /// How long it may be too little before pods leave; None is a hard threshold.
    pub grace: Option<SignedDuration>,
    /// How much more than the amount must be left before it is enough again.
    pub reclaim: Option<Amount>,
}

impl Threshold {
    /// Less than this is too little.
    pub fn quantity(&self, capacity: u64) -> u64 {
        self.amount.of(capacity)
    }

    /// There is too little; `wary`: or not yet as much as must be won back.
    pub(super) fn met(&self, seen: &BTreeMap<Signal, Observation>, wary: bool) -> bool {
        let Some(seen) = seen.get(&self.signal).filter(|seen| seen.capacity > 0) else { return false };
        let reclaim = self.reclaim.filter(|_| wary).map_or(0, |amount| amount.of(seen.capacity));
        seen.available < self.quantity(seen.capacity).saturating_add(reclaim)
    }
}

/// Thresholds from a configuration's maps.
pub fn thresholds(
    hard: &BTreeMap<String, String>,
    soft: &BTreeMap<String, String>,
    graces: &BTreeMap<String, SignedDuration>,
    reclaim: &BTreeMap<String, String>,
) -> Result<Vec<Threshold>, String> {
    let mut found = Vec::new();
    for (map, is_soft) in [(hard, false), (soft, true)] {
        for (name, text) in map {
            let signal = Signal::ALL.into_iter().find(|s| s.name() == name);
            let signal = signal.ok_or_else(|| format!("unknown eviction signal {name}"))?;
            let grace = match (is_soft, graces.get(name)) {
                (false, _) => None,
                (true, Some(grace)) => Some(*grace),
                (true, None) => {
                    return Err(format!("grace period must be specified for the soft eviction threshold {name}"));
                }
            };
            let reclaim = reclaim.get(name).map(|text| Amount::parse(text)).transpose()?;
            let amount = Amount::parse(text)?;
            // 0 switches a threshold off.
            if !matches!(amount, Amount::Absolute(0) | Amount::Share(0)) {
                found.push(Threshold { signal, amount, grace, reclaim });
            }
        }
    }
    found.sort_by_key(|t| t.signal);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_parsed() {
        for (text, expected) in [
            ("100Mi", Ok(Amount::Absolute(100 << 20))),
            ("10%", Ok(Amount::Share(10_000))),
            ("0.5%", Ok(Amount::Share(500))),
            ("101%", Err(())),
            ("-1", Err(())),
            ("-1%", Err(())),
            ("x%", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(Amount::parse(text).map_err(drop), expected, "{text}");
        }
        assert_eq!(Amount::Share(10_000).of(u64::MAX), u64::MAX / 10);
        assert_eq!(Amount::Share(500).of(1000), 5);
    }

    #[test]
    fn maps_become_thresholds() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let graces = [("memory.available".to_owned(), SignedDuration::from_secs(30))].into();
        let found = thresholds(
            &map(&[("nodefs.available", "5%"), ("memory.available", "1Gi"), ("pid.available", "0%")]),
            &map(&[("memory.available", "2Gi")]),
            &graces,
            &map(&[("memory.available", "500Mi")]),
        )
        .expect("thresholds");
        let brief: Vec<_> = found.iter().map(|t| (t.signal, t.grace.is_some(), t.reclaim.is_some())).collect();
        assert_eq!(
            brief,
            [
                (Signal::MemoryAvailable, false, true),
                (Signal::MemoryAvailable, true, true),
                (Signal::NodeFsAvailable, false, false)
            ]
        );
        let none = BTreeMap::new();
        assert!(thresholds(&map(&[("disk", "1")]), &none, &BTreeMap::new(), &none).is_err());
        assert!(thresholds(&none, &map(&[("nodefs.available", "1")]), &graces, &none).is_err());
    }
}

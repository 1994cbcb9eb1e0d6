//! How many replicas would bring what is used to what is wanted.

use super::{
    limits::Limits,
    samples::{Amounts, Samples},
};

/// What is wanted of each pod.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// A share, in percent, of what the pods ask for.
    Share(i32, &'a Amounts<'a>),
    /// An amount per pod, in thousandths.
    Amount(i64),
}

/// What the pods use as the goal measures it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Against the goal: 1 is just what is wanted.
    pub ratio: f64,
    /// Percent of what the pods ask for, where that is the goal.
    pub share: Option<i32>,
    /// Thousandths per pod.
    pub average: i64,
}

impl Goal<'_> {
    /// The level of what pods use; `None` where nothing can be compared.
    fn level(self, used: &Amounts<'_>) -> Option<Level> {
        match self {
            Self::Share(percent, requests) => {
                let known = used.iter().filter_map(|(pod, amount)| Some((*amount, *requests.get(pod)?)));
                let (total, asked, count) =
                    known.fold((0_i64, 0_i64, 0_i64), |(total, asked, count), (amount, request)| {
                        (total.saturating_add(amount), asked.saturating_add(request), count + 1)
                    });
                let share = i128::from(total) * 100 / i128::from(Some(asked).filter(|asked| *asked > 0)?);
                let share = i32::try_from(share).unwrap_or(i32::MAX);
                let ratio = f64::from(share) / f64::from(percent.max(1));
                Some(Level { ratio, share: Some(share), average: total.checked_div(count)? })
            }
            Self::Amount(wanted) => {
                let total = used.values().fold(0_i64, |sum, amount| sum.saturating_add(*amount));
                let average = total.checked_div(i64::try_from(used.len()).ok()?)?;
                Some(Level { ratio: average as f64 / wanted.max(1) as f64, share: None, average })
            }
        }
    }
    /// What a pod of which nothing is known counts for where fewer replicas are wanted.
    fn cautious(self, pod: &str) -> i64 {
        match self {
            Self::Share(percent, requests) => {
                let request = requests.get(pod).copied().unwrap_or_default();
                request.saturating_mul(i64::from(percent.max(100))) / 100
            }
            Self::Amount(wanted) => wanted,
        }
    }
}

/// The size that the goal asks for, and the level it was found at.
///
/// Pods of which nothing is known are taken for idle where more are wanted and for busy where
/// fewer are; pods that do not work yet are taken for idle where more are wanted. What turns
/// the decision round by that leaves it as it is.
pub fn replicas(current: i32, samples: &Samples<'_>, goal: Goal<'_>, rules: &Limits) -> Option<(i32, Level)> {
    let level = goal.level(&samples.used)?;
    let unready = !samples.unready.is_empty() && level.ratio > 1.0;
    if !unready && samples.missing.is_empty() {
        let size = if rules.within(level.ratio) { current } else { size(level.ratio, samples.ready) };
        return Some((size, level));
    }
    let mut used = samples.used.clone();
    if level.ratio < 1.0 {
        used.extend(samples.missing.iter().map(|pod| (*pod, goal.cautious(pod))));
    } else if level.ratio > 1.0 {
        used.extend(samples.missing.iter().map(|pod| (*pod, 0)));
    }
    if unready {
        used.extend(samples.unready.iter().map(|pod| (*pod, 0)));
    }
    let ratio = goal.level(&used)?.ratio;
    let turned = (level.ratio < 1.0 && ratio > 1.0) || (level.ratio > 1.0 && ratio < 1.0);
    let wanted = size(ratio, used.len());
    let against = (ratio < 1.0 && wanted > current) || (ratio > 1.0 && wanted < current);
    let keep = rules.within(ratio) || turned || against;
    Some((if keep { current } else { wanted }, level))
}

fn size(ratio: f64, pods: usize) -> i32 {
    (ratio * pods as f64).ceil() as i32
}

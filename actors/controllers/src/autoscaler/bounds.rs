//! From what the metrics want to what is done: stabilised, paced, and within the limits.

use super::{History, limits::Limits};
use podium_types::Timestamp;

/// A size, and what to tell of how it came about.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    /// The size.
    pub replicas: i32,
    /// Reason and message of `AbleToScale`.
    pub stable: (&'static str, &'static str),
    /// Status, reason and message of `ScalingLimited`.
    pub limited: (bool, &'static str, &'static str),
}

/// What is done where the metrics want `wanted`. The history knows that already.
pub fn bound(
    wanted: i32,
    current: i32,
    (least, most): (i32, i32),
    rules: &Limits,
    history: &History,
    now: Timestamp,
) -> Verdict {
    let lowest = history.recommended(now, rules.up.window).fold(wanted, i32::min);
    let highest = history.recommended(now, rules.down.window).fold(wanted, i32::max);
    let steady = current.max(lowest).min(highest);
    let stable = match steady {
        steady if steady == wanted => ("ReadyForNewScale", "recommended size matches current size"),
        _ if wanted >= current => (
            "ScaleUpStabilized",
            "recent recommendations were lower than current one, applying the lowest recent recommendation",
        ),
        _ => (
            "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
        ),
    };
    let (replicas, limited) = if steady > current {
        up(steady, most, rules.ceiling(current, history, now))
    } else if steady < current {
        down(steady, least, rules.floor(current, history, now))
    } else {
        (steady, WITHIN)
    };
    // Limits of the spec stand above everything; the current size may be just what is asked for.
    Verdict { replicas: replicas.clamp(least.min(most), most), stable, limited }
}

type Limited = (bool, &'static str, &'static str);

const WITHIN: Limited = (false, "DesiredWithinRange", "the desired count is within the acceptable range");

fn up(wanted: i32, most: i32, ceiling: i32) -> (i32, Limited) {
    let (limit, reason) = if most > ceiling {
        let why = "the desired replica count is increasing faster than the maximum scale rate";
        (ceiling, (true, "ScaleUpLimit", why))
    } else {
        (most, (true, "TooManyReplicas", "the desired replica count is more than the maximum replica count"))
    };
    if wanted > limit { (limit, reason) } else { (wanted, WITHIN) }
}

fn down(wanted: i32, least: i32, floor: i32) -> (i32, Limited) {
    let (limit, reason) = if least < floor {
        let why = "the desired replica count is decreasing faster than the maximum scale rate";
        (floor, (true, "ScaleDownLimit", why))
    } else {
        (least, (true, "TooFewReplicas", "the desired replica count is less than the minimum replica count"))
    };
    if wanted < limit { (limit, reason) } else { (wanted, WITHIN) }
}

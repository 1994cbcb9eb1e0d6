//! When a pod that fitted nowhere is looked at again.
//!
//! Something must have changed that could help it, and the more often it was looked at in
//! vain, the longer it waits. In any case it is looked at after a while.

use crate::{ask, hint};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{View, time, view::Item};
use podium_types::Timestamp;

/// Seconds that a pod waits after its first vain attempt; they double.
pub const FIRST_SECONDS: i64 = 1;
/// The longest that it waits, in seconds, once something could help it.
pub const LONGEST_SECONDS: i64 = 10;
/// Seconds after which pods that fit nowhere are looked at again in any case.
pub const FLUSH_SECONDS: i64 = 300;

/// Where a pod that was refused stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may be tried.
    Due,
    /// Something could help it, but it must wait until then.
    Backoff(Timestamp),
    /// Nothing could help it; it is tried then in any case.
    Idle(Timestamp),
}

/// Where a pod that was refused stands. One that no attempt is known of is tried: the control
/// plane is new, or the pod is. So is one that was promised room, as soon as there may be some.
pub fn turn(view: &View, pod: &Item<Pod>, now: Timestamp) -> Turn {
    let Some(attempt) = view.attempt(pod.uid()) else { return Turn::Due };
    let helped = hint::moved(view, pod) > attempt.seen;
    if helped && ask::nominated(pod).is_some() {
        return Turn::Due;
    }
    let seconds = if helped { pause(attempt.count) } else { FLUSH_SECONDS };
    match time::after(attempt.at, seconds).filter(|at| *at > now) {
        Some(at) if helped => Turn::Backoff(at),
        Some(at) => Turn::Idle(at),
        None => Turn::Due,
    }
}

/// Seconds to wait after so many vain attempts.
fn pause(attempts: u32) -> i64 {
    let doubled = FIRST_SECONDS.checked_shl(attempts.saturating_sub(1)).filter(|seconds| *seconds > 0);
    doubled.map_or(LONGEST_SECONDS, |seconds| seconds.min(LONGEST_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let pauses: Vec<i64> = [1, 2, 3, 4, 5, 6, 63, 64, u32::MAX].into_iter().map(pause).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10, 10, 10]);
    }
}

//! How fast an autoscaler may go, and how much off the target it lets be.

use super::history::History;
use crate::quantity;
use k8s_openapi::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerSpec};
use podium_types::Timestamp;

/// Share by which a metric may be off its target (`--horizontal-pod-autoscaler-tolerance`).
const TOLERANCE: f64 = 0.1;
/// Seconds for which the highest recommendation holds (`--horizontal-pod-autoscaler-downscale-stabilization`).
const DOWN_WINDOW: i64 = 300;
/// Without rules, at once to so many times as many, or to so many.
const GROWTH: i32 = 2;
/// See [`GROWTH`].
const GROWTH_TO: i32 = 4;

/// The rules of one direction.
#[derive(Clone, Debug)]
pub struct Direction {
    /// Seconds to look back at recommendations.
    pub window: i64,
    /// Share by which a metric may be off in this direction.
    pub tolerance: f64,
    select: String,
    /// `None`: without rules.
    policies: Option<Vec<HPAScalingPolicy>>,
}

/// The rules of both directions.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Towards more replicas.
    pub up: Direction,
    /// Towards fewer.
    pub down: Direction,
}

impl Direction {
    fn of(rules: Option<&HPAScalingRules>, window: i64) -> Self {
        let told = rules.and_then(|rules| rules.tolerance.as_ref());
        Self {
            window: rules.and_then(|rules| rules.stabilization_window_seconds).map_or(window, i64::from),
            tolerance: told.map_or(TOLERANCE, |quantity| quantity::milli(&quantity.0) as f64 / 1000.0),
            select: rules.and_then(|rules| rules.select_policy.clone()).unwrap_or_default(),
            policies: rules.and_then(|rules| rules.policies.clone()),
        }
    }
    /// What the policies allow, each a size by itself, and the choice among them.
    fn choose(&self, sizes: impl Iterator<Item = i32>, current: i32, widest: fn(i32, i32) -> i32) -> i32 {
        let narrowest = |a: i32, b: i32| if widest(a, b) == a { b } else { a };
        match self.select.as_str() {
            "Disabled" => current,
            "Min" => sizes.reduce(narrowest).unwrap_or(current),
            _ => sizes.reduce(widest).unwrap_or(current),
        }
    }
}

impl Limits {
    /// The rules of an autoscaler.
    pub fn of(spec: &HorizontalPodAutoscalerSpec) -> Self {
        let behavior = spec.behavior.as_ref();
        Self {
            up: Direction::of(behavior.and_then(|b| b.scale_up.as_ref()), 0),
            down: Direction::of(behavior.and_then(|b| b.scale_down.as_ref()), DOWN_WINDOW),
        }
    }
    /// Whether a metric at `ratio` of its target is close enough.
    pub fn within(&self, ratio: f64) -> bool {
        // A hair's breadth for what floating point makes of shares.
        ratio >= 1.0 - self.down.tolerance - f64::EPSILON && ratio <= 1.0 + self.up.tolerance + f64::EPSILON
    }
    /// The most replicas that may be there now.
    pub fn ceiling(&self, current: i32, history: &History, now: Timestamp) -> i32 {
        let Some(policies) = &self.up.policies else { return current.saturating_mul(GROWTH).max(GROWTH_TO) };
        let sizes = policies.iter().map(|policy| {
            let start = start(policy, current, history, now);
            match policy.type_.as_str() {
                "Pods" => start.saturating_add(policy.value),
                _ => (f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i32,
            }
        });
        // Until older changes no longer count, it may be that nothing is allowed.
        self.up.choose(sizes, current, i32::max).max(current)
    }
    /// The fewest replicas that may be there now.
    pub fn floor(&self, current: i32, history: &History, now: Timestamp) -> i32 {
        let Some(policies) = &self.down.policies else { return 0 };
        let sizes = policies.iter().map(|policy| {
            let start = start(policy, current, history, now);
            match policy.type_.as_str() {
                "Pods" => start.saturating_sub(policy.value),
                _ => (f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)) as i32,
            }
        });
        self.down.choose(sizes, current, i32::min).min(current)
    }
}

/// How many replicas there were when a policy's period began.
fn start(policy: &HPAScalingPolicy, current: i32, history: &History, now: Timestamp) -> i32 {
    let (added, taken) = history.changes(now, i64::from(policy.period_seconds));
    current.saturating_sub(added).saturating_add(taken)
}

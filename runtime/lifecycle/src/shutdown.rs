//! Graceful shutdown of a node (KEP-2000, KEP-2712): pods end in groups, the least important first, each group with a
//! grace of its own.

/// Pods of this priority and above are the system's.
pub const CRITICAL_PRIORITY: i32 = 2_000_000_000;
/// `pod.status.reason` of a pod that ends with its node.
pub const TERMINATED: &str = "Terminated";
/// Its `pod.status.message`.
pub const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";
/// `pod.status.reason` of a pod that comes too late.
pub const REFUSED: &str = "NodeShutdown";
/// Its `pod.status.message`.
pub const REFUSAL: &str = "Pod was rejected as the node is shutting down.";

/// How long pods of this priority, and above up to the next stage's, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The least priority of the stage; the first stage takes those below it too.
    pub priority: i32,
    /// A pod's own grace, but no more than this; also the most that later stages wait for this one.
    pub grace_seconds: i64,
}

/// Two stages: the last `critical` of `total` seconds are the system's. None where no time is given, or too little.
pub fn stages(total: i64, critical: i64) -> Vec<Stage> {
    if total <= 0 || critical < 0 || critical > total {
        return Vec::new();
    }
    vec![
        Stage { priority: 0, grace_seconds: total - critical },
        Stage { priority: CRITICAL_PRIORITY, grace_seconds: critical },
    ]
}

/// The stages with their pods, in the order they are to end; a stage without pods takes no time and is left out.
pub fn plan<T>(pods: Vec<(i32, T)>, stages: &[Stage]) -> Vec<(Stage, Vec<T>)> {
    let mut stages = stages.to_vec();
    stages.sort_by_key(|stage| stage.priority);
    let mut groups: Vec<(Stage, Vec<T>)> = stages.into_iter().map(|stage| (stage, Vec::new())).collect();
    for (priority, pod) in pods {
        let above = groups.iter().rposition(|(stage, _)| stage.priority <= priority).unwrap_or(0);
        if let Some((_, group)) = groups.get_mut(above) {
            group.push(pod);
        }
    }
    groups.retain(|(_, group)| !group.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_systems_pods_come_last_and_have_time_left() {
        for (total, critical, expected) in [
            (0, 0, vec![]),
            (30, 40, vec![]),
            (30, 10, vec![(0, 20), (CRITICAL_PRIORITY, 10)]),
            (30, 0, vec![(0, 30), (CRITICAL_PRIORITY, 0)]),
        ] {
            let found: Vec<_> = stages(total, critical).iter().map(|s| (s.priority, s.grace_seconds)).collect();
            assert_eq!(found, expected, "{total} {critical}");
        }
        let pods = vec![(CRITICAL_PRIORITY + 1000, "dns"), (0, "web"), (-7, "batch"), (CRITICAL_PRIORITY, "proxy")];
        let plan = plan(pods, &stages(30, 10));
        let found: Vec<_> = plan.into_iter().map(|(stage, pods)| (stage.grace_seconds, pods)).collect();
        assert_eq!(found, [(20, vec!["web", "batch"]), (10, vec!["dns", "proxy"])]);
    }

    proptest! {
        #[test]
        fn every_pod_ends_once_and_never_before_a_lesser_stage(
            priorities in prop::collection::vec(any::<i32>(), 0..20),
            limits in prop::collection::btree_set(any::<i32>(), 1..5),
        ) {
            let stages: Vec<Stage> = limits.iter().map(|p| Stage { priority: *p, grace_seconds: 1 }).rev().collect();
            let pods = priorities.iter().copied().enumerate().map(|(n, p)| (p, (n, p))).collect();
            let plan = plan(pods, &stages);
            let mut seen: Vec<usize> = plan.iter().flat_map(|(_, group)| group.iter().map(|(n, _)| *n)).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..priorities.len()).collect::<Vec<_>>());
            for pair in plan.windows(2) {
                let most = pair[0].1.iter().map(|(_, p)| *p).max();
                let least = pair[1].1.iter().map(|(_, p)| *p).min();
                prop_assert!(most < least);
            }
        }
    }
}

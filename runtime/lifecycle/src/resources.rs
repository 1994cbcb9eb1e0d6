//! From requests and limits to the numbers of a cgroup. Source of the constants: the kubelet's cm package.

use k8s_openapi::{
    api::core::v1::{Pod, ResourceRequirements},
    apimachinery::pkg::api::resource,
};
use podium_types::Quantity;
use std::collections::BTreeMap;

/// The kernel's least weight.
const MIN_SHARES: u64 = 2;
/// The kernel's greatest weight.
const MAX_SHARES: u64 = 262_144;
/// Weight of one CPU.
const SHARES_PER_CPU: u64 = 1024;
/// Length of a CPU period, microseconds.
pub const PERIOD_MICROS: u64 = 100_000;
/// The kernel's least quota, microseconds.
const MIN_QUOTA_MICROS: u64 = 1000;

/// Named amounts, as in a pod spec.
pub type Amounts = BTreeMap<String, resource::Quantity>;

/// Limits of one container or of a whole pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Weight, 1024 for a CPU.
    pub shares: u64,
    /// Microseconds of CPU time per [`PERIOD_MICROS`]; None is unlimited.
    pub quota_micros: Option<i64>,
    /// Bytes; None is unlimited.
    pub memory_bytes: Option<i64>,
}

/// An amount by its name.
pub fn amount(amounts: Option<&Amounts>, name: &str) -> Option<Quantity> {
    Quantity::parse(&amounts?.get(name)?.0).ok()
}

/// Weight of so many thousandths of a CPU.
pub fn shares(milli: i64) -> u64 {
    let milli = u64::try_from(milli).unwrap_or(0);
    (milli.saturating_mul(SHARES_PER_CPU) / 1000).clamp(MIN_SHARES, MAX_SHARES)
}

/// Quota of so many thousandths of a CPU.
pub fn quota(milli: i64) -> Option<i64> {
    let milli = u64::try_from(milli).ok().filter(|m| *m > 0)?;
    i64::try_from((milli.saturating_mul(PERIOD_MICROS) / 1000).max(MIN_QUOTA_MICROS)).ok()
}

/// Limits of one container.
pub fn container(resources: Option<&ResourceRequirements>) -> Limits {
    let requests = resources.and_then(|r| r.requests.as_ref());
    let limits = resources.and_then(|r| r.limits.as_ref());
    let cpu_limit = amount(limits, "cpu").map(|q| q.milli_value());
    // A limit without a request is a request too.
    let cpu_request = amount(requests, "cpu").map(|q| q.milli_value()).or(cpu_limit).unwrap_or(0);
    Limits {
        shares: shares(cpu_request),
        quota_micros: cpu_limit.and_then(quota),
        memory_bytes: amount(limits, "memory").map(|q| q.value()).filter(|v| *v > 0),
    }
}

/// Limits of the whole pod: sums, where every container has a limit.
pub fn pod(pod: &Pod) -> Limits {
    let Some(spec) = &pod.spec else { return Limits { shares: MIN_SHARES, ..Limits::default() } };
    if spec.resources.is_some() {
        return container(spec.resources.as_ref());
    }
    let (mut request, mut cpu, mut memory) = (0_i64, Some(0_i64), Some(0_i64));
    for one in &spec.containers {
        let limits = one.resources.as_ref().and_then(|r| r.limits.as_ref());
        let requests = one.resources.as_ref().and_then(|r| r.requests.as_ref());
        let cpu_limit = amount(limits, "cpu").map(|q| q.milli_value());
        request = request.saturating_add(amount(requests, "cpu").map(|q| q.milli_value()).or(cpu_limit).unwrap_or(0));
        cpu = cpu.zip(cpu_limit).map(|(a, b)| a.saturating_add(b));
        memory = memory.zip(amount(limits, "memory")).map(|(a, b)| a.saturating_add(b.value()));
    }
    // Init containers run before; their need may exceed the sum, so a pod with any has no limit of its own.
    let alone = spec.init_containers.as_ref().is_none_or(Vec::is_empty);
    let overhead = |name| amount(spec.overhead.as_ref(), name);
    let milli = overhead("cpu").map_or(0, |q| q.milli_value());
    let bytes = overhead("memory").map_or(0, |q| q.value());
    Limits {
        shares: shares(request.saturating_add(milli)),
        quota_micros: cpu.filter(|limit| alone && *limit > 0).and_then(|limit| quota(limit.saturating_add(milli))),
        memory_bytes: memory.filter(|m| alone && *m > 0).map(|m| m.saturating_add(bytes)),
    }
}

/// What the pod asks of a node: the more of what its containers ask for together and of what an init container asks
/// for beside the sidecars before it; and its overhead. Thousandths for `cpu`, else whole.
pub fn request(pod: &Pod, name: &str) -> i64 {
    let Some(spec) = &pod.spec else { return 0 };
    let number = |amounts: Option<&Amounts>| {
        amount(amounts, name).map(|q| if name == "cpu" { q.milli_value() } else { q.value() })
    };
    let of = |resources: Option<&ResourceRequirements>| {
        number(resources.and_then(|r| r.requests.as_ref())).or(number(resources.and_then(|r| r.limits.as_ref())))
    };
    let (mut beside, mut most) = (0_i64, 0_i64);
    for init in spec.init_containers.iter().flatten() {
        let own = of(init.resources.as_ref()).unwrap_or(0);
        most = most.max(beside.saturating_add(own));
        if init.restart_policy.as_deref() == Some("Always") {
            beside = beside.saturating_add(own);
        }
    }
    let mains = spec.containers.iter().filter_map(|c| of(c.resources.as_ref()));
    let together = mains.fold(beside, i64::saturating_add).max(most);
    // What is said of the whole pod counts instead.
    let whole = of(spec.resources.as_ref()).unwrap_or(together);
    whole.saturating_add(number(spec.overhead.as_ref()).unwrap_or(0))
}

/// Whether `pod` would fit on a node that has `allocatable` and runs `others`; else the resource it has too little of,
/// with what is asked for, in use, and there.
pub fn fits(pod: &Pod, others: &[&Pod], allocatable: &Amounts) -> Result<(), Shortage> {
    for name in ["cpu", "memory"] {
        let Some(there) = amount(Some(allocatable), name) else { continue };
        let capacity = if name == "cpu" { there.milli_value() } else { there.value() };
        let requested = request(pod, name);
        let used = others.iter().map(|other| request(other, name)).fold(0, i64::saturating_add);
        if requested > 0 && requested.saturating_add(used) > capacity {
            return Err(Shortage { name, requested, used, capacity });
        }
    }
    Ok(())
}

/// What a node has too little of; thousandths for `cpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// `cpu`, `memory`
    pub name: &'static str,
    /// By the pod.
    pub requested: i64,
    /// By other pods.
    pub used: i64,
    /// Of the node.
    pub capacity: i64,
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, requested, used, capacity } = self;
        write!(
            f,
            "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({ "spec": spec })).expect("a pod")
    }

    #[test]
    fn pods_ask_for_the_more_of_init_and_main() {
        let cpu = |n: &str| serde_json::json!({ "requests": { "cpu": n } });
        let asks = pod(serde_json::json!({
            "initContainers": [
                { "name": "s", "restartPolicy": "Always", "resources": cpu("100m") },
                { "name": "i", "resources": cpu("500m") },
            ],
            "containers": [{ "name": "a", "resources": cpu("300m") }, { "name": "b", "resources": { "limits": { "cpu": "50m" } } }],
            "overhead": { "cpu": "10m" },
        }));
        assert_eq!(request(&asks, "cpu"), 610);
        assert_eq!(request(&asks, "memory"), 0);
        let allocatable: Amounts = serde_json::from_value(serde_json::json!({ "cpu": "1" })).expect("amounts");
        assert_eq!(fits(&asks, &[], &allocatable), Ok(()));
        let shortage = fits(&asks, &[&asks], &allocatable).expect_err("too little");
        assert_eq!(
            shortage.to_string(),
            "Node didn't have enough resource: cpu, requested: 610, used: 610, capacity: 1000"
        );
    }

    #[test]
    fn a_pods_group_has_room_for_its_overhead() {
        let limited = |overhead: serde_json::Value| {
            let limits = serde_json::json!({ "cpu": "500m", "memory": "64Mi" });
            let containers = [serde_json::json!({ "name": "a", "resources": { "limits": limits } })];
            super::pod(&pod(serde_json::json!({ "containers": containers, "overhead": overhead })))
        };
        let plain = limited(serde_json::json!({}));
        assert_eq!((plain.shares, plain.quota_micros, plain.memory_bytes), (512, Some(50_000), Some(64 << 20)));
        let more = limited(serde_json::json!({ "cpu": "250m", "memory": "16Mi" }));
        assert_eq!((more.shares, more.quota_micros, more.memory_bytes), (768, Some(75_000), Some(80 << 20)));
    }

    #[test]
    fn numbers_of_the_kubelet() {
        for (milli, expected) in [(0, 2), (1, 2), (100, 102), (1000, 1024), (2500, 2560), (1_000_000, 262_144)] {
            assert_eq!(shares(milli), expected, "{milli}m");
        }
        for (milli, expected) in [(0, None), (1, Some(1000)), (100, Some(10_000)), (1500, Some(150_000))] {
            assert_eq!(quota(milli), expected, "{milli}m");
        }
        let resources = ResourceRequirements {
            limits: Some([("memory".to_owned(), resource::Quantity("64Mi".into()))].into()),
            ..ResourceRequirements::default()
        };
        assert_eq!(container(Some(&resources)).memory_bytes, Some(64 << 20));
    }
}

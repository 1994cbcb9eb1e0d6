//! Who goes first: those above their requests, then the less important, then those that hold the most.

use super::{Due, EVICTED, Eviction, IMMEDIATE_GRACE_SECONDS, Signal};
use crate::{resources, shutdown::CRITICAL_PRIORITY};
use k8s_openapi::api::core::v1::Pod;
use podium_types::{Quantity, quantity::Format};
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

/// Says where a static pod came from.
const SOURCE: &str = "kubernetes.io/config.source";
/// Is on the API's mirror of a static pod.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What a container holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerUse {
    /// Working set, bytes.
    pub memory: u64,
    /// Writable layer and logs, bytes.
    pub disk: u64,
}

/// A pod with what it holds. None where it could not be measured.
#[derive(Clone, Debug)]
pub struct PodUse {
    /// The pod.
    pub pod: Arc<Pod>,
    /// Working set, bytes.
    pub memory: Option<u64>,
    /// Layers, logs and volumes on a disk: bytes and inodes.
    pub disk: Option<(u64, u64)>,
    /// Tasks.
    pub processes: Option<u64>,
    /// By name.
    pub containers: BTreeMap<String, ContainerUse>,
    /// Bytes of volumes, by name.
    pub volumes: BTreeMap<String, u64>,
}

impl PodUse {
    fn holds(&self, signal: Signal) -> Option<u64> {
        match signal {
            Signal::MemoryAvailable => self.memory,
            Signal::NodeFsAvailable | Signal::ImageFsAvailable => self.disk.map(|(bytes, _)| bytes),
            Signal::NodeFsInodesFree | Signal::ImageFsInodesFree => self.disk.map(|(_, inodes)| inodes),
            Signal::PidAvailable => self.processes,
        }
    }

    fn requests(&self, signal: Signal) -> u64 {
        u64::try_from(resources::request(&self.pod, signal.resource())).unwrap_or(0)
    }

    /// The least is the first to go. Nobody asks for processes.
    fn order(&self, signal: Signal) -> impl Ord + use<> {
        let (holds, requests) = (self.holds(signal), self.requests(signal));
        // Who cannot be measured counts as beyond all measure.
        let modest = signal != Signal::PidAvailable && holds.is_some_and(|holds| holds <= requests);
        let priority = self.pod.spec.as_ref().and_then(|s| s.priority).unwrap_or(0);
        let above = holds.map(|holds| i128::from(holds) - i128::from(requests));
        (modest, priority, Reverse(above.unwrap_or(i128::MAX)), self.pod.metadata.uid.clone())
    }
}

/// The system's own pods and static ones are never evicted.
pub fn is_critical(pod: &Pod) -> bool {
    let annotation = |name: &str| pod.metadata.annotations.as_ref().and_then(|a| a.get(name));
    let is_static = annotation(SOURCE).is_some_and(|source| source != "api") || annotation(MIRROR).is_some();
    is_static || pod.spec.as_ref().and_then(|s| s.priority).is_some_and(|p| p >= CRITICAL_PRIORITY)
}

/// Who goes, by uid, and with which words. `max_grace_seconds` bounds the grace where a soft threshold is the reason.
pub fn victim(pods: &[PodUse], due: &Due, max_grace_seconds: i64) -> Option<(String, Eviction)> {
    let signal = due.threshold.signal;
    let victim = pods.iter().filter(|p| !is_critical(&p.pod)).min_by_key(|p| p.order(signal))?;
    let grace_seconds = if due.threshold.grace.is_some() { max_grace_seconds } else { IMMEDIATE_GRACE_SECONDS };
    Some((victim.pod.metadata.uid.clone()?, Eviction { reason: EVICTED, message: message(victim, due), grace_seconds }))
}

fn message(victim: &PodUse, due: &Due) -> String {
    let signal = due.threshold.signal;
    let resource = signal.resource();
    let (quantity, available) = (due.threshold.quantity(due.seen.capacity), due.seen.available);
    let mut text = format!(
        "The node was low on resource: {resource}. Threshold quantity: {}, available: {}. ",
        amount(quantity),
        amount(available)
    );
    let containers = victim.pod.spec.iter().flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers));
    for container in containers {
        let Some(used) = victim.containers.get(&container.name) else { continue };
        let holds = match signal {
            Signal::MemoryAvailable => used.memory,
            Signal::NodeFsAvailable | Signal::ImageFsAvailable => used.disk,
            _ => continue,
        };
        let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
        let request = resources::amount(requests, resource).map_or(0, |q| u64::try_from(q.value()).unwrap_or(0));
        if holds > request {
            text.push_str(&format!(
                "Container {} was using {}, request is {}, has larger consumption of {resource}. ",
                container.name,
                amount(holds),
                amount(request)
            ));
        }
    }
    text
}

fn amount(value: u64) -> Quantity {
    Quantity::new(i64::try_from(value).unwrap_or(i64::MAX), Format::BinarySi)
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};
    use serde_json::json;

    fn pod(uid: &str, priority: i32, request: &str, memory: Option<u64>) -> PodUse {
        let pod = serde_json::from_value(json!({
            "metadata": { "uid": uid },
            "spec": {
                "priority": priority,
                "containers": [{ "name": "c", "resources": { "requests": {
                    "memory": request, "ephemeral-storage": request,
                } } }],
            },
        }));
        PodUse {
            pod: Arc::new(pod.expect("a pod")),
            memory,
            disk: memory.map(|bytes| (bytes, bytes)),
            processes: memory,
            containers: [("c".to_owned(), ContainerUse { memory: memory.unwrap_or(0), disk: 5 })].into(),
            volumes: BTreeMap::new(),
        }
    }

    fn due(signal: Signal, grace: Option<i64>) -> Due {
        let grace = grace.map(jiff::SignedDuration::from_secs);
        let threshold = Threshold { signal, amount: Amount::Share(10_000), grace, reclaim: None };
        Due { threshold, seen: Observation { capacity: 10 << 20, available: 512 << 10 } }
    }

    #[test]
    fn victims_go_in_kubernetes_order() {
        let memory = Signal::MemoryAvailable;
        for (what, signal, pods, expected) in [
            ("above its request", memory, vec![pod("a", 0, "1Ki", Some(1024)), pod("b", 9, "0", Some(1))], Some("b")),
            ("less important", memory, vec![pod("a", 1, "0", Some(9)), pod("b", 0, "0", Some(1))], Some("b")),
            ("more above", memory, vec![pod("a", 0, "10", Some(30)), pod("b", 0, "0", Some(25))], Some("b")),
            ("unmeasured", memory, vec![pod("a", 0, "0", Some(30)), pod("b", 0, "1Gi", None)], Some("b")),
            ("least below", memory, vec![pod("a", 0, "9", Some(1)), pod("b", 0, "9", Some(8))], Some("b")),
            ("disk", Signal::NodeFsAvailable, vec![pod("a", 0, "1Ki", Some(9)), pod("b", 0, "1", Some(8))], Some("b")),
            (
                "nobody requests inodes",
                Signal::NodeFsInodesFree,
                vec![pod("a", 0, "1Ki", Some(9)), pod("b", 0, "0", Some(8))],
                Some("a"),
            ),
            ("processes", Signal::PidAvailable, vec![pod("a", 0, "0", Some(1)), pod("b", 0, "0", Some(2))], Some("b")),
            ("the system stays", memory, vec![pod("a", CRITICAL_PRIORITY, "0", Some(99))], None),
        ] {
            let found = victim(&pods, &due(signal, None), 0).map(|(uid, _)| uid);
            assert_eq!(found.as_deref(), expected, "{what}");
        }
        let mut fixed = pod("s", 0, "0", Some(9));
        Arc::make_mut(&mut fixed.pod).metadata.annotations = Some([(SOURCE.to_owned(), "file".to_owned())].into());
        assert_eq!(victim(&[fixed], &due(memory, None), 0), None);
    }

    #[test]
    fn messages_are_kubernetes_words() {
        let pods = [pod("a", 0, "1Ki", Some(2048))];
        let (uid, hard) = victim(&pods, &due(Signal::MemoryAvailable, None), 30).expect("a victim");
        assert_eq!((uid.as_str(), hard.grace_seconds), ("a", 1));
        assert_eq!(
            hard.message,
            "The node was low on resource: memory. Threshold quantity: 1Mi, available: 512Ki. \
             Container c was using 2Ki, request is 1Ki, has larger consumption of memory. "
        );
        let (_, soft) = victim(&pods, &due(Signal::PidAvailable, Some(1)), 30).expect("a victim");
        assert_eq!(soft.grace_seconds, 30);
        assert_eq!(soft.message, "The node was low on resource: pids. Threshold quantity: 1Mi, available: 512Ki. ");
    }
}

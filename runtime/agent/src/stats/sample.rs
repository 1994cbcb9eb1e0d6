//! One look at everything that runs: straight from the control groups, without a word to the shims.

use super::{Interface, NodeSample, interfaces, machine, rate::Rates};
use crate::{
    Result,
    pod::{Place, container_id},
    pods::PodSlot,
    shared::Shared,
};
use jiff::Timestamp;
use podium_oci::Stats;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Everything at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub at: Timestamp,
    pub node: NodeSample,
    pub pods: Vec<PodSample>,
    /// Some running container could not be read.
    pub incomplete: bool,
}

/// A pod that has containers.
#[derive(Clone, Debug)]
pub(crate) struct PodSample {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub cgroup: String,
    pub started: Timestamp,
    pub stats: Stats,
    pub nano_cores: u64,
    /// None on the node's own network.
    pub interfaces: Option<Vec<Interface>>,
    pub containers: Vec<ContainerSample>,
}

/// A container that runs.
#[derive(Clone, Debug)]
pub(crate) struct ContainerSample {
    pub name: String,
    pub image: String,
    /// As in paths of the pod's directory.
    pub id: String,
    pub started: Timestamp,
    pub stats: Stats,
    pub nano_cores: u64,
    pub oom_kills: u64,
}

pub(super) fn take(shared: &Arc<Shared>, rates: &Mutex<Rates>) -> Result<Sample> {
    let now = Timestamp::now();
    // Nothing panics while holding this lock.
    let mut rates = rates.lock().unwrap_or_else(PoisonError::into_inner);
    let node = machine::take(shared, &mut rates, now)?;
    let (mut pods, mut incomplete) = (Vec::new(), false);
    for slot in shared.pods.list() {
        if let Some((pod, missing)) = pod(shared, &slot, &mut rates, now) {
            pods.push(pod);
            incomplete |= missing;
        }
    }
    let mut counters: BTreeSet<String> = pods.iter().map(|p| p.cgroup.clone()).collect();
    counters.extend(pods.iter().flat_map(|p| p.containers.iter().map(|c| format!("{}/{}", p.cgroup, c.id))));
    counters.extend(["/".to_owned(), format!("/podium-{}", shared.id), format!("/podium-{}/shims", shared.id)]);
    rates.keep(&counters);
    Ok(Sample { at: now, node, pods, incomplete })
}

/// The pod, and whether a container of it could not be read.
fn pod(shared: &Arc<Shared>, slot: &Arc<PodSlot>, rates: &mut Rates, now: Timestamp) -> Option<(PodSample, bool)> {
    let view = slot.view.load_full()?;
    let place = Place { shared: shared.clone(), pod: slot.pod.load_full(), uid: slot.uid.clone() };
    let cgroup = place.cgroup();
    let stats = shared.cgroups.stats(&cgroup).ok()?;
    let (mut containers, mut missing) = (Vec::new(), false);
    for status in running(&view.status) {
        let (name, attempt) = (text(status, "name"), status["restartCount"].as_u64().unwrap_or(0));
        let id = container_id(&name, u32::try_from(attempt).unwrap_or(u32::MAX));
        let group = format!("{cgroup}/{id}");
        let Ok(stats) = shared.cgroups.stats(&group) else {
            missing = true;
            continue;
        };
        let started = time(&status["state"]["running"]["startedAt"]).unwrap_or(now);
        containers.push(ContainerSample {
            oom_kills: shared.cgroups.oom_kills(&group),
            nano_cores: rates.add(&group, started, now, stats.cpu_usage_nanos),
            image: text(status, "image"),
            name,
            id,
            started,
            stats,
        });
    }
    let started = time(&view.status["startTime"]).unwrap_or(now);
    let process = shared.cgroups.processes(&cgroup).unwrap_or_default().into_iter().next();
    let sample = PodSample {
        namespace: place.namespace().to_owned(),
        name: place.name().to_owned(),
        uid: slot.uid.clone(),
        nano_cores: rates.add(&cgroup, started, now, stats.cpu_usage_nanos),
        cgroup,
        started,
        stats,
        interfaces: view.netns.as_ref().and(process).map(interfaces::of_process),
        containers,
    };
    Some((sample, missing))
}

/// Statuses of containers that run.
pub(crate) fn running(status: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
    let all = lists.into_iter().filter_map(|list| status[list].as_array()).flatten();
    all.filter(|c| c["state"]["running"].is_object())
}

fn text(status: &Value, field: &str) -> String {
    status[field].as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

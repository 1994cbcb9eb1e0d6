//! What the pods of a target use of one resource, and which of them can be counted on.

use crate::{View, pods, quantity, time, view::Item};
use k8s_openapi::api::core::v1::{Container, Pod};
use podium_machinery::usage::{Amount, Span};
use podium_types::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Seconds after a pod's start in which CPU use may be that of starting (`--horizontal-pod-autoscaler-cpu-initialization-period`).
const CPU_START: i64 = 300;
/// Seconds in which a pod that turns unready was never really ready (`--horizontal-pod-autoscaler-initial-readiness-delay`).
const READINESS_DELAY: i64 = 30;

/// Amounts in thousandths, by the pod's name.
pub type Amounts<'a> = BTreeMap<&'a str, i64>;

/// The pods of a target, sorted out.
#[derive(Debug, Default)]
pub struct Samples<'a> {
    /// What those that count use.
    pub used: Amounts<'a>,
    /// How many of them run and are past their start.
    pub ready: usize,
    /// Pods that do not work yet.
    pub unready: BTreeSet<&'a str>,
    /// Pods of which nothing is known.
    pub missing: BTreeSet<&'a str>,
}

/// A resource, of one container where it is named.
#[derive(Clone, Copy)]
pub struct What<'a> {
    /// `cpu` or `memory`
    pub resource: &'a str,
    /// The container alone.
    pub container: Option<&'a str>,
}

impl What<'_> {
    fn amount(self, of: &Amount) -> Option<i64> {
        match self.resource {
            "cpu" => i64::try_from(of.nano_cores.div_ceil(1_000_000)).ok(),
            "memory" => i64::try_from(of.bytes).ok().map(|bytes| bytes.saturating_mul(1000)),
            _ => None,
        }
    }
}

/// What is measured of the pods, sorted as Kubernetes sorts them.
pub fn collect<'a>(
    view: &View,
    list: &'a [&'a Arc<Item<Pod>>],
    what: What<'_>,
    now: Timestamp,
) -> Result<Samples<'a>, String> {
    let mut measured = BTreeMap::new();
    for pod in list {
        let Some(known) = view.usage.pods.get(pod.key()) else { continue };
        let amounts: Option<Vec<i64>> = match what.container {
            None => known.containers.values().map(|amount| what.amount(amount)).collect(),
            Some(name) => {
                let (namespace, pod) = (&pod.key().namespace, &pod.key().name);
                let missing = || format!("container {name} not present in metrics for pod {namespace}/{pod}");
                let amount = known.containers.get(name).ok_or_else(missing)?;
                what.amount(amount).map(|amount| vec![amount])
            }
        };
        if let Some(amounts) = amounts {
            measured.insert(pod.key().name.as_str(), (amounts.iter().sum::<i64>(), known.span));
        }
    }
    if measured.is_empty() {
        return Err("no metrics returned from resource metrics API".to_owned());
    }
    let mut samples = Samples::default();
    for pod in list {
        let name = pod.key().name.as_str();
        if pod.deleting() || pods::phase(pod) == "Failed" {
            continue;
        }
        if pods::phase(pod) == "Pending" {
            samples.unready.insert(name);
            continue;
        }
        match measured.get(name) {
            None => drop(samples.missing.insert(name)),
            Some((_, span)) if what.resource == "cpu" && starting(pod, *span, now) => {
                samples.unready.insert(name);
            }
            Some((amount, _)) => {
                samples.used.insert(name, *amount);
                samples.ready += 1;
            }
        }
    }
    if samples.used.is_empty() {
        return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
    }
    Ok(samples)
}

/// Whether the CPU that a pod uses may be that of starting.
fn starting(pod: &Pod, span: Span, now: Timestamp) -> bool {
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0);
    let (Some(condition), Some(started)) = (pods::condition(pod, "Ready"), started) else { return true };
    let unready = condition.status == "False";
    let changed = condition.last_transition_time.as_ref().map_or(Timestamp::MIN, |time| time.0);
    let after = |seconds| time::after(started, seconds).unwrap_or(Timestamp::MAX);
    if after(CPU_START) > now {
        let window = i64::try_from(span.window.as_secs()).unwrap_or(i64::MAX);
        return unready || time::after(changed, window).is_none_or(|whole| span.at < whole);
    }
    unready && after(READINESS_DELAY) > changed
}

/// What the pods ask for, in thousandths; who does not say makes a share impossible.
pub fn requests<'a>(list: &'a [&'a Arc<Item<Pod>>], what: What<'_>) -> Result<Amounts<'a>, String> {
    list.iter().map(|pod| Ok((pod.key().name.as_str(), request(pod, what)?))).collect()
}

fn request(pod: &Item<Pod>, what: What<'_>) -> Result<i64, String> {
    let Some(spec) = &pod.spec else { return Ok(0) };
    let of = |requests: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
        Some(quantity::milli(&requests?.get(what.resource)?.0))
    };
    let whole = spec.resources.as_ref().and_then(|resources| of(resources.requests.as_ref()));
    if let (Some(whole), None) = (whole, what.container) {
        return Ok(whole);
    }
    let sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten().filter(sidecar));
    let counted = all.filter(|container| what.container.is_none_or(|name| name == container.name));
    let mut sum = 0_i64;
    for container in counted {
        let own = of(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()));
        let resource = what.resource;
        let why =
            || format!("missing request for {resource} in container {} of Pod {}", container.name, pod.key().name);
        sum = sum.saturating_add(own.ok_or_else(why)?);
    }
    Ok(sum)
}

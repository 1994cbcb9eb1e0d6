//! What each metric of an autoscaler asks for, and what all of them together do.

use super::{
    limits::Limits,
    ratio::{Goal, Level, replicas},
    samples::{What, collect, requests},
    target::Target,
};
use crate::{View, quantity, view::Item};
use k8s_openapi::{
    api::{
        autoscaling::v2::{
            ContainerResourceMetricStatus, HorizontalPodAutoscalerSpec, MetricSpec, MetricStatus, MetricTarget,
            MetricValueStatus, ResourceMetricStatus,
        },
        core::v1::Pod,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use podium_types::Timestamp;
use std::sync::Arc;

const NO_CUSTOM: &str =
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";
const NO_EXTERNAL: &str =
    "unable to fetch metrics from external metrics API: no external metrics API (external.metrics.k8s.io) registered";

/// What one metric asks for.
struct Proposal {
    replicas: i32,
    name: String,
    status: MetricStatus,
}

/// Why a metric says nothing.
#[derive(Debug)]
pub struct Failure {
    /// `FailedGetResourceMetric`
    pub reason: &'static str,
    /// What is wrong.
    pub cause: String,
    /// The same, with what was tried before it.
    whole: String,
}

/// What all metrics together say.
pub struct Outcome {
    /// The largest size that a metric asks for, and its name; or why there is none.
    pub result: Result<(i32, String), String>,
    /// What is wrong with single metrics.
    pub failures: Vec<Failure>,
    statuses: Vec<MetricStatus>,
}

impl Outcome {
    /// For the status: nothing where no metric can be read.
    pub fn statuses(&self) -> Option<Vec<MetricStatus>> {
        self.statuses.iter().any(|status| !status.type_.is_empty()).then(|| self.statuses.clone())
    }
}

/// Asks every metric.
pub fn propose(
    view: &View,
    spec: &HorizontalPodAutoscalerSpec,
    target: &Target,
    pods: &[&Arc<Item<Pod>>],
    rules: &Limits,
    now: Timestamp,
) -> Outcome {
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    let (mut best, mut failures, mut statuses) = (None::<(i32, String)>, Vec::new(), Vec::new());
    for metric in metrics {
        let one = One { view, target, pods, rules, now };
        match one.propose(metric) {
            Ok(proposal) => {
                if best.as_ref().is_none_or(|(most, _)| proposal.replicas > *most) {
                    best = Some((proposal.replicas, proposal.name));
                }
                statuses.push(proposal.status);
            }
            Err(failure) => {
                failures.push(failure);
                statuses.push(MetricStatus::default());
            }
        }
    }
    let broken = || {
        let first = failures.first().map_or("no metrics", |failure| failure.whole.as_str());
        format!("invalid metrics ({} invalid out of {}), first error is: {first}", failures.len(), metrics.len())
    };
    let result = match best {
        // A metric that cannot be read might ask for more: then fewer are out of the question.
        Some((most, _)) if !failures.is_empty() && most < target.replicas => Err(broken()),
        Some(best) => Ok(best),
        None => Err(broken()),
    };
    Outcome { result, failures, statuses }
}

/// What a metric is asked with.
struct One<'a> {
    view: &'a View,
    target: &'a Target,
    pods: &'a [&'a Arc<Item<Pod>>],
    rules: &'a Limits,
    now: Timestamp,
}

impl One<'_> {
    fn propose(&self, metric: &MetricSpec) -> Result<Proposal, Failure> {
        if let Some(source) = &metric.resource {
            let what = What { resource: &source.name, container: None };
            let found = self.measure(what, &source.target);
            let (replicas, level, goal) =
                found.map_err(|cause| failure("FailedGetResourceMetric", &source.name, "resource", cause))?;
            let current = current(level);
            let status = ResourceMetricStatus { name: source.name.clone(), current };
            let status =
                MetricStatus { type_: metric.type_.clone(), resource: Some(status), ..MetricStatus::default() };
            return Ok(Proposal { replicas, name: format!("{} resource{goal}", source.name), status });
        }
        if let Some(source) = &metric.container_resource {
            let what = What { resource: &source.name, container: Some(&source.container) };
            let found = self.measure(what, &source.target);
            let reason = "FailedGetContainerResourceMetric";
            let (replicas, level, goal) = found.map_err(|cause| failure(reason, &source.name, "container", cause))?;
            let (name, container) = (source.name.clone(), source.container.clone());
            let status = ContainerResourceMetricStatus { name, container, current: current(level) };
            let status = MetricStatus {
                type_: metric.type_.clone(),
                container_resource: Some(status),
                ..MetricStatus::default()
            };
            return Ok(Proposal { replicas, name: format!("{} container resource{goal}", source.name), status });
        }
        Err(self.unserved(metric))
    }

    /// Size, level and what of the name depends on the goal; what is wrong, as condition and event tell it.
    fn measure(&self, what: What<'_>, to: &MetricTarget) -> Result<(i32, Level, &'static str), String> {
        let resource = what.resource;
        let unable = |why: String| match why.as_str() {
            "no metrics returned from resource metrics API" => {
                format!("unable to get metrics for resource {resource}: {why}")
            }
            _ => why,
        };
        if let Some(amount) = &to.average_value {
            let failed = |why| format!("failed to get {resource} usage: {why}");
            let samples = collect(self.view, self.pods, what, self.now).map_err(|why| failed(unable(why)))?;
            let goal = Goal::Amount(quantity::milli(&amount.0));
            let found = replicas(self.target.replicas, &samples, goal, self.rules);
            let (size, level) = found.ok_or_else(|| failed("no metrics returned matched known pods".to_owned()))?;
            return Ok((size, level, ""));
        }
        let Some(percent) = to.average_utilization else {
            return Err(
                "invalid resource metric source: neither a utilization target nor a value target was set".to_owned()
            );
        };
        let failed = |why| format!("failed to get {resource} utilization: {why}");
        let samples = collect(self.view, self.pods, what, self.now).map_err(|why| failed(unable(why)))?;
        let requests = requests(self.pods, what).map_err(failed)?;
        let found = replicas(self.target.replicas, &samples, Goal::Share(percent, &requests), self.rules);
        let (size, level) = found.ok_or_else(|| failed("no metrics returned matched known pods".to_owned()))?;
        Ok((size, level, " utilization (percentage of request)"))
    }

    /// Metrics of APIs that are not served.
    fn unserved(&self, metric: &MetricSpec) -> Failure {
        let namespace = &self.pods.first().map_or("", |pod| pod.key().namespace.as_str());
        let (reason, what, cause) = if let Some(source) = &metric.pods {
            ("FailedGetPodsMetric", "pods", format!("unable to get metric {}: {NO_CUSTOM}", source.metric.name))
        } else if let Some(source) = &metric.object {
            let (of, name) = (&source.described_object, &source.metric.name);
            let cause = format!("unable to get metric {name}: {} on {namespace} {}/{NO_CUSTOM}", of.kind, of.name);
            ("FailedGetObjectMetric", "object", cause)
        } else if let Some(source) = &metric.external {
            let cause = format!("unable to get external metric {namespace}/{}: {NO_EXTERNAL}", source.metric.name);
            ("FailedGetExternalMetric", "external", cause)
        } else {
            ("InvalidMetricSourceType", "unknown", format!("unknown metric source type {:?}", metric.type_))
        };
        Failure { reason, whole: format!("failed to get {what} metric value: {cause}"), cause }
    }
}

fn failure(reason: &'static str, resource: &str, kind: &str, cause: String) -> Failure {
    Failure { reason, whole: format!("failed to get {resource} {kind} metric value: {cause}"), cause }
}

fn current(level: Level) -> MetricValueStatus {
    MetricValueStatus {
        average_utilization: level.share,
        average_value: Some(Quantity(podium_types::Quantity::from_milli(level.average).to_string())),
        value: None,
    }
}

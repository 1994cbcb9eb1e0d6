//! Scales workloads so that their pods use about as much as their autoscaler wants.
//!
//! Every sync looks at what is measured, never at what an earlier sync thought; only what was
//! recommended and scaled lately is kept, as an annotation of the autoscaler.

mod bounds;
mod history;
mod limits;
mod metrics;
mod ratio;
mod samples;
mod status;
mod target;

pub use history::{ANNOTATION, History};

use crate::{Controller, Ids, Plan, PlannedWrite, View, resource, time, view::Item, write};
use bounds::{Verdict, bound};
use k8s_openapi::api::{autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod};
use metrics::Outcome;
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};
use serde_json::json;
use status::{ABLE, ACTIVE, Draft, LIMITED};
use std::sync::Arc;
use target::Target;

/// Seconds between two looks at an autoscaler (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_SECONDS: i64 = 15;

/// The controller of HorizontalPodAutoscalers.
pub struct AutoscalerController;

impl Controller for AutoscalerController {
    fn name(&self) -> &'static str {
        "horizontal-pod-autoscaler"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::AUTOSCALERS]
    }
    fn keys(&self, _view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        // Its own status and annotation wake nobody: the next sync comes in time.
        let spec = |object: &podium_machinery::state::Object| object.value()["spec"].take();
        let same = event.previous.as_ref().is_some_and(|old| spec(old) == spec(&event.object));
        if same { Vec::new() } else { vec![event.object.key.clone()] }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        view.autoscalers.all().map(|hpa| hpa.key().clone()).collect()
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(hpa) = view.autoscalers.get(key).filter(|hpa| !hpa.deleting()) else { return Plan::default() };
        let mut plan = sync(view, hpa, now);
        plan.wake_at = time::after(now, SYNC_SECONDS);
        plan
    }
}

fn sync(view: &View, hpa: &Arc<Item<HorizontalPodAutoscaler>>, now: Timestamp) -> Plan {
    let spec = &hpa.spec;
    let mut draft = Draft::new(hpa, now);
    let target = match Target::find(view, &hpa.key().namespace, &spec.scale_target_ref) {
        Ok(target) => target,
        Err(why) => {
            let message = format!("the HPA controller was unable to get the target's current scale: {why}");
            draft.fail(ABLE, "FailedGetScale", message, why);
            return draft.plan();
        }
    };
    let message = "the HPA controller was able to get the target's current scale";
    draft.set(ABLE, true, "SucceededGetScale", message);
    let current = target.replicas;
    draft.status.current_replicas = Some(current);
    let labels = target.labels();
    let pods: Vec<_> = view.pods_labelled(&hpa.key().namespace, &labels).filter(|pod| target.selects(pod)).collect();
    if let Some((reason, message, event)) = unclear(view, hpa, &target, &pods) {
        draft.fail_as(ACTIVE, reason.0, message, reason.1, event);
        return draft.plan();
    }
    let mut history = History::of(hpa.meta());
    history.settle(current, draft.status.last_scale_time.as_ref().map(|time| time.0));
    let before = history.clone();
    let (least, most) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    let (desired, why) = if current == 0 && least != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        draft.set(ACTIVE, false, "ScalingDisabled", message);
        (0, String::new())
    } else if current > most {
        (most, "Current number of replicas above Spec.MaxReplicas".to_owned())
    } else if current < least {
        (least, "Current number of replicas below Spec.MinReplicas".to_owned())
    } else {
        let rules = limits::Limits::of(spec);
        let outcome = metrics::propose(view, spec, &target, &pods, &rules, now);
        draft.status.current_metrics = outcome.statuses();
        report(&outcome, &mut draft);
        let (wanted, metric) = match outcome.result {
            Ok(best) => best,
            Err(why) => {
                draft.warn("FailedComputeMetricsReplicas", why);
                return draft.plan();
            }
        };
        let why = match wanted.cmp(&current) {
            std::cmp::Ordering::Greater => format!("{metric} above target"),
            _ => "All metrics below target".to_owned(),
        };
        history.recommend(wanted, current, now);
        let Verdict { replicas, stable, limited } = bound(wanted, current, (least, most), &rules, &history, now);
        draft.set(ABLE, true, stable.0, stable.1);
        draft.set(LIMITED, limited.0, limited.1, limited.2);
        (replicas, why)
    };
    draft.status.desired_replicas = desired;
    let mut scale = None;
    if desired != current {
        history.scaled(current, desired, now);
        draft.status.last_scale_time = Some(time::stamp(now));
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        draft.set(ABLE, true, "SucceededRescale", &message);
        draft.note("SuccessfulRescale", format!("New size: {desired}; reason: {why}"));
        scale = Some(target.scaled(desired));
    }
    // What is about to be done is noted first: a crash in between makes the next sync careful, not bold.
    let remembered = (history != before).then(|| remember(hpa, &mut history, now));
    draft.plan_with(remembered.into_iter().chain(scale).collect())
}

/// Why it is not clear what to scale: the condition's and the event's reason, then their messages.
fn unclear(
    view: &View,
    hpa: &Item<HorizontalPodAutoscaler>,
    target: &Target,
    pods: &[&Arc<Item<Pod>>],
) -> Option<((&'static str, &'static str), String, String)> {
    if target.selector.is_none() {
        let message = "the HPA target's scale is missing a selector".to_owned();
        return Some((("InvalidSelector", "SelectorRequired"), message, "selector is required".to_owned()));
    }
    let namespace = &hpa.key().namespace;
    let rivals = view.autoscalers.of(namespace).filter(|other| other.key() != hpa.key() && !other.deleting());
    let mut names: Vec<String> = rivals
        .filter(|other| {
            let theirs = Target::find(view, namespace, &other.spec.scale_target_ref);
            theirs.is_ok_and(|theirs| pods.iter().any(|pod| theirs.selects(pod)))
        })
        .map(|other| format!("{namespace}/{}", other.key().name))
        .collect();
    if names.is_empty() {
        return None;
    }
    names.push(format!("{namespace}/{}", hpa.key().name));
    names.sort();
    let message = format!("pods by selector {} are controlled by multiple HPAs: [{}]", target.words(), names.join(" "));
    Some((("AmbiguousSelector", "AmbiguousSelector"), message.clone(), message))
}

/// What came of the metrics, as condition and events.
fn report(outcome: &Outcome, draft: &mut Draft) {
    match (&outcome.result, outcome.failures.first()) {
        (Ok((_, metric)), _) => {
            let message = format!("the HPA was able to successfully calculate a replica count from {metric}");
            draft.set(ACTIVE, true, "ValidMetricFound", &message);
        }
        (Err(_), Some(first)) => {
            let message = format!("the HPA was unable to compute the replica count: {}", first.cause);
            draft.set(ACTIVE, false, first.reason, &message);
        }
        (Err(_), None) => {}
    }
    for failure in &outcome.failures {
        draft.warn(failure.reason, failure.cause.clone());
    }
}

fn remember(hpa: &Item<HorizontalPodAutoscaler>, history: &mut History, now: Timestamp) -> PlannedWrite {
    history.prune(now);
    let patch = json!({"metadata": {"annotations": {ANNOTATION: history.text()}}});
    write::patch(resource::AUTOSCALERS, "", hpa, patch)
}

//! PodSecurity: what the pods of a namespace may do, by the namespace's labels.
//!
//! Pods that break what is enforced are refused; of what is only warned of, and of workloads whose
//! pods would be refused, the client hears. Deliberately absent: the audit log.

mod baseline;
mod policy;
mod restricted;
mod subject;

use super::find;
use crate::verbs::Api;
use podium_types::{ApiError, meta};
use policy::{Level, Policy, Rules};
use serde_json::Value;
use std::collections::BTreeMap;
use subject::{Subject, Violation};

/// Where workloads keep the pod that they make.
const TEMPLATES: &[(&str, &str)] = &[
    ("daemonsets.apps", "/spec/template"),
    ("deployments.apps", "/spec/template"),
    ("replicasets.apps", "/spec/template"),
    ("statefulsets.apps", "/spec/template"),
    ("jobs.batch", "/spec/template"),
    ("cronjobs.batch", "/spec/jobTemplate/spec/template"),
    ("podtemplates", "/template"),
    ("replicationcontrollers", "/spec/template"),
];
/// Pods that are looked at when a namespace becomes stricter.
const MAX_PODS: usize = 3000;

/// Looks at a pod, by the rules of a minor version.
type Check = fn(Subject<'_>, u32) -> Option<Violation>;

/// The baseline in Kubernetes' order, with the minor version that brought each; true where the restricted
/// level has a stricter check of the same.
const BASELINE: &[(Check, u32, bool)] = &[
    (baseline::app_armor, 0, false),
    (baseline::capabilities, 0, true),
    (baseline::host_namespaces, 0, false),
    (baseline::host_path, 0, true),
    (baseline::host_ports, 0, false),
    (baseline::probe_hosts, 34, false),
    (baseline::privileged, 0, false),
    (baseline::proc_mount, 0, false),
    (baseline::selinux, 0, false),
    (baseline::seccomp, 19, true),
    (baseline::sysctls, 0, false),
    (baseline::host_process, 0, false),
];
/// What the restricted level has beside.
const RESTRICTED: &[(Check, u32)] = &[
    (restricted::escalation, 8),
    (restricted::capabilities, 22),
    (restricted::volumes, 0),
    (restricted::non_root, 0),
    (restricted::user, 23),
    (restricted::seccomp, 19),
];
/// Since these minor versions the stricter checks stand for those of the baseline.
const STRICTER: u32 = 22;

/// Everything that a pod does against the rules.
fn violations(rules: Rules, pod: Subject<'_>) -> Vec<Violation> {
    if rules.level == Level::Privileged {
        return Vec::new();
    }
    let minor = rules.minor.unwrap_or(u32::MAX);
    let restricted = rules.level == Level::Restricted;
    let replaced = |stricter: bool| stricter && restricted && minor >= STRICTER;
    let base = BASELINE.iter().filter(|(_, since, stricter)| *since <= minor && !replaced(*stricter));
    let more = RESTRICTED.iter().filter(|(_, since)| restricted && *since <= minor);
    let checks = base.map(|(check, ..)| check).chain(more.map(|(check, _)| check));
    checks.filter_map(|check| check(pod, minor)).collect()
}

/// `reason (detail), …`; `None` where there is nothing to tell.
fn told(found: &[Violation]) -> Option<String> {
    let each: Vec<String> = found.iter().map(|v| format!("{} ({})", v.reason, v.detail)).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// What is to be said of a pod that is only warned of.
fn warning(rules: Rules, pod: Subject<'_>) -> Option<String> {
    let found = told(&violations(rules, pod))?;
    Some(format!("would violate PodSecurity \"{rules}\": {found}"))
}

/// The policy of a namespace; `None` where it has none, as most.
fn policy(api: &Api, namespace: &str) -> Option<Policy> {
    let object = find(api, "namespaces", "", namespace)?;
    memchr::memmem::find(&object.json, b"pod-security.kubernetes.io/")?;
    Some(Policy::of(&object.value()).0)
}

/// Judges a pod that is new or changed.
pub(super) fn pod(api: &Api, pod: &Value, old: Option<&Value>, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    if old.is_some_and(|old| !matters(pod, old)) {
        return Ok(());
    }
    let Some(policy) = policy(api, meta::namespace(pod)) else { return Ok(()) };
    let subject = Subject { metadata: &pod["metadata"], spec: &pod["spec"] };
    if let Some(found) = told(&violations(policy.enforce, subject)) {
        let why = format!("violates PodSecurity \"{}\": {found}", policy.enforce);
        return Err(ApiError::forbidden("pods", "", meta::name(pod), &why));
    }
    warnings.extend(warning(policy.warn, subject));
    Ok(())
}

/// Whether a change of a pod can break rules: another image, another container.
fn matters(new: &Value, old: &Value) -> bool {
    let images = |pod: &Value| -> Vec<(Value, Value)> {
        let subject = Subject { metadata: &pod["metadata"], spec: &pod["spec"] };
        subject.containers().map(|c| (c["name"].clone(), c["image"].clone())).collect()
    };
    images(new) != images(old)
}

/// Warns of a workload whose pods would break rules.
pub(super) fn template(api: &Api, resource: &str, object: &Value, warnings: &mut Vec<String>) {
    let Some((_, path)) = TEMPLATES.iter().find(|(name, _)| *name == resource) else { return };
    let Some(template) = object.pointer(path).filter(|template| template["spec"].is_object()) else { return };
    let Some(policy) = policy(api, meta::namespace(object)) else { return };
    let subject = Subject { metadata: &template["metadata"], spec: &template["spec"] };
    warnings.extend(warning(policy.warn, subject));
}

/// Judges the labels of a namespace, and warns of pods that are there against what is newly enforced.
pub(super) fn namespace(
    api: &Api,
    new: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let (policy, errors) = Policy::of(new);
    let before = old.map(Policy::of);
    if !errors.is_empty() && before.as_ref().is_none_or(|(_, known)| *known != errors) {
        return Err(ApiError::invalid("Namespace", "", meta::name(new), &errors));
    }
    let Some((before, _)) = before else { return Ok(()) };
    let eased = policy.enforce.minor == before.enforce.minor && policy.enforce.level <= before.enforce.level;
    if policy.enforce.level != Level::Privileged && !eased {
        warnings.extend(standing(api, meta::name(new), policy.enforce));
    }
    Ok(())
}

/// What pods of a namespace do against rules, those that do the same together.
fn standing(api: &Api, namespace: &str, rules: Rules) -> Vec<String> {
    let Some(kind) = podium_kinds::by_resource("pods") else { return Vec::new() };
    let snapshot = api.backend().snapshot(kind);
    let total = snapshot.list(Some(namespace), None).count();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in snapshot.list(Some(namespace), None).take(MAX_PODS) {
        let pod = object.value();
        let broken = violations(rules, Subject { metadata: &pod["metadata"], spec: &pod["spec"] });
        if !broken.is_empty() {
            let reasons: Vec<&str> = broken.iter().map(|violation| violation.reason).collect();
            found.entry(reasons.join(", ")).or_default().push(object.key.name.clone());
        }
    }
    let mut said = Vec::new();
    if total > MAX_PODS {
        said.push(format!(
            "new PodSecurity enforce level only checked against the first {MAX_PODS} of {total} existing pods"
        ));
    }
    if !found.is_empty() {
        said.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{rules}\""
        ));
    }
    let mut lines: Vec<String> = found.iter().map(|(what, pods)| grouped(what, pods)).collect();
    lines.sort();
    said.extend(lines);
    said
}

/// `p (and 2 other pods): privileged, hostPort`
fn grouped(what: &str, pods: &[String]) -> String {
    let first = pods.first().map_or("", String::as_str);
    match pods.len() {
        0 | 1 => format!("{first}: {what}"),
        2 => format!("{first} (and 1 other pod): {what}"),
        more => format!("{first} (and {} other pods): {what}", more - 1),
    }
}

#[cfg(test)]
mod tests;

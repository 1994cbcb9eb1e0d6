//! What the restricted level demands beside the baseline.

use super::{
    baseline,
    subject::{Sorted, Subject, Violation, context, must, named, plural, quoted, strings, violation},
};
use serde_json::Value;

/// Where a hardened pod's volumes come from.
const VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
/// Since this minor version pods for Windows need not say what only Linux has.
const WINDOWS: u32 = 25;

pub(super) fn escalation(pod: Subject<'_>, minor: u32) -> Option<Violation> {
    if pod.is_windows() && minor >= WINDOWS {
        return None;
    }
    let names = pod.those(|c| context(c)["allowPrivilegeEscalation"] != false);
    violation("allowPrivilegeEscalation != false", must(&names, "set securityContext.allowPrivilegeEscalation=false"))
}

pub(super) fn capabilities(pod: Subject<'_>, minor: u32) -> Option<Violation> {
    if pod.is_windows() && minor >= WINDOWS {
        return None;
    }
    let keeps = |c| !strings(&context(c)["capabilities"]["drop"]).any(|name| name == "ALL");
    let added = |c| strings(&context(c)["capabilities"]["add"]).filter(|name| *name != "NET_BIND_SERVICE");
    let names: Sorted<'_> = pod.containers().flat_map(added).collect();
    let what = format!("not include {} in securityContext.capabilities.add", quoted(names));
    let dropped = must(&pod.those(keeps), r#"set securityContext.capabilities.drop=["ALL"]"#);
    let adding = must(&pod.those(|c| added(c).next().is_some()), &what);
    let details: Vec<String> = dropped.into_iter().chain(adding).collect();
    violation("unrestricted capabilities", (!details.is_empty()).then(|| details.join("; ")))
}

pub(super) fn volumes(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let kind = |volume: &Value| -> String {
        let sources = volume.as_object().into_iter().flatten().filter(|(name, v)| *name != "name" && !v.is_null());
        sources.map(|(name, _)| name.clone()).next().unwrap_or_else(|| "unknown".to_owned())
    };
    let all = pod.spec["volumes"].as_array().into_iter().flatten();
    let bad: Vec<(&str, String)> = all
        .map(|volume| (volume["name"].as_str().unwrap_or_default(), kind(volume)))
        .filter(|(_, kind)| !VOLUMES.contains(&kind.as_str()))
        .collect();
    let names: Sorted<'_> = bad.iter().map(|(name, _)| *name).collect();
    let kinds: Sorted<'_> = bad.iter().map(|(_, kind)| kind.as_str()).collect();
    let detail = || {
        let (volumes, use_) = (plural(names.len(), "volume", "volumes"), plural(names.len(), "uses", "use"));
        let types = plural(kinds.len(), "restricted volume type", "restricted volume types");
        format!("{volumes} {} {use_} {types} {}", quoted(names.iter().copied()), quoted(kinds.iter().copied()))
    };
    violation("restricted volume types", (!bad.is_empty()).then(detail))
}

pub(super) fn non_root(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    if pod.has_own_users() {
        return None;
    }
    if let Some(who) = pod.setters(|context| context["runAsNonRoot"] == false) {
        return violation(REASON, Some(format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    if pod.spec["securityContext"]["runAsNonRoot"] == true {
        return None;
    }
    let silent = pod.those(|c| context(c)["runAsNonRoot"].is_null());
    let detail = || format!("pod or {} must set securityContext.runAsNonRoot=true", named(&silent));
    violation(REASON, (!silent.is_empty()).then(detail))
}

pub(super) fn user(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    if pod.has_own_users() {
        return None;
    }
    let who = pod.setters(|context| context["runAsUser"] == 0)?;
    violation("runAsUser=0", Some(format!("{who} must not set runAsUser=0")))
}

pub(super) fn seccomp(pod: Subject<'_>, minor: u32) -> Option<Violation> {
    if pod.is_windows() && minor >= WINDOWS {
        return None;
    }
    let explicit = baseline::seccomp(pod, minor);
    if explicit.is_some()
        || pod.spec["securityContext"]["seccompProfile"]["type"].as_str().is_some_and(baseline::filters)
    {
        return explicit;
    }
    let silent = pod.those(|c| context(c)["seccompProfile"].is_null());
    let what = r#"must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost""#;
    violation("seccompProfile", (!silent.is_empty()).then(|| format!("pod or {} {what}", named(&silent))))
}

//! What the baseline level forbids: known ways out of a container.

use super::subject::{Sorted, Subject, Violation, context, must, named, plural, quoted, strings, violation};
use serde_json::Value;

/// Capabilities that containers usually have.
const USUAL: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel parameters that concern the pod alone, and since which minor version they may be set.
const SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];
/// Types of SELinux that containers run as.
const SELINUX_TYPES: &[(&str, u32)] =
    &[("", 0), ("container_t", 0), ("container_init_t", 0), ("container_kvm_t", 0), ("container_engine_t", 31)];
/// Annotations by which profiles were set before there were fields.
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];
const HOOKS: &[&str] = &["postStart", "preStop"];

pub(super) fn app_armor(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let kind = |context: &Value| context["appArmorProfile"]["type"].as_str().map(str::to_owned);
    let bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let kinds: Vec<String> = pod.contexts().filter_map(kind).filter(|kind| bad(kind)).collect();
    let kinds: Sorted<'_> = kinds.iter().map(String::as_str).collect();
    let setters = pod.setters(|context| kind(context).is_some_and(|kind| bad(&kind)));
    let fields = setters.map(|who| format!("{who} must not set AppArmor profile type to {}", quoted(kinds.clone())));
    let annotations = pod.metadata["annotations"].as_object().into_iter().flatten().filter_map(|(key, value)| {
        let value = value.as_str().unwrap_or_default();
        let fine = matches!(value, "" | "runtime/default") || value.starts_with("localhost/");
        (key.starts_with(APP_ARMOR) && !fine).then(|| format!("{key}={value:?}"))
    });
    let details: Vec<String> = fields.into_iter().chain(annotations).collect();
    let reason = plural(details.len().max(kinds.len()), "forbidden AppArmor profile", "forbidden AppArmor profiles");
    violation(reason, (!details.is_empty()).then(|| details.join(", ")))
}

pub(super) fn capabilities(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let added = |c| strings(&context(c)["capabilities"]["add"]).filter(|name| !USUAL.contains(name));
    let names: Sorted<'_> = pod.containers().flat_map(added).collect();
    let what = format!("not include {} in securityContext.capabilities.add", quoted(names));
    violation("non-default capabilities", must(&pod.those(|c| added(c).next().is_some()), &what))
}

pub(super) fn host_namespaces(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|name| pod.spec[*name] == true);
    let shared: Vec<String> = shared.map(|name| format!("{name}=true")).collect();
    violation("host namespaces", (!shared.is_empty()).then(|| shared.join(", ")))
}

pub(super) fn host_path(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let volumes = pod.spec["volumes"].as_array().into_iter().flatten().filter(|v| !v["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(|v| v["name"].as_str().unwrap_or_default()).collect();
    let detail = || format!("{} {}", plural(names.len(), "volume", "volumes"), quoted(names.iter().copied()));
    violation("hostPath volumes", (!names.is_empty()).then(detail))
}

pub(super) fn host_ports(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let ports = |c: &Value| -> Vec<String> {
        let all = c["ports"].as_array().into_iter().flatten();
        all.filter_map(|p| p["hostPort"].as_u64()).filter(|p| *p != 0).map(|p| p.to_string()).collect()
    };
    let all: Vec<String> = pod.containers().flat_map(ports).collect();
    let all: Sorted<'_> = all.iter().map(String::as_str).collect();
    let names = pod.those(|c| !ports(c).is_empty());
    let detail = || {
        let (use_, ports) = (plural(names.len(), "uses", "use"), plural(all.len(), "hostPort", "hostPorts"));
        format!("{} {use_} {ports} {}", named(&names), all.iter().copied().collect::<Vec<_>>().join(", "))
    };
    violation("hostPort", (!names.is_empty()).then(detail))
}

pub(super) fn probe_hosts(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    fn hosts(c: &Value) -> impl Iterator<Item = &str> {
        let handlers = PROBES.iter().map(|p| &c[*p]).chain(HOOKS.iter().map(|h| &c["lifecycle"][*h]));
        let hosts = handlers.flat_map(|h| [&h["httpGet"]["host"], &h["tcpSocket"]["host"]]);
        hosts.filter_map(Value::as_str).filter(|host| !host.is_empty())
    }
    let all: Sorted<'_> = pod.containers().flat_map(hosts).collect();
    let names: Sorted<'_> = pod.those(|c| hosts(c).next().is_some()).into_iter().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let detail = || {
        let use_ = plural(names.len(), "uses", "use");
        let hosts = plural(all.len(), "probe or lifecycle host", "probe or lifecycle hosts");
        format!("{} {use_} {hosts} {}", named(&names), quoted(all.iter().copied()))
    };
    violation("probe or lifecycle host", (!names.is_empty()).then(detail))
}

pub(super) fn privileged(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let names = pod.those(|c| context(c)["privileged"] == true);
    violation("privileged", must(&names, "not set securityContext.privileged=true"))
}

pub(super) fn proc_mount(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    fn odd(c: &Value) -> Option<&str> {
        context(c)["procMount"].as_str().filter(|kind| *kind != "Default")
    }
    if pod.has_own_users() {
        return None;
    }
    let kinds: Sorted<'_> = pod.containers().filter_map(odd).collect();
    let what = format!("not set securityContext.procMount to {}", quoted(kinds));
    violation("procMount", must(&pod.those(|c| odd(c).is_some()), &what))
}

pub(super) fn selinux(pod: Subject<'_>, minor: u32) -> Option<Violation> {
    let known = |kind: &str| SELINUX_TYPES.iter().any(|(name, since)| *name == kind && *since <= minor);
    let text = |context: &Value, field: &str| context["seLinuxOptions"][field].as_str().unwrap_or_default().to_owned();
    let set = |context: &Value, field: &str| !text(context, field).is_empty();
    let bad = |context: &Value| !known(&text(context, "type")) || set(context, "user") || set(context, "role");
    let who = pod.setters(bad)?;
    let kinds: Vec<String> = pod.contexts().map(|c| text(c, "type")).filter(|kind| !known(kind)).collect();
    let kinds: Sorted<'_> = kinds.iter().map(String::as_str).collect();
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", plural(kinds.len(), "type", "types"), quoted(kinds)));
    }
    for field in ["user", "role"] {
        if pod.contexts().any(|context| set(context, field)) {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    violation("seLinuxOptions", Some(detail))
}

/// Whether a seccomp profile filters anything.
pub(super) fn filters(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

pub(super) fn seccomp(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    fn bad(context: &Value) -> Option<&str> {
        context["seccompProfile"]["type"].as_str().filter(|kind| !filters(kind))
    }
    let who = pod.setters(|context| bad(context).is_some())?;
    let kinds: Sorted<'_> = pod.contexts().filter_map(bad).collect();
    let detail = format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(kinds));
    violation("seccompProfile", Some(detail))
}

pub(super) fn sysctls(pod: Subject<'_>, minor: u32) -> Option<Violation> {
    let safe = |name: &str| SYSCTLS.iter().any(|(known, since)| *known == name && *since <= minor);
    let all = pod.spec["securityContext"]["sysctls"].as_array().into_iter().flatten();
    let names: Vec<&str> = all.filter_map(|s| s["name"].as_str()).filter(|name| !safe(name)).collect();
    violation("forbidden sysctls", (!names.is_empty()).then(|| names.join(", ")))
}

pub(super) fn host_process(pod: Subject<'_>, _minor: u32) -> Option<Violation> {
    let who = pod.setters(|context| context["windowsOptions"]["hostProcess"] == true)?;
    violation("hostProcess", Some(format!("{who} must not set securityContext.windowsOptions.hostProcess=true")))
}

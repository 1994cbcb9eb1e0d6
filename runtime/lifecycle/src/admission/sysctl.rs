//! Which kernel parameters a pod may set: those that the kernel keeps apart by namespace and whose use harms nobody
//! else, and those the node's owner allows.

use k8s_openapi::api::core::v1::PodSpec;

/// Kubernetes' safe set.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];
/// Kept apart by IPC namespaces.
const IPC: [&str; 4] = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
/// Kept apart by network namespaces.
const NET: &str = "net.";

/// The first parameter that the pod must not set.
pub(super) fn forbidden<'a>(spec: &'a PodSpec, allowed: &[String]) -> Option<&'a str> {
    let wanted = spec.security_context.as_ref()?.sysctls.iter().flatten();
    wanted.map(|sysctl| sysctl.name.as_str()).find(|name| !permitted(&dotted(name), spec, allowed))
}

fn permitted(name: &str, spec: &PodSpec, allowed: &[String]) -> bool {
    let listed = SAFE.contains(&name) || allowed.iter().any(|pattern| fits(&dotted(pattern), name));
    // In the node's own namespace a parameter is the node's.
    let net = name.starts_with(NET) && spec.host_network != Some(true);
    let ipc = IPC.iter().any(|prefix| name.starts_with(prefix)) && spec.host_ipc != Some(true);
    listed && (net || ipc)
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// `net/ipv4/conf/eth0.1/x` is another way to write `net.ipv4.conf.eth0/1.x`: the first separator decides.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']).and_then(|at| name.as_bytes().get(at)) {
        Some(b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

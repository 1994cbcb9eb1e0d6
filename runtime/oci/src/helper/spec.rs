//! The OCI runtime spec (config.json) of a container, as containerd's CRI plugin would write it.

use std::fs;
use std::path::Path;

use libcontainer::oci_spec::runtime::{LinuxSeccomp, Process, Spec};
use serde_json::{Value, json};

use super::capabilities;
use super::devices;
use super::executor::DEFAULT_PATH;
use super::facts::{PodFacts, can_lower_oom_score};
use crate::config::{ContainerConfig, ExecConfig, IDS_PER_POD, Mount, Propagation};
use crate::error::{Context, Error, Result};

/// Hidden from containers that are not privileged.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// Read-only in containers that are not privileged.
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Character devices every container may use (major, minor; None is any), as in runc.
const DEVICES: [(i64, Option<i64>); 9] = [
    (1, Some(3)),
    (1, Some(8)),
    (1, Some(7)),
    (5, Some(0)),
    (1, Some(5)),
    (1, Some(9)),
    (5, Some(1)),
    (136, None),
    (5, Some(2)),
];

/// The whole spec, checked by the types libcontainer reads it with.
pub(super) fn build(pod: &PodFacts, config: &ContainerConfig, seccomp: Option<&LinuxSeccomp>) -> Result<Spec> {
    let unmasked = |default: &[&str], given: &Option<Vec<String>>| match given {
        Some(paths) => json!(paths),
        None if config.privileged => json!([]),
        None => json!(default),
    };
    let mut devices = if config.privileged { devices::of_host() } else { Vec::new() };
    devices::add(&mut devices, &config.devices)?;
    let mut linux = json!({
        "namespaces": namespaces(pod),
        "cgroupsPath": pod.cgroup,
        "resources": resources(pod, config, &devices),
        "devices": devices,
        "maskedPaths": unmasked(&MASKED, &config.masked_paths),
        "readonlyPaths": unmasked(&READONLY, &config.readonly_paths),
    });
    if let Some((_, base)) = &pod.users {
        for map in ["uidMappings", "gidMappings"] {
            linux[map] = json!([{ "containerID": 0, "hostID": base, "size": IDS_PER_POD }]);
        }
    }
    if let Some(seccomp) = seccomp {
        linux["seccomp"] =
            serde_json::to_value(seccomp).map_err(std::io::Error::from).context(|| "encode seccomp".to_owned())?;
    }
    // A mount that travels outwards needs a shared root; one that travels inwards a slave.
    if config.mounts.iter().any(|mount| mount.propagation == Propagation::Bidirectional) {
        linux["rootfsPropagation"] = json!("rshared");
    } else if config.mounts.iter().any(|mount| mount.propagation == Propagation::HostToContainer) {
        linux["rootfsPropagation"] = json!("rslave");
    }
    let spec = json!({
        "ociVersion": "1.0.2",
        "root": { "path": config.rootfs, "readonly": config.readonly_rootfs },
        "process": process(config)?,
        "mounts": mounts(pod, config),
        "linux": linux,
        "annotations": config.annotations,
    });
    serde_json::from_value(spec).map_err(|error| Error::Invalid(format!("invalid container config: {error}")))
}

fn process(config: &ContainerConfig) -> Result<Value> {
    let capabilities = capabilities::resolve(config, capabilities::available())?;
    let mut env: Vec<String> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !config.env.iter().any(|(name, _)| name == "PATH") {
        env.insert(0, format!("PATH={DEFAULT_PATH}"));
    }
    if config.tty && !config.env.iter().any(|(name, _)| name == "TERM") {
        env.push("TERM=xterm".to_owned());
    }
    let mut process = json!({
        "terminal": config.tty,
        "user": {
            "uid": config.user.uid, "gid": config.user.gid, "additionalGids": config.user.additional_gids,
        },
        "args": config.args,
        "env": env,
        "cwd": if config.cwd.is_empty() { "/" } else { &config.cwd },
        "capabilities": {
            "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            "inheritable": [], "ambient": [],
        },
        "rlimits": [],
        "oomScoreAdj": oom_score(config.oom_score_adj),
    });
    // `false` together with seccomp makes libcontainer load the filter too late, so it is said only when true.
    if config.no_new_privileges {
        process["noNewPrivileges"] = json!(true);
    }
    Ok(process)
}

/// The process of an exec: the container's own, with what the caller changes.
pub(super) fn exec_process(spec: &Spec, exec: &ExecConfig) -> Result<Process> {
    let own = spec.process().as_ref().ok_or_else(|| Error::Invalid("container has no process".to_owned()))?;
    let mut process =
        serde_json::to_value(own).map_err(std::io::Error::from).context(|| "encode process".to_owned())?;
    process["args"] = json!(exec.args);
    process["terminal"] = json!(exec.tty);
    if let Some(Value::Array(env)) = process.get_mut("env") {
        env.extend(exec.env.iter().map(|(name, value)| json!(format!("{name}={value}"))));
        if exec.tty && !env.iter().any(|entry| entry.as_str().is_some_and(|entry| entry.starts_with("TERM="))) {
            env.push(json!("TERM=xterm"));
        }
    }
    if let Some(cwd) = &exec.cwd {
        process["cwd"] = json!(cwd);
    }
    if let Some(user) = &exec.user {
        process["user"] = json!({ "uid": user.uid, "gid": user.gid, "additionalGids": user.additional_gids });
    }
    serde_json::from_value(process).map_err(|error| Error::Invalid(format!("invalid exec config: {error}")))
}

/// Where containers find their cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// UTS, IPC and network are inherited from the shim; only these are the container's own.
fn namespaces(pod: &PodFacts) -> Value {
    let mut list = vec![json!({ "type": "mount" })];
    if let Some((path, _)) = &pod.users {
        list.push(json!({ "type": "user", "path": path }));
    }
    if pod.cgroup_v2 {
        list.push(json!({ "type": "cgroup" }));
    }
    match &pod.pid_namespace {
        Some(path) => list.push(json!({ "type": "pid", "path": path })),
        None if !pod.host_pid => list.push(json!({ "type": "pid" })),
        None => {}
    }
    Value::Array(list)
}

fn mounts(pod: &PodFacts, config: &ContainerConfig) -> Vec<Value> {
    let access = if config.privileged { "rw" } else { "ro" };
    let standard = |destination: &str, kind: &str, source: &str, options: &[&str]| {
        let options = options.to_vec();
        json!({"destination": destination, "type": kind, "source": source, "options": options})
    };
    let shm = pod.shm.to_string_lossy();
    let mut list = vec![
        standard("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        standard("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        standard(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        standard("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        standard("/dev/shm", "bind", &shm, &["rbind", "ro"].map(|option| if option == "ro" { "rw" } else { option })),
        standard("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
    ];
    let flags = ["nosuid", "noexec", "nodev", "relatime", access];
    if pod.groups.is_empty() {
        list.push(standard(CGROUPS, "cgroup", "cgroup", &flags));
    } else {
        // libcontainer looks for the groups by a PID of the wrong namespace when one is joined.
        list.push(standard(CGROUPS, "tmpfs", "tmpfs", &["nosuid", "noexec", "nodev", "mode=755"]));
        for group in &pod.groups {
            let Ok(below) = group.strip_prefix(CGROUPS) else { continue };
            let Some(hierarchy) = below.iter().next() else { continue };
            let destination = Path::new(CGROUPS).join(hierarchy);
            let options = ["bind", flags[0], flags[1], flags[2], flags[3], flags[4]];
            list.push(standard(&destination.to_string_lossy(), "bind", &group.to_string_lossy(), &options));
        }
    }
    list.retain(|mount| !config.mounts.iter().any(|own| own.destination.to_str() == mount["destination"].as_str()));
    // Outer before inner, whatever the order of the pod's volumeMounts.
    let mut own: Vec<&Mount> = config.mounts.iter().collect();
    own.sort_by_key(|mount| mount.destination.components().count());
    list.extend(own.into_iter().map(mount));
    list
}

fn mount(mount: &Mount) -> Value {
    let mut options = mount.options.clone();
    if mount.kind.is_none() {
        options.push("rbind".to_owned());
        options.push(
            match mount.propagation {
                Propagation::Private => "rprivate",
                Propagation::HostToContainer => "rslave",
                Propagation::Bidirectional => "rshared",
            }
            .to_owned(),
        );
    }
    options.push(if mount.readonly { "ro" } else { "rw" }.to_owned());
    json!({
        "destination": mount.destination,
        "type": mount.kind.as_deref().unwrap_or("bind"),
        "source": mount.source,
        "options": options,
    })
}

/// Devices are denied in so many words: on v1 an empty list would allow all of them.
fn resources(pod: &PodFacts, config: &ContainerConfig, nodes: &[Value]) -> Value {
    let limits = &config.resources;
    let mut devices = vec![json!({ "allow": false, "access": "rwm" })];
    if config.privileged {
        devices.push(json!({ "allow": true, "access": "rwm" }));
    } else {
        for kind in ["c", "b"] {
            devices.push(json!({ "allow": true, "type": kind, "access": "m" }));
        }
        for (major, minor) in DEVICES {
            let mut device = json!({ "allow": true, "type": "c", "major": major, "access": "rwm" });
            if let Some(minor) = minor {
                device["minor"] = json!(minor);
            }
            devices.push(device);
        }
        devices.extend(devices::allowed(&config.devices, nodes));
    }
    let mut resources = json!({ "devices": devices });
    if limits.cpu_shares.is_some() || limits.cpu_quota_micros.is_some() {
        let mut cpu = json!({});
        if let Some(shares) = limits.cpu_shares {
            cpu["shares"] = json!(shares);
        }
        if let Some(quota) = limits.cpu_quota_micros {
            cpu["quota"] = json!(quota);
            cpu["period"] = json!(limits.cpu_period_micros.unwrap_or(100_000));
        }
        resources["cpu"] = cpu;
    }
    if let Some(bytes) = limits.memory_limit_bytes {
        resources["memory"] = json!({ "limit": bytes });
    }
    if let Some(tasks) = limits.pids_limit {
        resources["pids"] = json!({ "limit": tasks });
    }
    if pod.huge_pages && !limits.huge_pages.is_empty() {
        let limits = limits.huge_pages.iter().map(|(size, bytes)| json!({ "pageSize": size, "limit": bytes }));
        resources["hugepageLimits"] = limits.collect();
    }
    resources
}

/// The wanted score, or this process' own where the host does not let it go lower.
fn oom_score(wanted: i32) -> i32 {
    let wanted = wanted.clamp(-1000, 1000);
    let own =
        fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    if wanted < own && !can_lower_oom_score() { own } else { wanted }
}

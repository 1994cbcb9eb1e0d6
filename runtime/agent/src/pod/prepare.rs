//! Network, volumes, cgroup and shim: what a pod needs before its first container. What can be done at once is.

use super::{Place, files, sandbox, volumes};
use crate::{
    Error, Result,
    error::{blocking, io},
};
use k8s_openapi::api::core::v1::ContainerPort;
use podium_dataplane::HostPort;
use podium_lifecycle::{huge_pages, resources};
use podium_oci::{PodConfig, Resources, Shim};
use std::{net::IpAddr, path::PathBuf};

pub(super) struct Prepared {
    pub ips: Vec<IpAddr>,
    pub netns: Option<PathBuf>,
    pub shim: Shim,
}

pub(super) async fn run(place: &Place) -> Result<Prepared> {
    sandbox::check(place).await?;
    let dir = place.dir();
    blocking(move || private(&dir, None)).await?;
    place.shared.devices.give(&place.uid, &place.pod).await?;
    let (sandbox, ()) = tokio::try_join!(sandbox(place), early_volumes(place))?;
    if volumes::needs_address(place) {
        volumes::setup(place, &sandbox.ips).await?;
    }
    Ok(sandbox)
}

/// Volumes do not wait for the network, unless a file shows the pod's address.
async fn early_volumes(place: &Place) -> Result<()> {
    if volumes::needs_address(place) { Ok(()) } else { volumes::setup(place, &[]).await }
}

async fn sandbox(place: &Place) -> Result<Prepared> {
    let config = &place.shared.config;
    if place.own_users() {
        return own_users(place).await;
    }
    let (ips, netns) = if place.host_network() { (vec![config.node_ip], None) } else { attach(place).await? };
    let pod = pod_config(place, netns.clone());
    frame(place, &ips, &pod).await?;
    let shim = Shim::start(&config.exe, &pod).await?;
    Ok(Prepared { ips, netns, shim })
}

async fn attach(place: &Place) -> Result<(Vec<IpAddr>, Option<PathBuf>)> {
    let network = place.shared.network().await?;
    let name = format!("{}/{}", place.namespace(), place.name());
    let attachment = network.attach(&place.uid, &name, &host_ports(place)).await?;
    Ok((vec![attachment.ip], Some(attachment.netns)))
}

/// The network of a pod with users of its own belongs to them, so its shim comes first.
async fn own_users(place: &Place) -> Result<Prepared> {
    let config = &place.shared.config;
    let network = place.shared.network().await?;
    if Shim::connect(&config.shim_socket(&place.uid)).await?.is_none() {
        // That of an earlier shim belongs to nobody any more.
        network.detach(&place.uid).await?;
    }
    let (shared, uid) = (place.shared.clone(), place.uid.clone());
    let dir = place.dir();
    let base = blocking(move || {
        let base = shared.user_ids.take(&uid)?;
        private(&dir, Some(base)).map(|()| base)
    })
    .await?;
    let pod = pod_config(place, Some(config.netns(&place.uid)));
    let pod = PodConfig { user_base: Some(base), ..pod };
    frame(place, &[], &pod).await?;
    let shim = Shim::start(&config.exe, &pod).await?;
    match attach(place).await {
        Ok((ips, netns)) => {
            let (here, addresses) = (place.clone(), ips.clone());
            blocking(move || files::write(&here, &addresses)).await?;
            Ok(Prepared { ips, netns, shim })
        }
        Err(error) => {
            super::end(&shim).await?;
            Err(error)
        }
    }
}

/// The pod's cgroup, and files that show its addresses.
async fn frame(place: &Place, ips: &[IpAddr], pod: &PodConfig) -> Result<()> {
    let (here, addresses, cgroup) = (place.clone(), ips.to_vec(), pod.cgroup_parent.clone());
    blocking(move || {
        files::write(&here, &addresses)?;
        let limits = limits(&resources::pod(&here.pod));
        let limits = Resources {
            pids_limit: here.shared.settings.pids_limit(),
            huge_pages: huge_pages::pod(&here.pod, here.shared.machine.capacity.keys()),
            ..limits
        };
        Ok(here.shared.cgroups.create(&cgroup, &limits)?)
    })
    .await
}

fn pod_config(place: &Place, netns: Option<PathBuf>) -> PodConfig {
    let spec = place.spec();
    let flag = |value: Option<bool>| value == Some(true);
    let sysctls = spec.and_then(|s| s.security_context.as_ref()).and_then(|c| c.sysctls.as_ref());
    PodConfig {
        uid: place.uid.clone(),
        namespace: place.namespace().to_owned(),
        name: place.name().to_owned(),
        dir: place.shim_dir(),
        socket: place.shared.config.shim_socket(&place.uid),
        netns,
        hostname: files::hostname(place),
        share_pid: flag(spec.and_then(|s| s.share_process_namespace)),
        host_pid: flag(spec.and_then(|s| s.host_pid)),
        host_ipc: flag(spec.and_then(|s| s.host_ipc)),
        sysctls: sysctls.into_iter().flatten().map(|s| (s.name.clone(), s.value.clone())).collect(),
        user_base: None,
        cgroup_parent: place.cgroup(),
    }
}

/// As cgroups take them.
pub(super) fn limits(limits: &resources::Limits) -> Resources {
    Resources {
        cpu_shares: Some(limits.shares),
        cpu_quota_micros: limits.quota_micros,
        cpu_period_micros: limits.quota_micros.map(|_| resources::PERIOD_MICROS),
        memory_limit_bytes: limits.memory_bytes,
        ..Resources::default()
    }
}

fn host_ports(place: &Place) -> Vec<HostPort> {
    let containers = place.spec().into_iter().flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers));
    containers.flat_map(|c| c.ports.iter().flatten()).filter_map(host_port).collect()
}

fn host_port(port: &ContainerPort) -> Option<HostPort> {
    let host_port = u16::try_from(port.host_port?).ok().filter(|p| *p > 0)?;
    let address = port.host_ip.as_deref().and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok());
    Some(HostPort {
        host_ip: address.filter(|ip| !ip.is_unspecified()),
        protocol: port.protocol.as_deref().unwrap_or("TCP").parse().ok()?,
        host_port,
        container_port: u16::try_from(port.container_port).ok()?,
    })
}

/// Makes the pod's directory, which holds secrets and set-user-id programs: nobody but root gets in, and the pod's own
/// root, whose id this is, to the mounts that it knows.
fn private(dir: &std::path::Path, base: Option<u32>) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, chown};
    directory(Some(dir))?;
    let mode = if base.is_some() { 0o710 } else { 0o700 };
    chown(dir, Some(0), Some(base.unwrap_or(0)))
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)))
        .map_err(io("take the pod's directory"))
}

/// Makes a directory for mount targets.
pub(super) fn directory(path: Option<&std::path::Path>) -> Result<()> {
    path.map_or(Ok(()), std::fs::create_dir_all).map_err(io("create a directory for mounts"))
}

/// For files that must exist as mount targets.
pub(super) fn write_file(path: &std::path::Path, text: impl AsRef<[u8]>) -> Result<()> {
    let failed = |source| -> Error { io(format!("write {}", path.display()))(source) };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

//! From security contexts to users, capabilities and filters.

use super::Place;
use crate::{Error, Result};
use k8s_openapi::api::core::v1::{Container, SeccompProfile};
use podium_lifecycle::user_ids;
use podium_oci::{ContainerConfig, Image, Seccomp, UserSpec};
use std::path::{Component, Path};

/// Where localhost profiles are, below the data directory.
const PROFILES: &str = "seccomp";

/// Who the container runs as. `rootfs` holds the image's users.
pub(super) fn user(place: &Place, container: &Container, image: &Image, rootfs: &Path) -> Result<UserSpec> {
    let pod = place.spec().and_then(|s| s.security_context.as_ref());
    let own = container.security_context.as_ref();
    let uid = own.and_then(|c| c.run_as_user).or(pod.and_then(|c| c.run_as_user));
    let gid = own.and_then(|c| c.run_as_group).or(pod.and_then(|c| c.run_as_group));
    let name = match (uid, gid) {
        (Some(uid), Some(gid)) => format!("{uid}:{gid}"),
        (Some(uid), None) => uid.to_string(),
        (None, Some(gid)) => {
            let user = image.config.user.split(':').next().filter(|u| !u.is_empty()).unwrap_or("0");
            format!("{user}:{gid}")
        }
        (None, None) => image.config.user.clone(),
    };
    let mut groups: Vec<u32> = pod
        .and_then(|c| c.supplemental_groups.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|g| u32::try_from(*g).ok())
        .collect();
    groups.extend(pod.and_then(|c| c.fs_group).and_then(|g| u32::try_from(g).ok()));
    let mut user = podium_oci::user::resolve(rootfs, &name, &groups)?;
    if pod.and_then(|c| c.supplemental_groups_policy.as_deref()) == Some("Strict") {
        // The image's /etc/group has no say (KEP-3619).
        groups.sort_unstable();
        groups.dedup();
        user.additional_gids = groups;
    }
    let named = [user.uid, user.gid].into_iter().chain(user.additional_gids.iter().copied());
    if let Some(id) = named.map(i64::from).find(|id| place.own_users() && !user_ids::within(*id)) {
        return Err(Error::Other(format!("id {id} is not one of the pod's: hostUsers is false")));
    }
    let non_root = own.and_then(|c| c.run_as_non_root).or(pod.and_then(|c| c.run_as_non_root));
    if non_root == Some(true) && user.uid == 0 {
        let who = if uid == Some(0) {
            "container's runAsUser breaks non-root policy"
        } else {
            "container has runAsNonRoot and image will run as root"
        };
        let (pod, namespace) = (place.name(), place.namespace());
        return Err(Error::Other(format!(
            "{who} (pod: \"{pod}_{namespace}({})\", container: {})",
            place.uid, container.name
        )));
    }
    Ok(user)
}

/// Fills in what the security contexts say.
pub(super) fn apply(place: &Place, container: &Container, config: &mut ContainerConfig) -> Result<()> {
    let pod = place.spec().and_then(|s| s.security_context.as_ref());
    let own = container.security_context.as_ref();
    config.privileged = own.and_then(|c| c.privileged) == Some(true);
    config.readonly_rootfs = own.and_then(|c| c.read_only_root_filesystem) == Some(true);
    config.no_new_privileges = own.and_then(|c| c.allow_privilege_escalation) == Some(false);
    if let Some(capabilities) = own.and_then(|c| c.capabilities.as_ref()) {
        config.capabilities_add = capabilities.add.clone().unwrap_or_default();
        config.capabilities_drop = capabilities.drop.clone().unwrap_or_default();
    }
    if own.and_then(|c| c.proc_mount.as_deref()) == Some("Unmasked") {
        config.masked_paths = Some(Vec::new());
        config.readonly_paths = Some(Vec::new());
    }
    let profile = own.and_then(|c| c.seccomp_profile.as_ref()).or(pod.and_then(|c| c.seccomp_profile.as_ref()));
    config.seccomp = profile.map_or(Ok(Seccomp::Unconfined), |p| seccomp(place, p))?;
    Ok(())
}

fn seccomp(place: &Place, profile: &SeccompProfile) -> Result<Seccomp> {
    Ok(match profile.type_.as_str() {
        "RuntimeDefault" => Seccomp::RuntimeDefault,
        "Localhost" => {
            let name = profile.localhost_profile.as_deref().unwrap_or_default();
            // A profile is a file below one directory, whatever the API let pass.
            let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            if name.is_empty() || !inside {
                return Err(Error::Other(format!("cannot load seccomp profile {name:?}: no path below {PROFILES}")));
            }
            Seccomp::Localhost(place.shared.config.data_dir.join(PROFILES).join(name))
        }
        _ => Seccomp::Unconfined,
    })
}

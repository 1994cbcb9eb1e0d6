//! All containers of a pod with the parts they play, in the order they start.

use super::Role;
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod};

/// Init containers and sidecars, main containers, then ephemeral ones (which are containers without resources).
pub fn roster(pod: &Pod) -> Vec<(Role, Container)> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let inits = spec.init_containers.iter().flatten().map(|c| {
        let sidecar = c.restart_policy.as_deref() == Some("Always");
        (if sidecar { Role::Sidecar } else { Role::Init }, c.clone())
    });
    let mains = spec.containers.iter().map(|c| (Role::Main, c.clone()));
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|c| (Role::Ephemeral, plain(c)));
    inits.chain(mains).chain(ephemeral).collect()
}

fn plain(c: &EphemeralContainer) -> Container {
    Container {
        name: c.name.clone(),
        image: c.image.clone(),
        image_pull_policy: c.image_pull_policy.clone(),
        command: c.command.clone(),
        args: c.args.clone(),
        env: c.env.clone(),
        env_from: c.env_from.clone(),
        working_dir: c.working_dir.clone(),
        security_context: c.security_context.clone(),
        stdin: c.stdin,
        stdin_once: c.stdin_once,
        tty: c.tty,
        termination_message_path: c.termination_message_path.clone(),
        termination_message_policy: c.termination_message_policy.clone(),
        volume_mounts: c.volume_mounts.clone(),
        volume_devices: c.volume_devices.clone(),
        ..Container::default()
    }
}

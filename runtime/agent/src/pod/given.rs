//! What device plugins give, in a container's configuration. Variables are with the others already.

use crate::devices::Answer;
use podium_oci::{ContainerConfig, Device, Mount};
use std::path::PathBuf;

/// What the user mounts at the same place stays.
pub(super) fn add(config: &mut ContainerConfig, given: Answer) {
    for mount in given.mounts {
        let destination = PathBuf::from(mount.container);
        if config.mounts.iter().all(|own| own.destination != destination) {
            let (source, readonly) = (mount.host.into(), mount.read_only);
            config.mounts.push(Mount { source, destination, readonly, ..Mount::default() });
        }
    }
    let device = |d: crate::devices::GivenDevice| Device {
        host_path: d.host.into(),
        container_path: d.container.into(),
        permissions: d.permissions,
    };
    config.devices.extend(given.devices.into_iter().map(device));
    config.annotations.extend(given.annotations);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::{GivenDevice, GivenMount};

    #[test]
    fn the_users_mounts_come_first() {
        let own = Mount { destination: "/a".into(), ..Mount::default() };
        let mut config = ContainerConfig { mounts: vec![own.clone()], ..ContainerConfig::default() };
        let mount = |container: &str| GivenMount { container: container.into(), host: "/h".into(), read_only: true };
        let device = GivenDevice { container: "/dev/c".into(), host: "/dev/h".into(), permissions: "rw".into() };
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        let mounts = vec![mount("/a"), mount("/b")];
        add(&mut config, Answer { mounts, devices: vec![device], annotations, ..Answer::default() });
        assert_eq!(config.mounts.len(), 2);
        assert_eq!(config.mounts[0], own);
        assert!(config.mounts[1].readonly && config.mounts[1].source.ends_with("h"));
        assert_eq!(config.devices[0].container_path, PathBuf::from("/dev/c"));
        assert_eq!(config.annotations.len(), 1);
    }
}

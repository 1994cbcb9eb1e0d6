//! After a reboot: the kernel has forgotten processes, mounts and namespaces of the past, the disk has not. Whatever
//! still names them is taken away before the first pod is looked at.

use crate::{AgentConfig, Result, cleanup, error::io};
use podium_oci::Shim;
use std::path::Path;

/// The kernel's name for its present life.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The one that this node was last seen in; below the data directory.
const SEEN: &str = "boot-id";

/// Cleans up where the machine was booted since this node last ran; remembers the present boot.
pub(crate) async fn look(config: &AgentConfig) -> Result<()> {
    let read = |path: &Path| std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    let present = read(Path::new(BOOT_ID)).map_err(io("read the boot's id"))?;
    let file = config.data_dir.join(SEEN);
    match read(&file) {
        Ok(seen) if seen == present => return Ok(()),
        Ok(_) => {
            tracing::info!("the machine was booted since; what the past left is removed");
            forget(config).await?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io("read the last boot's id")(error)),
    }
    std::fs::write(&file, present).map_err(io("write the boot's id"))
}

/// Statuses, logs and volumes stay: pods that the API still has go on with them, others are swept with them.
async fn forget(config: &AgentConfig) -> Result<()> {
    for entry in std::fs::read_dir(config.pods_dir()).into_iter().flatten().flatten() {
        let socket = config.shim_socket(&entry.file_name().to_string_lossy());
        // Nobody answers after a true reboot.
        if let Some(shim) = Shim::connect(&socket).await? {
            crate::pod::end(&shim).await?;
        }
    }
    for socket in std::fs::read_dir(config.run_dir.join("pods")).into_iter().flatten().flatten() {
        std::fs::remove_file(socket.path()).map_err(io("remove a dead shim's socket"))?;
    }
    cleanup::groups_and_network(&config.data_dir, &config.run_dir).await
}

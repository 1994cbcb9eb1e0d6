//! An OCI registry on loopback, in the test's network namespace: Debian's docker-registry, stocked with the demo image
//! under the names that the example manifests use. The cluster finds it as the mirror of docker.io.

use crate::run;
use anyhow::{Context, Result, ensure};
use std::{
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where it listens; the namespace is the test's own.
const ADDRESS: &str = "127.0.0.1:5000";
/// What docker.io is asked for by the example manifests.
const STOCK: &[&str] =
    &["library/nginx:stable-alpine", "library/nginx:latest", "library/alpine:latest", "library/busybox:latest"];
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends with the test.
pub struct Registry {
    child: Child,
}

impl Registry {
    /// Starts it with its files in `dir`, stocks it with the image in the OCI tar, and names it in the cluster's
    /// `registries.yaml` in `data`.
    pub fn start(dir: &Path, tar: &Path, data: &Path) -> Result<Self> {
        let config = dir.join("registry.yaml");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {ADDRESS}\n",
            dir.join("registry").display()
        );
        std::fs::write(&config, text)?;
        // Killed with this thread, however it ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker-registry: ./dev deps installs it")?;
        let registry = Self { child };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(ADDRESS).is_err() {
            ensure!(Instant::now() < deadline, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let source = format!("oci-archive:{}", tar.display());
        for name in STOCK {
            let target = format!("docker://{ADDRESS}/{name}");
            run("skopeo", &["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", &source, &target])?;
        }
        let mirrors = format!("mirrors:\n  docker.io:\n    endpoint: [\"http://{ADDRESS}\"]\n");
        std::fs::write(data.join("registries.yaml"), mirrors)?;
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

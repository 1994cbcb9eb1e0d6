//! A pod of its own for each test, gone afterwards whatever happened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use podium_oci::{ContainerConfig, ContainerRecord, ContainerState, Exit, PodConfig, Shim};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Pod {
    pub config: PodConfig,
    pub shim: Shim,
    pub dir: tempfile::TempDir,
    pub rootfs: PathBuf,
}

/// Root and busybox, or None with a word why.
pub fn able() -> Option<()> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return None;
    }
    if !Path::new("/bin/busybox").exists() {
        eprintln!("skipped: needs /bin/busybox");
        return None;
    }
    Some(())
}

pub fn exe() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub fn busybox(rootfs: &Path) {
    fs::create_dir_all(rootfs.join("bin")).unwrap();
    fs::create_dir_all(rootfs.join("tmp")).unwrap();
    fs::create_dir_all(rootfs.join("etc")).unwrap();
    fs::write(rootfs.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:/bin/sh\n").unwrap();
    fs::write(rootfs.join("etc/group"), "root:x:0:\nweb:x:1001:\nextra:x:2000:web\n").unwrap();
    fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
    for applet in
        "sh echo cat sleep ls id ps true false kill stat head tail dd touch hostname mount env stty".split(' ')
    {
        symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
    }
}

impl Pod {
    pub async fn start(change: impl FnOnce(&mut PodConfig)) -> Option<Pod> {
        able()?;
        let dir = tempfile::Builder::new().prefix("podium-oci-").tempdir().unwrap();
        let rootfs = dir.path().join("rootfs");
        busybox(&rootfs);
        let id = format!("{:x}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let mut config = PodConfig {
            uid: id.clone(),
            namespace: "default".into(),
            name: "test".into(),
            dir: dir.path().join("pod"),
            socket: dir.path().join("s"),
            hostname: "inside".into(),
            cgroup_parent: format!("/podium-test-{id}/pod"),
            ..PodConfig::default()
        };
        change(&mut config);
        let shim = Shim::start(&exe(), &config).await.unwrap();
        Some(Pod { config, shim, dir, rootfs })
    }

    pub fn container(&self, id: &str, script: &str) -> ContainerConfig {
        ContainerConfig {
            id: id.into(),
            name: id.into(),
            rootfs: self.rootfs.clone(),
            args: vec!["sh".into(), "-c".into(), script.into()],
            log_path: self.dir.path().join(format!("logs/{id}.log")),
            ..ContainerConfig::default()
        }
    }

    pub async fn record(&self, id: &str) -> ContainerRecord {
        self.shim.state().await.unwrap().into_iter().find(|record| record.id == id).unwrap()
    }

    /// Runs to the end.
    pub async fn finish(&self, config: &ContainerConfig) -> (Exit, String) {
        self.shim.run(config).await.unwrap();
        (self.ended(&config.id).await, self.log(&config.id))
    }

    pub async fn ended(&self, id: &str) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let ContainerState::Exited(exit) = self.record(id).await.state {
                return exit;
            }
            assert!(Instant::now() < deadline, "{id} does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Text of the log, without times and tags.
    pub fn log(&self, id: &str) -> String {
        let log = fs::read_to_string(self.dir.path().join(format!("logs/{id}.log"))).unwrap_or_default();
        log.lines().map(|line| format!("{}\n", line.splitn(4, ' ').nth(3).unwrap_or(""))).collect()
    }

    pub async fn log_has(&self, id: &str, word: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log(id).contains(word) {
            assert!(Instant::now() < deadline, "{word:?} not in {:?}", self.log(id));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn shim_pid(&self) -> i32 {
        fs::read_to_string(self.config.dir.join("shim.lock")).unwrap().parse().unwrap()
    }

    /// cgroup directories, mounts and processes that are still this pod's.
    pub fn remains(&self) -> Vec<String> {
        let mut found = Vec::new();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let group = hierarchy.path().join(self.config.cgroup_parent.trim_start_matches('/'));
            if group.exists() {
                found.push(group.display().to_string());
            }
        }
        let dir = self.dir.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(&dir)).map(str::to_owned));
        if self.config.socket.exists() {
            found.push("socket".to_owned());
        }
        if self.config.dir.exists() {
            found.push(self.config.dir.display().to_string());
        }
        found
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.config.dir.join("shim.lock")).ok().and_then(|text| text.parse().ok());
        let is_shim =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "podium-shim");
        if let Some(pid) = pid.filter(is_shim) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let _ = podium_oci::cleanup(&self.config.dir);
        if let (Ok(cgroups), Some(root)) =
            (podium_oci::cgroups::Cgroups::detect(), self.config.cgroup_parent.split('/').nth(1))
        {
            let _ = cgroups.remove(&format!("/{root}"));
        }
    }
}

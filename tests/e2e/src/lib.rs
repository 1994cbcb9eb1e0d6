//! A real cluster for a test: PostgreSQL, control plane, agent and containers, in a network
//! namespace of its own, ended and removed with the test however that ends.

pub mod left;
pub mod plugin;
mod registry;

use crate::registry::Registry;
use anyhow::{Context, Result, bail};
use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use nix::sched::{CloneFlags, unshare};
use std::{
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Address of the node in the test's network namespace (TEST-NET-2).
pub const NODE_IP: &str = "198.51.100.1";
/// Name of the image that [`Cluster::load_images`] loads.
const DEMO: &str = "podium/demo:1";
/// Settings of the node, in the data directory. A disk that others fill is no reason to evict or collect here.
const ROOMY: &str = "evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}\n\
    imageGCHighThresholdPercent: 100\n";

/// A running cluster.
pub struct Cluster {
    /// Its data directory.
    pub data: PathBuf,
    /// The kubectl that is run; the one on PATH where a test sets no other.
    pub kubectl: PathBuf,
    dir: TempDir,
    guard: Child,
    _registry: Registry,
}

/// Runs `test` with a fresh cluster, or says why not.
///
/// # Panics
/// When the test fails.
pub fn with_cluster<F: Future<Output = Result<()>>>(test: impl FnOnce(Cluster) -> F) {
    with_cluster_in(UPLINK, test);
}

/// The same on a machine that is in no network.
///
/// # Panics
/// When the test fails.
pub fn with_lonely_cluster<F: Future<Output = Result<()>>>(test: impl FnOnce(Cluster) -> F) {
    with_cluster_in(&[], test);
}

fn with_cluster_in<F: Future<Output = Result<()>>>(network: &[&str], test: impl FnOnce(Cluster) -> F) {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: a real cluster needs root");
        return;
    }
    let outcome = (|| {
        // Whoever installed one before us wins; all are ring's.
        let _ = rustls::crypto::ring::default_provider().install_default();
        own_network(network)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let cluster = Cluster::start()?;
            test(cluster).await
        })
    })();
    #[allow(clippy::panic, reason = "a test fails by it")]
    if let Err(error) = outcome {
        panic!("{error:?}");
    }
}

/// One address ([`NODE_IP`]), and a default route to nowhere; arguments of ip(8).
const UPLINK: &[&str] = &[
    "link add node0 type veth peer name wire0",
    "link set node0 up",
    "link set wire0 up",
    "addr add 198.51.100.1/24 dev node0",
    "route add default via 198.51.100.254 dev node0",
];

/// Moves this process into a network namespace with these settings.
fn own_network(network: &[&str]) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
    for line in ["link set lo up"].iter().chain(network) {
        run("ip", &line.split(' ').collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The `podium` binary of this build.
pub fn podium() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    // Beside a program of the build, one up from a test.
    let beside = me.ancestors().skip(1).take(2).map(|dir| dir.join("podium")).find(|path| path.is_file());
    beside.with_context(|| format!("no podium beside {}: cargo build -p podium", me.display()))
}

/// Runs a program; its output, or its error with what it printed.
pub fn run(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Result<String> {
    run_with(Command::new(program).args(args))
}

fn run_with(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?}: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

/// Waits until `check` gives something.
pub async fn eventually<T, F: Future<Output = Result<Option<T>>>>(what: &str, check: impl Fn() -> F) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    loop {
        match check().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        if Instant::now() > deadline {
            bail!("never: {what}; last error: {last:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// A file of the shared facts; `None`, with a word, where they are absent.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = root().parent()?.join("shared").join(path);
    if !file.exists() {
        println!("skipped: ../shared/{path} is absent");
        return None;
    }
    Some(file)
}

impl Cluster {
    fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("podium-e2e-").tempdir()?;
        // PostgreSQL runs as a user of its own and must reach its directory.
        run("chmod", &["755", &dir.path().to_string_lossy()])?;
        let data = dir.path().join("data");
        let script = r#"read -r line; "$0" down --purge --data-dir "$1" >/dev/null 2>&1"#;
        let podium = podium()?;
        // Ends the cluster when this process does, however it ends: its end of the pipe closes.
        let guard = Command::new("sh")
            .args(["-c", script])
            .args([podium.as_os_str(), data.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::fs::create_dir_all(&data)?;
        std::fs::write(data.join("kubelet.yaml"), ROOMY)?;
        let tar = dir.path().join("demo.tar");
        run(root().join("tests/images/demo.sh"), &[&tar.to_string_lossy(), DEMO])?;
        let registry = Registry::start(dir.path(), &tar, &data)?;
        let cluster = Self { data, kubectl: "kubectl".into(), dir, guard, _registry: registry };
        cluster.up()?;
        Ok(cluster)
    }
    /// Starts the cluster (again); returns when the node is Ready.
    pub fn up(&self) -> Result<String> {
        self.podium(&["up", "--detach"])
    }
    /// Runs `podium` on this cluster.
    pub fn podium(&self, args: &[&str]) -> Result<String> {
        run_with(
            Command::new(podium()?).args(args).env("PODIUM_DATA_DIR", &self.data).env("PODIUM_NODE_NAME", "node-a"),
        )
    }
    /// Runs kubectl on this cluster.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        run_with(&mut self.kubectl_command(args))
    }
    /// A kubectl to be run.
    pub fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(args).env("KUBECONFIG", self.data.join("kubeconfig"));
        // Discovery caches of other clusters do not mix with this one's.
        command.env("KUBECACHEDIR", self.data.join("kubecache")).env("HOME", &self.data);
        command
    }
    /// Runs kubectl, which must fail and say `expected`, on whichever stream.
    pub fn refuses(&self, line: &str, expected: &str) -> Result<()> {
        let done = self.kubectl_command(&line.split(' ').collect::<Vec<_>>()).output()?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        let refused = !done.status.success() && said.contains(expected);
        anyhow::ensure!(refused, "kubectl {line}: {said:?} without {expected:?}");
        Ok(())
    }
    /// Applies a manifest given as text.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        let file = self.data.join("apply.yaml");
        std::fs::write(&file, manifest)?;
        self.kubectl(&["apply", "-f", &file.to_string_lossy()])
    }
    /// Waits until a field of an object reads so; `object` may name a namespace after a space.
    pub async fn reads(&self, object: &str, path: &str, expected: &str) -> Result<()> {
        let (object, namespace) = object.split_once(' ').unwrap_or((object, "default"));
        let path = format!("jsonpath={path}");
        eventually(&format!("{path} of {object} is {expected}"), || async {
            let text = self.kubectl(&["get", object, "-n", namespace, "-o", &path])?;
            anyhow::ensure!(text == expected, "{text:?}");
            Ok(Some(()))
        })
        .await
    }
    /// A kube-rs client.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.data.join("kubeconfig"))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }
    /// Loads the demo image as `podium/demo:1`; other images are pulled from the registry.
    pub fn load_images(&self) -> Result<()> {
        let tar = self.dir.path().join("demo.tar");
        self.podium(&["image", "load", &tar.to_string_lossy()]).map(drop)
    }
    /// Pid of the child of `podium up` that runs `podium NAME` (`server`, `agent`).
    pub fn pid_of(&self, name: &str) -> Result<i32> {
        let data = self.data.to_string_lossy().into_owned();
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            let Ok(line) = std::fs::read(path.join("cmdline")) else { continue };
            let words: Vec<_> = line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
            if words.first().is_some_and(|w| w.ends_with("podium"))
                && words.get(1).is_some_and(|w| w == name)
                && words.contains(&data)
            {
                return Ok(path.file_name().and_then(|n| n.to_str()).unwrap_or_default().parse()?);
            }
        }
        bail!("no podium {name} runs for {data}")
    }
    /// Pid of the private PostgreSQL.
    pub fn postgres_pid(&self) -> Result<i32> {
        let text = std::fs::read_to_string(self.data.join("pg/data/postmaster.pid"))?;
        Ok(text.lines().next().unwrap_or_default().parse()?)
    }
    /// An HTTP GET from the node; the body.
    pub fn get(&self, url: &str) -> Result<String> {
        run("curl", &["-sS", "--fail", "--max-time", "5", url])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Shown only where the test fails.
        for log in ["podium", "server", "agent"] {
            let text = std::fs::read_to_string(self.data.join(format!("log/{log}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {log}.log ends\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
        if let Err(error) = self.podium(&["down", "--purge"]) {
            println!("ending the cluster: {error:?}");
        }
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// Kills a process as a crash would.
pub fn kill_9(pid: i32) -> Result<()> {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}

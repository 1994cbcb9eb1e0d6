//! A node under fire: containers, shims, agent, server and PostgreSQL are killed at random; in the end everything runs
//! again, and once it is deleted nothing of it is left. `PODIUM_SOAK_SECONDS`, `_PODS` and `_SEED` make it longer.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, kill_9, left::entries, with_cluster};
use serde_json::json;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Tells this test's processes from all others.
const WORD: &str = "8640002";

/// Longest time between two starts of a container.
const BACK_OFF: Duration = Duration::from_secs(300);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(format!("PODIUM_SOAK_{name}")).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// SplitMix64: the seed decides who dies.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap_or(0)
    }
    fn pick(&mut self, pids: &[i32]) -> Option<i32> {
        pids.get(self.roll(pids.len())).copied()
    }
}

fn containers() -> Vec<i32> {
    let line = format!("sleep\0{WORD}\0");
    let ours = |p: &PathBuf| std::fs::read(p.join("cmdline")).is_ok_and(|text| text.ends_with(line.as_bytes()));
    let all = entries(Path::new("/proc")).into_iter().filter(ours);
    all.filter_map(|p| p.file_name()?.to_str()?.parse().ok()).collect()
}

fn shims(cluster: &Cluster) -> Vec<i32> {
    let pods = entries(&cluster.data.join("pods"));
    let lock = |pod: PathBuf| std::fs::read_to_string(pod.join("shim/shim.lock")).ok()?.parse().ok();
    pods.into_iter().filter_map(lock).collect()
}

/// What pods of this cluster have on this machine.
fn left(cluster: &Cluster, addresses: &[String]) -> Result<Vec<String>> {
    let mut found = cluster.left(addresses)?;
    found.extend(containers().iter().map(|pid| format!("container {pid}")));
    Ok(found)
}

/// Pods with something of every kind, behind a Service.
fn crowd(pods: u64) -> String {
    let mounts = json!([
        { "name": "disk", "mountPath": "/disk" },
        { "name": "disk", "mountPath": "/part", "subPath": "part" },
        { "name": "memory", "mountPath": "/memory" },
    ]);
    let limits = json!({ "requests": { "cpu": "1m" }, "limits": { "memory": "64Mi" } });
    let containers = json!([{
        "name": "c", "image": "podium/demo:1", "command": ["sleep", WORD], "volumeMounts": mounts, "resources": limits,
    }]);
    let volumes = json!([{ "name": "disk", "emptyDir": {} }, { "name": "memory", "emptyDir": { "medium": "Memory" } }]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "crowd" },
        "spec": {
            "replicas": pods,
            "selector": { "matchLabels": { "app": "crowd" } },
            "template": {
                "metadata": { "labels": { "app": "crowd" } },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": containers, "volumes": volumes },
            },
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "crowd" },
        "spec": { "selector": { "app": "crowd" }, "ports": [{ "port": 80 }] },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [deployment, service] }).to_string()
}

#[test]
fn whatever_is_killed_all_comes_back_and_nothing_is_left() {
    let (seconds, pods, seed) = (setting("SECONDS", 60), setting("PODS", 40), setting("SEED", 7));
    println!("PODIUM_SOAK_SEED={seed}");
    with_cluster(move |cluster| async move {
        cluster.load_images()?;
        cluster.apply(&crowd(pods))?;
        whole(&cluster, pods).await?;
        let mut dice = Dice(seed);
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut killed = 0;
        while Instant::now() < until {
            let (what, pid) = match dice.roll(10) {
                0 => ("agent", cluster.pid_of("agent").ok()),
                1 => ("server", cluster.pid_of("server").ok()),
                2 => ("postgres", cluster.postgres_pid().ok()),
                3 | 4 => ("shim", dice.pick(&shims(&cluster))),
                _ => ("container", dice.pick(&containers())),
            };
            println!("{what} {pid:?}");
            // It may have gone by itself.
            killed += u32::from(pid.is_some_and(|pid| kill_9(pid).is_ok()) && what == "container");
            tokio::time::sleep(Duration::from_millis(200 + dice.roll(800) as u64)).await;
        }
        whole(&cluster, pods).await?;
        ensure!(containers().len() as u64 == pods, "{} containers for {pods} pods", containers().len());
        // Every end was noticed: a container is not replaced unseen.
        let counts = cluster.kubectl(&["get", "pods", "-o", "jsonpath={..restartCount}"])?;
        let restarts: u32 = counts.split_whitespace().filter_map(|n| n.parse::<u32>().ok()).sum();
        ensure!(restarts >= killed, "{killed} containers were killed, {restarts} restarts are told");
        let addresses = cluster.kubectl(&["get", "pods", "-o", "jsonpath={..podIP}"])?;
        let addresses: Vec<String> = addresses.split_whitespace().map(str::to_owned).collect();
        ensure!(addresses.len() as u64 == pods, "{addresses:?}");
        // Of each pod, while it runs: container, shim, its socket, directory, attachment, namespace with its mount,
        // veth, root, volumes, cgroup and rules.
        let there = left(&cluster, &addresses)?;
        ensure!(there.len() as u64 >= 14 * pods, "{there:#?}");
        cluster.kubectl(&["delete", "deployment", "crowd"])?;
        let none = || async { Ok(left(&cluster, &addresses)?.is_empty().then_some(())) };
        let gone = eventually("nothing is left", none).await;
        ensure!(gone.is_ok(), "left: {:#?}", left(&cluster, &addresses)?);
        cluster.podium(&["down"])?;
        ensure!(left(&cluster, &addresses)?.is_empty(), "left: {:#?}", left(&cluster, &addresses)?);
        nothing_of_the_cluster(&cluster)?;
        Ok(())
    });
}

/// Not even what is no pod's.
fn nothing_of_the_cluster(cluster: &Cluster) -> Result<()> {
    let (id, namespace) = (cluster.id()?, std::fs::metadata("/proc/thread-self/ns/net")?.ino());
    let run = Path::new("/run/podium");
    for path in [run.join(&id), run.join(format!("node-{namespace}.lock"))] {
        ensure!(!path.exists(), "{} is left", path.display());
    }
    let group = format!("podium-{id}");
    let roots = entries(Path::new("/sys/fs/cgroup")).into_iter().chain([PathBuf::from("/sys/fs/cgroup")]);
    for root in roots {
        ensure!(!root.join(&group).exists(), "{} has {group}", root.display());
    }
    let rules = podium_e2e::run("nft", &["list", "ruleset"])?;
    ensure!(rules.is_empty(), "{rules}");
    Ok(())
}

/// Waits until all pods are ready: as long as the longest back-off of what was killed again and again.
async fn whole(cluster: &Cluster, pods: u64) -> Result<()> {
    let until = Instant::now() + BACK_OFF;
    loop {
        let ready = eventually("all pods are ready", || async {
            let ready = cluster.kubectl(&["get", "deployment", "crowd", "-o", "jsonpath={.status.readyReplicas}"])?;
            Ok((ready == pods.to_string() && containers().len() as u64 == pods).then_some(()))
        })
        .await;
        let Err(error) = ready else { return Ok(()) };
        let all = cluster.kubectl(&["get", "pods", "--no-headers"])?;
        let not: Vec<&str> =
            all.lines().filter(|line| !line.contains(" 1/1 ") || !line.contains(" Running ")).collect();
        println!("not ready: {not:#?}");
        // Those that wait are not lost; others are.
        let waits = |line: &&str| line.contains("CrashLoopBackOff");
        ensure!(Instant::now() < until && not.iter().any(waits), "{error:?}: {not:#?}");
    }
}

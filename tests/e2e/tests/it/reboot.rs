//! A machine that was booted anew: nothing of the past runs on, and pods begin again where the disk left them.

use anyhow::ensure;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use podium_e2e::{eventually, kill_9, with_cluster};
use serde_json::{Value, json};

/// Tells this test's processes from all others.
const SECONDS: &str = "8640001";

fn pod(name: &str) -> String {
    let script = format!("echo life >> /data/lives; exec sleep {SECONDS}");
    let mounts = json!([{ "name": "data", "mountPath": "/data" }]);
    let containers =
        json!([{ "name": "c", "image": "podium/demo:1", "command": ["sh", "-c", script], "volumeMounts": mounts }]);
    let spec = json!({ "containers": containers, "volumes": [{ "name": "data", "emptyDir": {} }] });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }).to_string()
}

fn processes() -> usize {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let line = format!("sleep\0{SECONDS}\0");
    all.filter(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|text| text.ends_with(line.as_bytes()))).count()
}

#[test]
fn after_a_reboot_nothing_of_the_past_is_left() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(&pod("stays"))?;
        cluster.apply(&pod("goes"))?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/stays", "pod/goes", "--timeout=60s"])?;
        ensure!(processes() == 2);
        let boot = cluster.data.join("boot-id");
        let present = std::fs::read_to_string(&boot)?;

        // The node is away while one pod is deleted; then it is another boot.
        let agent = cluster.pid_of("agent")?;
        kill(Pid::from_raw(agent), Signal::SIGSTOP)?;
        cluster.kubectl(&["delete", "pod", "goes", "--force", "--grace-period=0"])?;
        std::fs::write(&boot, "another")?;
        kill_9(agent)?;

        let begun = eventually("the pod begins again", || async {
            let pod: Value = serde_json::from_str(&cluster.kubectl(&["get", "pod", "stays", "-o", "json"])?)?;
            let status = pod["status"]["containerStatuses"][0].clone();
            let addresses = pod["status"]["podIPs"].clone();
            Ok((status["restartCount"] == 1 && status["ready"] == true).then_some((status, addresses)))
        })
        .await?;
        let (status, addresses) = begun;
        ensure!(addresses.as_array().map(Vec::len) == Some(1), "an address of the past is left: {addresses}");
        ensure!(status["lastState"]["terminated"]["exitCode"] == 137, "{status}");
        ensure!(status["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown", "{status}");
        ensure!(std::fs::read_to_string(&boot)? == present);
        ensure!(processes() == 1, "{} processes", processes());
        let lives = cluster.kubectl(&["exec", "stays", "--", "cat", "/data/lives"])?;
        ensure!(lives == "life\nlife\n", "an emptyDir outlives a reboot: {lives:?}");
        eventually("the deleted pod is gone from the disk", || async {
            Ok((std::fs::read_dir(cluster.data.join("pods"))?.count() == 1).then_some(()))
        })
        .await
    });
}

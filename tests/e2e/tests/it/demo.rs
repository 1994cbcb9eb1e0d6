//! What the README promises: the demo is served, and `down` leaves nothing behind.

use anyhow::{Result, ensure};
use podium_e2e::{eventually, root, run, with_cluster, with_lonely_cluster};

#[test]
fn the_demo_is_served_and_down_leaves_nothing_behind() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.kubectl(&["apply", "-f", &root().join("docs/demo.yaml").to_string_lossy()])?;
        cluster.kubectl(&["rollout", "status", "deployment/demo", "--timeout=60s"])?;
        let port = cluster.kubectl(&["get", "service", "demo", "-o", "jsonpath={.spec.ports[0].nodePort}"])?;
        let url = format!("http://127.0.0.1:{port}/");
        let body = eventually("the demo answers", || async { Ok(Some(cluster.get(&url)?)) }).await?;
        ensure!(body.starts_with("hello from demo-"), "{body}");
        let pods = cluster.kubectl(&["get", "pods", "-l", "app=demo"])?;
        ensure!(pods.lines().filter(|l| l.contains("1/1") && l.contains("Running")).count() == 3, "{pods}");
        let again = cluster.up()?;
        ensure!(again.contains("already running"), "{again}");

        let id = podium_id(&cluster.data)?;
        cluster.podium(&["down"])?;
        let left = leftovers(&id, &cluster.data.to_string_lossy())?;
        ensure!(left.is_empty(), "left behind: {left:#?}");

        // The data is still there: the cluster continues where it was.
        cluster.up()?;
        cluster.kubectl(&["rollout", "status", "deployment/demo", "--timeout=60s"])?;
        eventually("the demo answers again", || async { Ok(Some(cluster.get(&url)?)) }).await?;
        Ok(())
    });
}

fn podium_id(data: &std::path::Path) -> Result<String> {
    let data = data.canonicalize()?;
    let hash = run("sh", &["-c", &format!("printf %s '{}' | sha256sum", data.display())])?;
    Ok(hash[..8].to_owned())
}

/// Whatever carries the cluster's mark outside its data directory.
fn leftovers(id: &str, data: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let mut look = |what: &str, text: String, mark: &str| {
        left.extend(text.lines().filter(|l| l.contains(mark)).map(|l| format!("{what}: {l}")));
    };
    look("mount", std::fs::read_to_string("/proc/mounts")?, id);
    look("mount", std::fs::read_to_string("/proc/mounts")?, data);
    look("nftables", run("nft", &["list", "tables"])?, "podium");
    look("link", run("ip", &["-o", "link"])?, "veth-pod");
    look("link", run("ip", &["-o", "link"])?, ": pod");
    look("route", run("ip", &["route"])?, "proto 112");
    look("address", run("ip", &["-o", "addr"])?, "10.96.0.10");
    look("cgroup", run("find", &["/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", "podium*"])?, id);
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let guard = line.starts_with("sh -c");
        if !guard && (line.contains(data) || line.contains(&format!("/run/podium/{id}"))) {
            left.push(format!("process: {} {line}", path.display()));
        }
    }
    if std::path::Path::new(&format!("/run/podium/{id}")).exists() {
        left.push(format!("/run/podium/{id}"));
    }
    Ok(left)
}

#[test]
fn a_machine_in_no_network_serves_the_demo_as_well() {
    with_lonely_cluster(|cluster| async move {
        cluster.load_images()?;
        let manifest = root().join("docs/demo.yaml");
        cluster.kubectl(&["apply", "-f", &manifest.to_string_lossy()])?;
        cluster.kubectl(&["rollout", "status", "deployment/demo", "--timeout=60s"])?;
        let port = cluster.kubectl(&["get", "service", "demo", "-o", "jsonpath={.spec.ports[0].nodePort}"])?;
        let url = format!("http://127.0.0.1:{port}/");
        eventually("the demo answers", || async { Ok(Some(cluster.get(&url)?)) }).await?;
        let inside = "timeout 5 wget -qO- http://demo/ && nc -w 2 kubernetes 443 </dev/null";
        let body = cluster.kubectl(&["exec", "deploy/demo", "--", "sh", "-c", inside])?;
        ensure!(body.starts_with("hello from"), "{body}");
        Ok(())
    });
}

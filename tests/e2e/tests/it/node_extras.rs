//! What only some pods ask of a node: devices of a plugin, users of their own, huge pages, logs of a certain size.

use anyhow::{Context, Result, ensure};
use podium_e2e::{
    Cluster, eventually, kill_9,
    plugin::{self, Gift, Having},
    run, with_cluster,
};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use tokio::sync::watch;

const DEVICE: &str = "example.com/dev";
const PLUGIN: &str = "dev.sock";
/// Whatever else runs on this machine, its disk is not looked at.
const SETTINGS: &str = "
evictionHard: {memory.available: 50Mi}
containerLogMaxSize: 4Ki
containerLogMaxFiles: 2
devicePluginPath: PLUGINS
";

fn pod(cluster: &Cluster, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.kubectl(&["get", "pod", name, "-o", "json"])?)?)
}

fn make(cluster: &Cluster, name: &str, spec: &Value) -> Result<()> {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    cluster.apply(&pod.to_string()).map(drop)
}

fn asking(script: &str, limits: &Value) -> Value {
    let container = json!({ "name": "c", "image": "podium/demo:1", "command": ["sh", "-c", script],
        "resources": { "limits": limits } });
    json!({ "terminationGracePeriodSeconds": 0, "containers": [container] })
}

/// Capacity and allocatable of the device.
async fn devices(cluster: &Cluster, expected: (&str, &str)) -> Result<()> {
    eventually(&format!("the node has {expected:?} devices"), || async move {
        let node: Value = serde_json::from_str(&cluster.kubectl(&["get", "node", "node-a", "-o", "json"])?)?;
        let status = &node["status"];
        let (all, free) = (&status["capacity"][DEVICE], &status["allocatable"][DEVICE]);
        Ok((*all == expected.0 && *free == expected.1).then_some(()))
    })
    .await
}

async fn logged(cluster: &Cluster, name: &str, words: &str) -> Result<()> {
    eventually(&format!("{name} says {words:?}"), || async move {
        Ok(cluster.kubectl(&["logs", name])?.contains(words).then_some(()))
    })
    .await
}

#[test]
fn nodes_have_more_than_memory_and_cpus() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let plugins = cluster.data.join("plugins");
        let settings = SETTINGS.replace("PLUGINS", &plugins.display().to_string());
        std::fs::write(cluster.data.join("kubelet.yaml"), settings)?;
        kill_9(cluster.pid_of("agent")?)?;
        given_devices(&cluster, &plugins).await?;
        own_users(&cluster).await?;
        huge_pages(&cluster).await?;
        logs(&cluster).await
    });
}

async fn given_devices(cluster: &Cluster, plugins: &std::path::Path) -> Result<()> {
    let register = || async { Ok(plugin::register(plugins, PLUGIN, DEVICE).await.ok()) };
    let list: watch::Sender<Having> = watch::Sender::new(vec![("a", true), ("b", true)]);
    let host = cluster.data.join("gift");
    std::fs::write(&host, "from the plugin\n")?;
    let gift = Gift {
        env: ("GIVEN".to_owned(), "yes".to_owned()),
        mount: (host.display().to_string(), "/gift".to_owned()),
        device: ("/dev/zero".to_owned(), "/dev/given".to_owned()),
    };
    eventually("the agent listens", || async { Ok(plugins.join("kubelet.sock").exists().then_some(())) }).await?;
    let serving = plugin::serve(plugins, PLUGIN, &list, gift)?;
    eventually("it is registered", register).await?;
    devices(cluster, ("2", "2")).await?;
    let script = "echo $GIVEN; cat /gift; head -c 3 /dev/given | wc -c; sleep 1000";
    make(cluster, "user", &asking(script, &json!({ DEVICE: "1" })))?;
    logged(cluster, "user", "yes\nfrom the plugin\n3\n").await?;
    let mut greedy = asking("true", &json!({ DEVICE: "2" }));
    greedy["nodeName"] = json!("node-a");
    make(cluster, "greedy", &greedy)?;
    eventually("greedy is rejected", || async {
        let status = pod(cluster, "greedy")?["status"].clone();
        Ok((status["reason"] == format!("OutOf{DEVICE}")).then_some(()))
    })
    .await?;
    // A new agent knows who has what, but not how the devices are, until the plugin comes back.
    kill_9(cluster.pid_of("agent")?)?;
    devices(cluster, ("0", "0")).await?;
    eventually("it is registered again", register).await?;
    devices(cluster, ("2", "2")).await?;
    list.send_replace(vec![("a", false), ("b", false)]);
    devices(cluster, ("2", "0")).await?;
    eventually("the pod shows that its device is ill", || async {
        let status = pod(cluster, "user")?["status"]["containerStatuses"][0].clone();
        let health = &status["allocatedResourcesStatus"][0]["resources"][0]["health"];
        Ok((*health == "Unhealthy" && status["restartCount"] == 0).then_some(()))
    })
    .await?;
    serving.abort();
    cluster.kubectl(&["delete", "pod", "user", "greedy", "--timeout=60s"])?;
    eventually("the devices are free", || async {
        Ok((std::fs::read_to_string(cluster.data.join("devices.json"))? == "[]").then_some(()))
    })
    .await
}

/// A pod whose root is nobody on the host, with volumes of several kinds, a network and a probe.
async fn own_users(cluster: &Cluster) -> Result<()> {
    let script =
        "cat /proc/self/uid_map; touch /scratch/made; cat /settings/colour; ls -ln /settings/..data/colour; serve";
    let mut spec = asking(script, &json!({}));
    spec["hostUsers"] = json!(false);
    spec["securityContext"] = json!({ "fsGroup": 4000 });
    let container = &mut spec["containers"][0];
    container["readinessProbe"] = json!({ "httpGet": { "path": "/", "port": 80 }, "periodSeconds": 1 });
    let mounts = [("scratch", "/scratch"), ("settings", "/settings"), ("memory", "/memory")];
    container["volumeMounts"] = mounts.map(|(name, path)| json!({ "name": name, "mountPath": path })).to_vec().into();
    spec["volumes"] = json!([
        { "name": "scratch", "emptyDir": {} },
        { "name": "memory", "emptyDir": { "medium": "Memory" } },
        { "name": "settings", "configMap": { "name": "shades", "defaultMode": 0o400 } },
    ]);
    cluster.kubectl(&["create", "configmap", "shades", "--from-literal=colour=blue"])?;
    make(cluster, "mapped", &spec)?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/mapped", "--timeout=60s"])?;
    let log = cluster.kubectl(&["logs", "mapped"])?;
    ensure!(log.contains("65536      65536") && log.contains("blue"), "{log}");
    let within = |script: &str| cluster.kubectl(&["exec", "mapped", "--", "sh", "-c", script]);
    ensure!(within("id -u; echo x > /memory/x; stat -c %u:%g /memory/x")?.trim() == "0\n0:4000");
    let shown = pod(cluster, "mapped")?;
    let uid = shown["metadata"]["uid"].as_str().context("a uid")?;
    let made = cluster.data.join("pods").join(uid).join("volumes/scratch/made");
    ensure!(std::fs::metadata(&made)?.uid() == 0, "on the disk it is root's, who is the pod's root by the mount alone");
    // The host's root is nobody inside, and the pod's is nobody outside.
    let processes = run("ps", &["-eo", "uid,args"])?;
    ensure!(
        processes.lines().any(|line| line.trim_start().starts_with("65536 ") && line.contains("httpd")),
        "{processes}"
    );
    kill_9(cluster.pid_of("agent")?)?;
    cluster.kubectl(&["delete", "pod", "mapped", "--timeout=60s"])?;
    let pods = cluster.data.join("pods").display().to_string();
    eventually("no mount is left", || async {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        Ok((!mounts.contains(&pods)).then_some(()))
    })
    .await?;
    let mut foreign = asking("true", &json!({}));
    foreign["hostUsers"] = json!(false);
    foreign["securityContext"] = json!({ "runAsUser": 70_000 });
    make(cluster, "foreign", &foreign)?;
    waits(cluster, "foreign", "id 70000 is not one of the pod's").await
}

async fn waits(cluster: &Cluster, name: &str, words: &str) -> Result<()> {
    eventually(&format!("{name} waits: {words}"), || async move {
        let state = pod(cluster, name)?["status"]["containerStatuses"][0]["state"]["waiting"].clone();
        let told = state["message"].as_str().is_some_and(|message| message.contains(words));
        Ok((told && state["reason"] == "CreateContainerConfigError").then_some(()))
    })
    .await
}

/// A host without reserved pages has the file system still; whoever wants a page finds none.
async fn huge_pages(cluster: &Cluster) -> Result<()> {
    let node: Value = serde_json::from_str(&cluster.kubectl(&["get", "node", "node-a", "-o", "json"])?)?;
    let Some(all) = node["status"]["capacity"]["hugepages-2Mi"].as_str() else {
        println!("skipped: this kernel has no huge pages of 2 MiB");
        return Ok(());
    };
    if all != "0" {
        println!("skipped: this host has huge pages of its own use: {all}");
        return Ok(());
    }
    let mut spec = asking("true", &json!({ "hugepages-2Mi": "2Mi", "memory": "16Mi", "cpu": "10m" }));
    spec["nodeName"] = json!("node-a");
    make(cluster, "huge", &spec)?;
    eventually("no page is free", || async {
        Ok((pod(cluster, "huge")?["status"]["reason"] == "OutOfhugepages-2Mi").then_some(()))
    })
    .await
}

/// Logs are rotated at the set size, and the node's own are served.
async fn logs(cluster: &Cluster) -> Result<()> {
    let script = "for i in 1 2 3 4; do seq 2000; echo line $i; sleep 0.5; done; sleep 1000";
    make(cluster, "talker", &asking(script, &json!({})))?;
    logged(cluster, "talker", "line 4\n").await?;
    let uid = pod(cluster, "talker")?["metadata"]["uid"].as_str().context("a uid")?.to_owned();
    let dir = cluster.data.join("pods").join(uid).join("logs/c");
    ensure!(std::fs::read_dir(dir)?.count() == 2, "of each rotation's files two are kept");
    let mine = std::path::Path::new("/var/log/podium-e2e-probe");
    std::fs::write(mine, "from the node\n")?;
    let found = cluster.kubectl(&["get", "--raw", "/api/v1/nodes/node-a/proxy/logs/podium-e2e-probe"]);
    std::fs::remove_file(mine)?;
    ensure!(found.as_ref().is_ok_and(|text| text == "from the node\n"), "{found:?}");
    Ok(())
}

//! Containers and images that mean harm: what they try stays theirs.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, run, with_cluster};
use serde_json::{Value, json};
use std::{
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

/// What nobody may touch: a directory of the node with one file.
struct Outside(PathBuf);

impl Outside {
    fn make(cluster: &Cluster) -> Result<Self> {
        let dir = cluster.data.with_file_name("outside");
        std::fs::create_dir(&dir)?;
        std::fs::write(dir.join("secret"), "root:untold")?;
        Ok(Self(dir))
    }
    fn intact(&self) -> Result<()> {
        let names: Vec<_> = std::fs::read_dir(&self.0)?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
        ensure!(names == ["secret"], "made outside: {names:?}");
        let (text, meta) = (std::fs::read_to_string(self.0.join("secret"))?, std::fs::metadata(&self.0)?);
        ensure!(text == "root:untold" && meta.mode() & 0o7777 == 0o755 && meta.gid() == 0, "{text:?} {meta:?}");
        Ok(())
    }
}

/// Loads an image: a busybox, and what `add` puts into its root.
fn load(cluster: &Cluster, name: &str, add: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let work = cluster.data.with_file_name("image");
    let (root, layer) = (work.join("root"), work.join("layer.tar"));
    std::fs::create_dir_all(root.join("bin"))?;
    std::fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    for applet in ["sh", "sleep", "id", "cat", "echo"] {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    add(&root)?;
    let (root, tar) = (root.to_string_lossy(), layer.to_string_lossy());
    run("tar", &["-C", &root, "--owner=0", "--group=0", "--numeric-owner", "-cf", &tar, "."])?;
    let sum = run("sha256sum", &[&tar])?;
    let diff = format!("sha256:{}", sum.split(' ').next().unwrap_or_default());
    let config = json!({ "config": { "Env": ["PATH=/bin"] }, "rootfs": { "type": "layers", "diff_ids": [diff] } });
    std::fs::write(work.join("config.json"), config.to_string())?;
    let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]);
    std::fs::write(work.join("manifest.json"), manifest.to_string())?;
    let image = cluster.data.with_file_name("image.tar").to_string_lossy().into_owned();
    let dir = work.to_string_lossy();
    run("tar", &["-C", &dir, "-cf", &image, "manifest.json", "config.json", "layer.tar"])?;
    std::fs::remove_dir_all(&work)?;
    cluster.podium(&["image", "load", &image]).map(drop)
}

/// A pod that runs to its end; `spec` adds to it.
fn pod(name: &str, spec: &Value) -> String {
    let mut whole = json!({ "restartPolicy": "Never", "terminationGracePeriodSeconds": 0 });
    if let (Some(whole), Some(spec)) = (whole.as_object_mut(), spec.as_object()) {
        whole.extend(spec.clone());
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": whole }).to_string()
}

fn status(cluster: &Cluster, pod: &str) -> Result<Value> {
    let text = cluster.kubectl(&["get", "pod", pod, "-o", "json"])?;
    Ok(serde_json::from_str::<Value>(&text).context("a pod")?["status"].take())
}

/// The pod's status, once every container runs, has ended or cannot start.
async fn settled(cluster: &Cluster, pod: &str) -> Result<Value> {
    eventually(&format!("{pod} has settled"), || async {
        let status = status(cluster, pod)?;
        let decided = |c: &Value| {
            let reason = c["state"]["waiting"]["reason"].as_str().unwrap_or_default();
            c["state"]["running"].is_object() || c["state"]["terminated"].is_object() || reason.ends_with("Error")
        };
        let all = status["containerStatuses"].as_array().is_some_and(|all| all.iter().all(decided));
        Ok(all.then_some(status))
    })
    .await
}

async fn told(cluster: &Cluster, pod: &str, words: &str) -> Result<()> {
    let field = format!("involvedObject.name={pod}");
    eventually(&format!("an event of {pod} says {words:?}"), || async {
        let events = cluster.kubectl(&["get", "events", "--field-selector", &field, "-o", "jsonpath={..message}"])?;
        Ok(events.contains(words).then_some(()))
    })
    .await
}

#[test]
fn links_of_images_and_volumes_lead_nowhere() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let outside = Outside::make(&cluster)?;
        let up = format!("../../../../../../..{}", outside.0.display());
        // Where the node mounts or writes something, the image has a link that leads out.
        for (n, place) in ["etc", "dev", "proc", "sys", "mnt"].into_iter().enumerate() {
            let (image, name) = (format!("links:{n}"), format!("links-{place}"));
            let target = if n % 2 == 0 { up.clone() } else { outside.0.display().to_string() };
            load(&cluster, &image, |root| Ok(symlink(&target, root.join(place))?))?;
            let container = json!({
                "name": "c", "image": image, "command": ["sleep", "1000"], "workingDir": format!("/{place}/made/here"),
                "terminationMessagePath": format!("/{place}/last/words"),
                "volumeMounts": [{ "name": "v", "mountPath": format!("/{place}/deep/volume") }],
            });
            let spec = json!({ "containers": [container], "volumes": [{ "name": "v", "emptyDir": {} }] });
            cluster.apply(&pod(&name, &spec))?;
            settled(&cluster, &name).await?;
            outside.intact().with_context(|| format!("/{place}"))?;
        }
        // A volume, too, may hold links when the next container starts.
        let swap = format!("ln -s {up} /v/in; ln -s {} /v/out; ln -s {up}/secret /v/words", outside.0.display());
        let mount = |path: &str| json!({ "name": "v", "mountPath": path });
        let sub = |mount: Value, sub: &str| json!({ "name": mount["name"], "mountPath": "/s", "subPath": sub });
        for (name, mounts, words) in [
            ("nested", json!([mount("/v"), { "name": "w", "mountPath": "/v/in/deep" }]), None),
            ("sub-link", json!([sub(mount("/v"), "out")]), Some("must stay inside the volume")),
            ("sub-below", json!([sub(mount("/v"), "in/new/dir")]), Some("must stay inside the volume")),
            ("sub-file", json!([sub(mount("/v"), "words")]), Some("must stay inside the volume")),
            (
                "sub-expression",
                json!([{ "name": "v", "mountPath": "/s", "subPathExpr": "a/$(WAY)" }]),
                Some("must stay inside the volume"),
            ),
        ] {
            let init = json!({
                "name": "i", "image": "podium/demo:1", "command": ["sh", "-c", swap], "volumeMounts": [mount("/v")],
            });
            let main = json!({
                "name": "c", "image": "podium/demo:1", "command": ["sh", "-c", "echo said > /v/words; sleep 1000"],
                "env": [{ "name": "WAY", "value": "../../../outside" }], "volumeMounts": mounts,
                "terminationMessagePath": "/v/words",
            });
            let volumes = json!([{ "name": "v", "emptyDir": {} }, { "name": "w", "emptyDir": {} }]);
            let spec = json!({ "initContainers": [init], "containers": [main], "volumes": volumes });
            cluster.apply(&pod(name, &spec))?;
            match words {
                Some(words) => told(&cluster, name, words).await?,
                None => drop(settled(&cluster, name).await?),
            }
            outside.intact().context(name)?;
        }
        Ok(())
    });
}

/// Says where it is: whether the way up from the working directory ends at the container's own root.
const WHERE: &str = "[ \"$(stat -c %d:%i ../../../../../../../../../../..)\" = \"$(stat -c %d:%i /)\" ] && echo inside";

#[test]
fn descriptors_devices_and_last_words_give_nothing_away() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let outside = Outside::make(&cluster)?;
        // Working directories by descriptors that a runtime may have left open (CVE-2024-21626).
        let numbers = 3..15;
        let containers: Vec<Value> = numbers
            .clone()
            .map(|n| {
                let (name, dir) = (format!("c{n}"), format!("/proc/self/fd/{n}"));
                json!({ "name": name, "image": "podium/demo:1", "workingDir": dir, "command": ["sh", "-c", WHERE] })
            })
            .collect();
        cluster.apply(&pod("descriptors", &json!({ "containers": containers })))?;
        eventually("descriptors have ended", || async {
            let status = status(&cluster, "descriptors")?;
            let ended =
                |c: &Value| c["state"]["terminated"].is_object() || c["state"]["waiting"]["message"].is_string();
            Ok(status["containerStatuses"].as_array().filter(|all| all.iter().all(ended)).map(drop))
        })
        .await?;
        for container in status(&cluster, "descriptors")?["containerStatuses"].as_array().into_iter().flatten() {
            let end = &container["state"]["terminated"];
            ensure!(end["exitCode"] != 0 || said(&cluster, "descriptors", container)? == "inside\n", "{container}");
            ensure!(end["reason"] != "Error", "a program ran outside: {container}");
        }
        // Nodes of devices and set-user-id programs of an image, for a user without rights and for root.
        load(&cluster, "harm:1", |root| {
            run("mknod", &[&root.join("disk").to_string_lossy(), "b", "8", "0"])?;
            run("mknod", &[&root.join("memory").to_string_lossy(), "c", "1", "1"])?;
            std::fs::copy("/bin/busybox", root.join("bin/su"))?;
            run("chmod", &["4755", &root.join("bin/su").to_string_lossy()]).map(drop)
        })?;
        let look = "cat /disk; cat /memory; exec 2>&1; cat /disk; cat /memory; su id -u";
        let mut containers = Vec::new();
        for (name, user) in [("root", 0), ("user", 1000)] {
            let context = json!({ "runAsUser": user, "allowPrivilegeEscalation": false });
            let command = if name == "root" { look } else { "exec 2>&1; cat /proc/self/status; busybox id -u" };
            containers.push(json!({
                "name": name, "image": "harm:1", "command": ["sh", "-c", command], "securityContext": context,
            }));
        }
        cluster.apply(&pod("devices", &json!({ "containers": containers })))?;
        ended(&cluster, "devices").await?;
        let logs = cluster.kubectl(&["logs", "devices", "-c", "root"])?;
        ensure!(logs.matches("Operation not permitted").count() >= 4, "{logs}");
        let logs = cluster.kubectl(&["logs", "devices", "-c", "user"])?;
        ensure!(logs.contains("NoNewPrivs:\t1") && logs.ends_with("1000\n"), "{logs}");
        strangers_see_nothing(&cluster)?;
        last_words(&cluster, &outside).await?;
        tricks_with_paths(&cluster)?;
        outside.intact()
    });
}

fn said(cluster: &Cluster, pod: &str, container: &Value) -> Result<String> {
    cluster.kubectl(&["logs", pod, "-c", container["name"].as_str().unwrap_or_default()])
}

async fn ended(cluster: &Cluster, pod: &str) -> Result<()> {
    eventually(&format!("{pod} has ended"), || async {
        Ok(matches!(status(cluster, pod)?["phase"].as_str(), Some("Succeeded" | "Failed")).then_some(()))
    })
    .await
}

/// Users of the node reach neither images with their set-user-id programs nor the files of pods.
fn strangers_see_nothing(cluster: &Cluster) -> Result<()> {
    for part in ["images", "images/layers", "pods"] {
        let dir = cluster.data.join(part);
        let first = std::fs::read_dir(&dir)?.next().context("something is there")??.path();
        for path in [dir, first.join(".")] {
            let path = path.to_string_lossy();
            let seen = run("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "ls", &path]);
            ensure!(seen.is_err(), "nobody sees {path}: {seen:?}");
        }
    }
    Ok(())
}

/// The message of a container's end is what it wrote, the end of it, and never another file.
async fn last_words(cluster: &Cluster, outside: &Outside) -> Result<()> {
    let secret = outside.0.join("secret");
    let talk = "rm -f /dev/termination-log; ln -sf SECRET /dev/termination-log; \
        (head -c 100000 /dev/zero | tr '\\0' a; echo END) > /dev/termination-log; exit 3"
        .replace("SECRET", &secret.to_string_lossy());
    let containers = json!([{ "name": "c", "image": "podium/demo:1", "command": ["sh", "-c", talk] }]);
    cluster.apply(&pod("talker", &json!({ "containers": containers })))?;
    ended(cluster, "talker").await?;
    let status = status(cluster, "talker")?;
    let message = status["containerStatuses"][0]["state"]["terminated"]["message"].as_str().unwrap_or_default();
    ensure!(message.len() == 4096 && message.ends_with("aEND\n"), "{} bytes: {message:.80}", message.len());
    // Nothing runs there any more.
    let outcome = cluster.kubectl(&["exec", "talker", "--", "true"]);
    ensure!(outcome.as_ref().is_err_and(|e| e.to_string().contains("completed pod")), "{outcome:?}");
    Ok(())
}

fn tricks_with_paths(cluster: &Cluster) -> Result<()> {
    let log = "/api/v1/namespaces/default/pods/talker/log";
    for path in [
        format!("{log}?container=..%2F..%2F..%2Fetc%2Fpasswd"),
        format!("{log}?container=c%2F..%2Fc"),
        "/api/v1/namespaces/default/pods/..%2Ftalker/log".to_owned(),
        "/api/v1/nodes/node-a/proxy/logs/..%2f..%2fetc/passwd".to_owned(),
        "/api/v1/nodes/node-a/proxy/logs/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/api/v1/nodes/node-a/proxy/containerLogs/default/talker/..%2f..%2fx".to_owned(),
    ] {
        let answer = cluster.kubectl(&["get", "--raw", &path]);
        ensure!(answer.is_err(), "{path}: {answer:?}");
    }
    Ok(())
}

/// Bytes that a container logs at once.
const FLOOD: u64 = 400 << 20;
/// What a log may take: five files of 10 MiB, each a little more for its last lines.
const KEPT: u64 = 55 << 20;
/// Memory that agent and shim may have used, KiB; a debug build takes more than it should.
const MEMORY: u64 = 256 << 10;

#[test]
fn floods_stay_in_their_bed() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let line = "x".repeat(100);
        let flood = format!("yes {line} | head -c {FLOOD}; echo; echo the last line");
        let container = |name: &str, command: &str| json!({ "name": name, "image": "podium/demo:1", "command": ["sh", "-c", command] });
        let calm = container("calm", "sleep 1000");
        cluster.apply(&pod("flood", &json!({ "containers": [container("flood", &flood), calm] })))?;
        let uid = cluster.kubectl(&["get", "pod", "flood", "-o", "jsonpath={.metadata.uid}"])?;
        let logs = cluster.data.join("pods").join(&uid).join("logs/flood");
        eventually("the flood is over", || async {
            ensure!(size(&logs)? <= KEPT, "{} bytes of log", size(&logs)?);
            let status = status(&cluster, "flood")?;
            let all = status["containerStatuses"].as_array().into_iter().flatten();
            let ended = all.filter(|c| c["state"]["terminated"].is_object()).count();
            if ended == 0 && status["phase"] == "Running" {
                // The other container of the pod is served meanwhile.
                cluster.kubectl(&["exec", "flood", "-c", "calm", "--", "true"])?;
            }
            Ok((ended == 1).then_some(()))
        })
        .await?;
        let tail = cluster.kubectl(&["logs", "flood", "-c", "flood", "--tail=1"])?;
        ensure!(tail == "the last line\n", "{tail}");
        // All that is kept is read, whatever came before.
        let kept = cluster.kubectl(&["logs", "flood", "-c", "flood"])?;
        ensure!(kept.len() as u64 > KEPT / 2 && kept.ends_with("x\nthe last line\n"), "{} bytes", kept.len());
        let shim = std::fs::read_to_string(cluster.data.join("pods").join(&uid).join("shim/shim.lock"))?;
        for (name, pid) in [("agent", cluster.pid_of("agent")?.to_string()), ("shim", shim)] {
            let text = std::fs::read_to_string(Path::new("/proc").join(&pid).join("status"))?;
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            let peak: u64 = peak.context("a peak")?.trim().parse()?;
            ensure!(peak < MEMORY, "{name} took {peak} KiB");
        }
        ensure!(cluster.kubectl(&["get", "nodes"])?.contains(" Ready "));
        // Files that the node gives to a container are its storage, too.
        for (name, file) in [("hosts", "/etc/hosts"), ("words", "/dev/termination-log")] {
            let command = format!("yes > {file} & sleep 3; kill $!; sleep 1000");
            let mut greedy = container("c", &command);
            greedy["resources"] = json!({ "limits": { "ephemeral-storage": "8Mi" } });
            cluster.apply(&pod(name, &json!({ "containers": [greedy] })))?;
            told(&cluster, name, "exceeds").await?;
        }
        Ok(())
    });
}

/// Bytes of a directory's files.
fn size(dir: &Path) -> Result<u64> {
    let mut all = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        // One may be renamed while we look.
        all += entry.metadata().map_or(0, |meta| meta.len());
    }
    Ok(all)
}

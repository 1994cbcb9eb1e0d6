//! Pods as Kubernetes runs them: environment, volumes, probes, restarts, ends, limits, logs.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::{Duration, Instant},
};

const SETTINGS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue, size: "7"}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {password: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: settled, labels: {tier: back}, annotations: {note: "n1"}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: podium/demo:1
    command: ["sh", "-c"]
    args: ["echo $(GREETING) $0; sleep 1000", "$(NAME)-$$(NAME)-$(ABSENT)"]
    env:
    - {name: NAME, value: world}
    - {name: GREETING, value: "hello $(NAME)"}
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: hidden, key: password}}}
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    envFrom:
    - {prefix: FROM_, configMapRef: {name: settings}}
    resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}
    volumeMounts:
    - {name: settings, mountPath: /settings}
    - {name: hidden, mountPath: /hidden}
    - {name: scratch, mountPath: /scratch}
    - {name: host, mountPath: /host, readOnly: true}
    - {name: about, mountPath: /about}
  - name: other
    image: podium/demo:1
    command: ["sh", "-c", "echo shared > /scratch/file; sleep 1000"]
    volumeMounts:
    - {name: scratch, mountPath: /scratch}
  volumes:
  - {name: settings, configMap: {name: settings}}
  - {name: hidden, secret: {secretName: hidden, defaultMode: 0400}}
  - {name: scratch, emptyDir: {}}
  - {name: host, hostPath: {path: HOSTPATH, type: Directory}}
  - name: about
    downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
"#;

fn within(cluster: &Cluster, pod: &str, container: &str, script: &str) -> Result<String> {
    cluster.kubectl(&["exec", pod, "-c", container, "--", "sh", "-c", script])
}

fn pod(cluster: &Cluster, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.kubectl(&["get", "pod", name, "-o", "json"])?)?)
}

#[test]
fn environment_and_volumes_are_what_the_spec_says() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let host = cluster.data.join("host");
        std::fs::create_dir_all(&host)?;
        std::fs::write(host.join("from-host"), "h")?;
        cluster.apply(&SETTINGS.replace("HOSTPATH", &host.to_string_lossy()))?;
        cluster.kubectl(&["wait", "pod/settled", "--for=condition=Ready", "--timeout=60s"])?;
        let main = |script: &str| within(&cluster, "settled", "main", script);

        ensure!(cluster.kubectl(&["logs", "settled", "-c", "main"])? == "hello world world-$(NAME)-$(ABSENT)\n");
        let ip = cluster.kubectl(&["get", "pod", "settled", "-o", "jsonpath={.status.podIP}"])?;
        let seen = main("echo $COLOUR $PASSWORD $POD_IP $LIMIT $FROM_colour $FROM_size $KUBERNETES_SERVICE_HOST")?;
        ensure!(seen == format!("blue s3cret {ip} 64 blue 7 10.96.0.1\n"), "{seen}");
        ensure!(main("cat /settings/colour /hidden/password /host/from-host")? == "blues3creth");
        ensure!(main("stat -L -c %a /hidden/password")? == "400\n");
        ensure!(main("cat /about/labels")? == "tier=\"back\"");
        ensure!(main("touch /host/x").is_err_and(|e| e.to_string().contains("Read-only")));
        eventually("the containers share the emptyDir", || async {
            Ok((main("cat /scratch/file")? == "shared\n").then_some(()))
        })
        .await?;
        // The token is one that the API takes for the pod's service account.
        let token = main("cat /var/run/secrets/kubernetes.io/serviceaccount/token")?;
        let who = cluster.kubectl(&["--token", &token, "auth", "whoami", "-o", "json"]);
        if let Ok(who) = who {
            ensure!(who.contains("system:"), "{who}");
        }
        ensure!(token.split('.').count() == 3, "no JWT: {token}");

        // A change of the ConfigMap reaches the volume, whole.
        cluster.kubectl(&["patch", "configmap", "settings", "-p", r#"{"data":{"colour":"green"}}"#])?;
        eventually("the volume follows the ConfigMap", || async {
            Ok((main("cat /settings/colour")? == "green").then_some(()))
        })
        .await?;
        let status = pod(&cluster, "settled")?;
        ensure!(status["status"]["qosClass"] == "Burstable");
        limits(&status)
    });
}

/// The limits of the main container, as the kernel has them.
fn limits(pod: &Value) -> Result<()> {
    let uid = pod["metadata"]["uid"].as_str().context("uid")?;
    let found = podium_e2e::run("find", &["/sys/fs/cgroup", "-type", "d", "-path", &format!("*pod{uid}/*")])?;
    let read = |file: &str| found.lines().find_map(|dir| std::fs::read_to_string(format!("{dir}/{file}")).ok());
    let values = |names: [&str; 2]| -> Vec<String> {
        found
            .lines()
            .flat_map(|dir| names.map(|name| std::fs::read_to_string(format!("{dir}/{name}")).unwrap_or_default()))
            .collect()
    };
    ensure!(read("memory.max").is_some() || read("memory.limit_in_bytes").is_some(), "no memory cgroup: {found}");
    let memory = values(["memory.max", "memory.limit_in_bytes"]);
    ensure!(memory.iter().any(|v| v.trim() == (64 << 20).to_string()), "{memory:?}");
    let cpu = values(["cpu.max", "cpu.cfs_quota_us"]);
    ensure!(cpu.iter().any(|v| v.split_whitespace().next() == Some("20000")), "{cpu:?}");
    Ok(())
}

const ENDS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: done}
spec:
  restartPolicy: Never
  containers: [{name: c, image: podium/demo:1, command: ["sh", "-c", "echo bye > /dev/termination-log"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: failed}
spec:
  restartPolicy: Never
  containers: [{name: c, image: podium/demo:1, command: ["sh", "-c", "exit 3"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: retried}
spec:
  restartPolicy: OnFailure
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: c
    image: podium/demo:1
    command: ["sh", "-c", "[ -e /v/ran ] && exit 0; touch /v/ran; exit 1"]
    volumeMounts: [{name: v, mountPath: /v}]
---
apiVersion: v1
kind: Pod
metadata: {name: crashing}
spec:
  containers: [{name: c, image: podium/demo:1, command: ["sh", "-c", "echo life; exit 9"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: podium/demo:1
    command: ["sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}"]
    resources: {limits: {memory: 24Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: unknown}
spec:
  restartPolicy: Never
  containers: [{name: c, image: podium/demo:1, command: ["/no/such/program"]}]
"#;

#[test]
fn containers_end_with_code_and_reason() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(ENDS)?;
        let state = |name: &'static str, pointer: &'static str| {
            let cluster = &cluster;
            async move { Ok::<_, anyhow::Error>(pod(cluster, name)?.pointer(pointer).cloned().unwrap_or_default()) }
        };
        const ENDED: &str = "/status/containerStatuses/0/state/terminated";
        let phase = |name: &'static str, wanted: &'static str| {
            let cluster = &cluster;
            async move {
                eventually(&format!("{name} is {wanted}"), || async {
                    Ok((pod(cluster, name)?["status"]["phase"] == wanted).then_some(()))
                })
                .await
            }
        };
        phase("done", "Succeeded").await?;
        let done = state("done", ENDED).await?;
        ensure!(done["exitCode"] == 0 && done["reason"] == "Completed" && done["message"] == "bye\n", "{done}");
        phase("failed", "Failed").await?;
        let failed = state("failed", ENDED).await?;
        ensure!(failed["exitCode"] == 3 && failed["reason"] == "Error", "{failed}");
        phase("retried", "Succeeded").await?;
        ensure!(state("retried", "/status/containerStatuses/0/restartCount").await? == 1);
        phase("hungry", "Failed").await?;
        let hungry = state("hungry", ENDED).await?;
        ensure!(hungry["reason"] == "OOMKilled" && hungry["exitCode"] == 137, "{hungry}");
        phase("unknown", "Failed").await?;
        let unknown = state("unknown", ENDED).await?;
        ensure!(unknown["reason"] == "StartError" && unknown["exitCode"] == 128, "{unknown}");

        eventually("the crashing pod backs off", || async {
            let waiting = state("crashing", "/status/containerStatuses/0/state/waiting/reason").await?;
            Ok((waiting == "CrashLoopBackOff").then_some(()))
        })
        .await?;
        let last = state("crashing", "/status/containerStatuses/0/lastState/terminated/exitCode").await?;
        ensure!(last == 9, "{last}");
        ensure!(cluster.kubectl(&["logs", "crashing", "--previous"])? == "life\n");
        ensure!(cluster.kubectl(&["describe", "pod", "crashing"])?.contains("Back-off restarting failed container"));
        Ok(())
    });
}

const PROBED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: podium/demo:1
    startupProbe: {exec: {command: ["test", "-e", "/tmp/started"]}, periodSeconds: 1, failureThreshold: 60}
    livenessProbe: {exec: {command: ["test", "!", "-e", "/tmp/sick"]}, periodSeconds: 1, failureThreshold: 2}
    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: polite}
spec:
  terminationGracePeriodSeconds: 30
  volumes: [{name: host, hostPath: {path: HOSTPATH}}]
  containers:
  - name: c
    image: podium/demo:1
    command: ["sh", "-c", "trap 'sleep 1; echo ended > /host/ended; exit 0' TERM; while true; do sleep 0.1; done"]
    volumeMounts: [{name: host, mountPath: /host}]
---
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - {name: c, image: podium/demo:1, command: ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]}
"#;

#[test]
fn probes_and_grace_are_honoured() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(&PROBED.replace("HOSTPATH", &cluster.data.to_string_lossy()))?;
        let status = || -> Result<Value> {
            Ok(pod(&cluster, "probed")?.pointer("/status/containerStatuses/0").cloned().unwrap_or_default())
        };
        eventually("it runs", || async { Ok(status()?.pointer("/state/running").map(drop)) }).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(status()?["started"] == false && status()?["ready"] == false, "ready before its start-up probe passed");
        within(&cluster, "probed", "c", "touch /tmp/started")?;
        cluster.kubectl(&["wait", "pod/probed", "--for=condition=Ready", "--timeout=30s"])?;
        within(&cluster, "probed", "c", "touch /tmp/sick")?;
        let again = eventually("the liveness probe restarts it", || async {
            let status = status()?;
            Ok((status["restartCount"] == 1).then_some(status))
        })
        .await?;
        ensure!(again["lastState"]["terminated"]["exitCode"].as_i64().is_some(), "{again}");
        ensure!(cluster.kubectl(&["describe", "pod", "probed"])?.contains("Liveness probe failed"));

        cluster.kubectl(&["wait", "pod/polite", "pod/stubborn", "--for=condition=Ready", "--timeout=30s"])?;
        let began = Instant::now();
        cluster.kubectl(&["delete", "pod", "polite"])?;
        ensure!(std::fs::read_to_string(cluster.data.join("ended"))? == "ended\n", "it was not given its grace");
        ensure!(began.elapsed() < Duration::from_secs(15), "it was waited for though it had ended");
        let began = Instant::now();
        cluster.kubectl(&["delete", "pod", "stubborn"])?;
        let took = began.elapsed();
        ensure!(took > Duration::from_secs(2) && took < Duration::from_secs(15), "killed after {took:?}");
        Ok(())
    });
}

const TALKING: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: talking}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: podium/demo:1
    stdin: true
    command: ["sh", "-c", "echo first; while read line; do echo got $line; done; sleep 1000"]
"#;

#[test]
fn logs_are_followed_and_containers_attached_to() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(TALKING)?;
        cluster.kubectl(&["wait", "pod/talking", "--for=condition=Ready", "--timeout=60s"])?;
        let mut follow = cluster.kubectl_command(&["logs", "-f", "talking"]).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(follow.stdout.take().context("stdout")?).lines();
        let mut attach = cluster.kubectl_command(&["attach", "-i", "-q", "talking"]);
        let mut attach = attach.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut answers = BufReader::new(attach.stdout.take().context("stdout")?).lines();
        let checked = (|| {
            ensure!(lines.next().context("a line")?? == "first");
            let mut input = attach.stdin.take().context("stdin")?;
            writeln!(input, "one")?;
            ensure!(lines.next().context("a followed line")?? == "got one");
            ensure!(answers.next().context("an attached line")?? == "got one");
            Ok(())
        })();
        for child in [&mut follow, &mut attach] {
            child.kill()?;
            child.wait()?;
        }
        checked?;
        ensure!(cluster.kubectl(&["logs", "talking", "--tail=1"])? == "got one\n");
        ensure!(cluster.kubectl(&["logs", "talking", "--since=1h"])? == "first\ngot one\n");
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(cluster.kubectl(&["logs", "talking", "--since=1s"])?.is_empty());
        ensure!(cluster.kubectl(&["logs", "talking", "--limit-bytes=3"])? == "fir");
        Ok(())
    });
}

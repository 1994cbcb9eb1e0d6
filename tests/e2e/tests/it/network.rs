//! Pods reach each other, Services and names; the node's streams reach into pods.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, NODE_IP, eventually, with_cluster};
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

const OBJECTS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: shell, image: "podium/demo:1", command: [sh, -c, "echo started; while true; do sleep 1; done"]}
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web}}
spec:
  hostname: first
  subdomain: peers
  containers: [{name: web, image: "podium/demo:1", ports: [{name: http, containerPort: 80}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: web}}
spec:
  containers: [{name: web, image: "podium/demo:1", ports: [{name: http, containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8080, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: none}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
"#;

fn inside(cluster: &Cluster, script: &str) -> Result<String> {
    cluster.kubectl(&["exec", "client", "--", "sh", "-c", script])
}

#[test]
fn services_names_and_streams() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(OBJECTS)?;
        cluster.kubectl(&["wait", "pod/client", "pod/one", "pod/two", "--for=condition=Ready", "--timeout=60s"])?;
        let ip = |pod: &str| cluster.kubectl(&["get", "pod", pod, "-o", "jsonpath={.status.podIP}"]);

        // Pod to pod without translation; the node reaches pods as well.
        let direct = inside(&cluster, &format!("timeout 5 wget -qO- http://{}/", ip("one")?))?;
        ensure!(direct == "hello from first\n", "{direct}");
        ensure!(cluster.get(&format!("http://{}/", ip("two")?))?.contains("hello from two"));

        // A Service by name and by address, from pods and from the node; both backends take part.
        let body = eventually("the Service answers", || async {
            Ok(Some(inside(&cluster, "timeout 5 wget -qO- http://web:8080/")?))
        })
        .await?;
        ensure!(body.starts_with("hello from "), "{body}");
        let many = inside(
            &cluster,
            "for i in $(seq 30); do timeout 5 wget -qO- http://web.default.svc.cluster.local:8080/; done",
        )?;
        ensure!(many.contains("first") && many.contains("two"), "{many}");
        let vip = cluster.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"])?;
        ensure!(cluster.get(&format!("http://{vip}:8080/"))?.starts_with("hello from"));
        // Through its own Service a backend may reach itself.
        let own = cluster.kubectl(&[
            "exec",
            "one",
            "--",
            "sh",
            "-c",
            "for i in $(seq 10); do timeout 5 wget -qO- http://web:8080/; done",
        ])?;
        ensure!(own.contains("first"), "{own}");
        // Without endpoints: refused at once, not a time-out.
        let refused = inside(&cluster, "timeout 5 wget -qO- http://nobody/ 2>&1; true")?;
        ensure!(refused.contains("refused"), "{refused}");

        // Names.
        let lookup = |name: &str| inside(&cluster, &format!("nslookup {name} 2>&1; true"));
        ensure!(lookup("web.default.svc.cluster.local")?.contains(&vip));
        ensure!(lookup("first.peers.default.svc.cluster.local")?.contains(&ip("one")?));
        let headless = lookup("peers.default.svc.cluster.local")?;
        ensure!(headless.contains(&ip("one")?) && headless.contains(&ip("two")?), "{headless}");
        ensure!(lookup("elsewhere.default.svc.cluster.local")?.contains(&vip));
        ensure!(lookup("absent.default.svc.cluster.local")?.contains("NXDOMAIN"));
        let api = inside(&cluster, "nc -w 2 kubernetes 443 </dev/null && echo reached")?;
        ensure!(api.contains("reached"), "{api}");
        ensure!(inside(&cluster, "cat /etc/hosts")?.contains(&ip("client")?));
        ensure!(inside(&cluster, "ls /var/run/secrets/kubernetes.io/serviceaccount")?.contains("token"));

        streams(&cluster)?;

        // An endpoint that goes is gone from the Service.
        cluster.kubectl(&["delete", "pod", "two", "--grace-period=1"])?;
        eventually("only one answers", || async {
            let many = inside(&cluster, "for i in $(seq 10); do timeout 2 wget -qO- http://web:8080/; done")?;
            Ok((!many.contains("two") && many.lines().count() == 10).then_some(()))
        })
        .await?;
        Ok(())
    });
}

fn streams(cluster: &Cluster) -> Result<()> {
    let exec = |args: &[&str]| cluster.kubectl(&[&["exec", "client", "--"], args].concat());
    ensure!(exec(&["echo", "a b"])? == "a b\n");
    let failed = exec(&["sh", "-c", "echo out; echo err >&2; exit 7"]).unwrap_err().to_string();
    ensure!(failed.contains("out") && failed.contains("err") && failed.contains("exit code 7"), "{failed}");
    let mut cat = cluster.kubectl_command(&["exec", "-i", "client", "--", "cat"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut cat.stdin.take().context("stdin")?, b"through and back")?;
    let output = cat.wait_with_output()?;
    ensure!(output.stdout == b"through and back", "{output:?}");

    let logs = |args: &[&str]| cluster.kubectl(&[&["logs", "client"], args].concat());
    ensure!(logs(&[])? == "started\n");
    ensure!(logs(&["--tail=0"])?.is_empty());
    let stamped = logs(&["--timestamps"])?;
    ensure!(stamped.starts_with("20") && stamped.ends_with(" started\n"), "{stamped}");
    let refused = cluster.kubectl(&["logs", "client", "-c", "nobody"]).unwrap_err().to_string();
    ensure!(refused.contains("container nobody is not valid for pod client"), "{refused}");

    let mut forward = cluster.kubectl_command(&["port-forward", "pod/one", ":80"]);
    let mut forward = forward.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let checked = (|| {
        let mut line = String::new();
        // Kept open: kubectl ends when it cannot print.
        let mut stdout = BufReader::new(forward.stdout.take().context("stdout")?);
        stdout.read_line(&mut line)?;
        let port = line.split(':').nth(1).and_then(|p| p.split(' ').next()).context("no port")?.to_owned();
        for _ in 0..3 {
            let body = cluster.get(&format!("http://127.0.0.1:{port}/"))?;
            ensure!(body == "hello from first\n", "{body}");
        }
        Ok(())
    })();
    forward.kill()?;
    forward.wait()?;
    checked?;
    let nodes = cluster.kubectl(&["get", "nodes", "-o", "wide"])?;
    ensure!(nodes.contains("Ready") && nodes.contains(NODE_IP), "{nodes}");
    Ok(())
}

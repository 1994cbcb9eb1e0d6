//! Streams by SPDY/3.1, as kubectl speaks it up to 1.28 and when it is told to, and by WebSocket.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: podium/demo:1
    command: ["sh", "-c", "mkdir -p /www/sub && echo hello > /www/index.html && echo deep > /www/sub/x && exec httpd -f -p 8080 -h /www"]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: lonely}
spec:
  selector: {app: nobody}
  ports: [{port: 80}]
"#;

/// Both ways in which kubectl can speak.
const WAYS: [&str; 2] = ["false", "true"];

/// kubectl that speaks WebSocket, or SPDY alone.
fn kubectl(cluster: &Cluster, websockets: &str, args: &[&str]) -> Command {
    let mut command = cluster.kubectl_command(args);
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets);
    command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
    command
}

async fn start(cluster: &Cluster) -> Result<()> {
    cluster.load_images()?;
    cluster.apply(PODS)?;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"])?;
    eventually("the web server answers in its pod", || async {
        let asked = cluster.kubectl(&["exec", "web", "--", "wget", "-qO-", "http://127.0.0.1:8080/"]);
        Ok(asked.ok().filter(|text| text.contains("hello")))
    })
    .await
    .map(drop)
}

fn exec(cluster: &Cluster, way: &str) -> Result<()> {
    let done = kubectl(cluster, way, &["exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(done.status.code() == Some(7), "{way}: {done:?}");
    ensure!(text(&done.stdout) == "out\n" && text(&done.stderr).starts_with("err\n"), "{way}: {done:?}");
    // More than any buffer holds, there and back.
    let mut child = kubectl(cluster, way, &["exec", "-i", "web", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let sent: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let mut stdin = child.stdin.take().context("stdin")?;
    let input = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let done = child.wait_with_output()?;
    ensure!(writer.join().is_ok_and(|w| w.is_ok()), "{way}: stdin was not taken");
    ensure!(done.status.success() && text(&done.stdout) == sent, "{way}: {} bytes came back", done.stdout.len());
    Ok(())
}

fn forward(cluster: &Cluster, way: &str) -> Result<()> {
    let mut child = kubectl(cluster, way, &["port-forward", "pod/web", ":8080"]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    // Kept to the end: kubectl writes a line per connection.
    let mut said = BufReader::new(child.stdout.take().context("stdout")?);
    said.read_line(&mut line)?;
    let local = line.split("127.0.0.1:").nth(1).and_then(|l| l.split(' ').next()).context(line.clone())?;
    for _ in 0..3 {
        let answer = cluster.get(&format!("http://127.0.0.1:{local}/"));
        ensure!(answer.as_ref().is_ok_and(|a| a == "hello\n"), "{way}: {answer:?}");
    }
    child.kill()?;
    child.wait()?;
    drop(said);
    Ok(())
}

#[test]
fn exec_and_port_forward_by_spdy_and_by_websocket() {
    with_cluster(|cluster| async move {
        start(&cluster).await?;
        for way in WAYS {
            exec(&cluster, way)?;
            forward(&cluster, way)?;
        }
        Ok(())
    });
}

#[test]
fn proxies_reach_pods_services_and_nodes() {
    with_cluster(|cluster| async move {
        start(&cluster).await?;
        let raw = |path: &str| cluster.kubectl(&["get", "--raw", path]);
        for place in ["pods/web:8080", "pods/http:web:8080", "services/web:80", "services/http:web:http"] {
            let text = eventually(place, || async {
                let path = format!("/api/v1/namespaces/default/{place}/proxy/sub/x");
                raw(&path).map(Some)
            })
            .await?;
            ensure!(text == "deep\n", "{place}: {text}");
        }
        let lonely = raw("/api/v1/namespaces/default/services/lonely:80/proxy/").map_err(|e| e.to_string());
        ensure!(
            lonely.as_ref().is_err_and(|e| e.contains("no endpoints available for service \"lonely\"")),
            "{lonely:?}"
        );
        ensure!(raw("/api/v1/nodes/node-a/proxy/healthz")? == "ok");
        ensure!(raw("/api/v1/nodes/node-a:10250/proxy/pods")?.contains("\"web\""));
        let refused = raw("/api/v1/namespaces/default/pods/web:1/proxy/").map_err(|e| e.to_string());
        ensure!(refused.as_ref().is_err_and(|e| e.contains("error trying to reach service")), "{refused:?}");
        // kubectl's own proxy, before the server's.
        let mut child = cluster.kubectl_command(&["proxy", "--port=0"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().context("stdout")?);
        said.read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().unwrap_or_default();
        let answer = cluster.get(&format!("http://{address}/api/v1/namespaces/default/services/web:80/proxy/"));
        child.kill()?;
        child.wait()?;
        drop(said);
        ensure!(answer.as_ref().is_ok_and(|a| a == "hello\n"), "{line}: {answer:?}");
        ensure!(cluster.kubectl(&["get", "cs", "-o", "name"])?.contains("componentstatus/scheduler"));
        Ok(())
    });
}

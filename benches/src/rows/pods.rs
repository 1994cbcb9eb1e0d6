//! POST to Running of one pod on a real node, image present, network included.

use super::memory::Memory;
use crate::{
    client::{Connection, Dialer},
    stats::Latencies,
    table::Table,
};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use podium_e2e::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RUNS: usize = 60;
/// Runs before those that count.
const WARM_UP: usize = 3;
/// Between two runs, so that none pays for the one before.
const PAUSE: Duration = Duration::from_millis(100);
const PODS: &str = "/api/v1/namespaces/default/pods";

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "pod: POST to Running, one node";
    if !table.wants(name) && !table.wants("memory: a pod's shim") {
        return Ok(());
    }
    cluster.load_images()?;
    let dialer = Dialer::new(cluster)?;
    let mut took = Vec::new();
    let mut shim = None;
    for n in 0..WARM_UP + RUNS {
        let one = post_to_running(&dialer, &format!("quick-{n}"), &mut shim).await?;
        if n >= WARM_UP {
            took.push(one);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let took = Latencies::new(took);
    let (p50, p99) = (took.ms(0.5), took.ms(0.99));
    let said = format!("p50 {p50:.0} ms, p99 {p99:.0} ms ({RUNS} runs)");
    table.row(name, &said, "p50 80 ms, p99 250 ms", p50 <= 80.0 && p99 <= 250.0);
    if let Some(memory) = shim {
        table.note("memory: a pod's shim", &memory.said());
    }
    Ok(())
}

/// One pod from its POST until a watch says Running; then it is deleted and waited for.
async fn post_to_running(dialer: &Dialer, name: &str, shim: &mut Option<Memory>) -> Result<Duration> {
    let mut connection = dialer.connect().await?;
    let mut watch = Watch::open(dialer, name).await?;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "podium/demo:1"}]}});
    let from = Instant::now();
    connection.ask("POST", PODS, Some(pod.to_string())).await?;
    watch.until(|event| event["object"]["status"]["phase"] == "Running").await?;
    let took = from.elapsed();
    if shim.is_none() {
        // Another shim on this machine may end while it is read.
        *shim = find_shim().map(Memory::of).filter(|memory| memory.pss.is_finite());
    }
    connection.ask("DELETE", &format!("{PODS}/{name}"), None).await?;
    watch.until(|event| event["type"] == "DELETED").await?;
    Ok(took)
}

/// A process named as shims name themselves.
fn find_shim() -> Option<i32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "podium-shim"))
}

/// The events of one pod.
struct Watch {
    _connection: Connection,
    events: BodyDataStream<Incoming>,
    buffer: Vec<u8>,
}

impl Watch {
    async fn open(dialer: &Dialer, name: &str) -> Result<Self> {
        let mut connection = dialer.connect().await?;
        let path = format!("{PODS}?watch=true&fieldSelector=metadata.name%3D{name}");
        let events = connection.open("GET", &path, None).await?.into_body().into_data_stream();
        Ok(Self { _connection: connection, events, buffer: Vec::new() })
    }
    async fn until(&mut self, seen: impl Fn(&Value) -> bool) -> Result<()> {
        loop {
            while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if seen(&serde_json::from_slice(&line)?) {
                    return Ok(());
                }
            }
            self.buffer.extend_from_slice(&self.events.next().await.context("the watch ended")??);
        }
    }
}

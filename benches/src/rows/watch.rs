//! One write reaching many watchers, alone and among other writes.

use crate::{client::Dialer, stats::Latencies, table::Table};
use anyhow::{Result, ensure};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use podium_e2e::Cluster;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinHandle};

const WATCHERS: usize = 1_000;
const WRITES: usize = 20;
/// Time between two of the other writes: 200 a second.
const OTHERS: Duration = Duration::from_millis(5);
/// Time between two of the writes that are measured, where others go on.
const PAUSE: Duration = Duration::from_millis(100);
/// Milliseconds.
const BAR: f64 = 25.0;
const PATH: &str = "/api/v1/namespaces/kube-system/configmaps";

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let (alone, among) = ("watch: create to event, 1,000 watchers", "watch: the same, among 200 writes/s");
    if !table.wants(alone) && !table.wants(among) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let (seen, mut events) = mpsc::unbounded_channel::<Instant>();
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        watchers.push(watcher(&dialer, seen.clone()).await?);
    }
    if table.wants(alone) {
        let took = reach(&dialer, "alone", Duration::ZERO, &mut events).await?;
        told(table, alone, &took);
    }
    if table.wants(among) {
        let others = others(&dialer).await?;
        let took = reach(&dialer, "among", PAUSE, &mut events).await;
        ensure!(!others.is_finished(), "the other writes failed");
        others.abort();
        told(table, among, &took?);
    }
    for watcher in watchers {
        watcher.abort();
    }
    Ok(())
}

fn told(table: &mut Table, name: &str, took: &Latencies) {
    let (p50, p99) = (took.ms(0.5), took.ms(0.99));
    table.row(name, &format!("p50 {p50:.1} ms, p99 {p99:.1} ms, {} events", took.len()), "p99 25 ms", p99 <= BAR);
}

/// Tells when it sees each event.
async fn watcher(dialer: &Dialer, seen: mpsc::UnboundedSender<Instant>) -> Result<JoinHandle<()>> {
    let mut connection = dialer.connect().await?;
    let path = format!("{PATH}?watch=true&labelSelector=bench%3Dwatch");
    let mut body = connection.open("GET", &path, None).await?.into_body().into_data_stream();
    Ok(tokio::spawn(async move {
        let _connection = connection;
        while let Some(Ok(chunk)) = body.next().await {
            let now = Instant::now();
            for _ in 0..chunk.iter().filter(|b| **b == b'\n').count() {
                let _ = seen.send(now);
            }
        }
    }))
}

/// How long writes took to reach every watcher.
async fn reach(
    dialer: &Dialer,
    series: &str,
    pause: Duration,
    events: &mut mpsc::UnboundedReceiver<Instant>,
) -> Result<Latencies> {
    let mut writer = dialer.connect().await?;
    let mut took = Vec::new();
    for n in 0..WRITES {
        tokio::time::sleep(pause).await;
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("watch-{series}-{n}"), "labels": {"bench": "watch"}}});
        let from = Instant::now();
        writer.ask("POST", PATH, Some(map.to_string())).await?;
        for _ in 0..WATCHERS {
            let at = tokio::time::timeout(Duration::from_secs(10), events.recv()).await?;
            took.extend(at.map(|at| at.duration_since(from)));
        }
    }
    Ok(Latencies::new(took))
}

/// Writes of the same kind that no watcher asked for, until it is aborted or one fails.
async fn others(dialer: &Dialer) -> Result<JoinHandle<()>> {
    let mut connection = dialer.connect().await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "watch-others"}});
    connection.ask("POST", PATH, Some(map.to_string())).await?;
    Ok(tokio::spawn(async move {
        let mut clock = tokio::time::interval(OTHERS);
        for n in 0_u64.. {
            clock.tick().await;
            let patch = json!({"data": {"n": n.to_string()}}).to_string();
            if connection.ask("PATCH", &format!("{PATH}/watch-others"), Some(patch)).await.is_err() {
                return;
            }
        }
    }))
}

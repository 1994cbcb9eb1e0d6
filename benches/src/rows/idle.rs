//! Watches that nothing happens to: what each costs the server.

use super::memory::Memory;
use crate::{
    client::{Connection, Dialer},
    table::Table,
};
use anyhow::Result;
use hyper::body::Incoming;
use podium_e2e::Cluster;
use std::time::Duration;

const WATCHES: usize = 10_000;
/// Megabytes for all of them.
const BAR: f64 = 200.0;
/// Connections that are opened at a time.
const AT_ONCE: usize = 16;
/// How long the server is left alone before it is weighed.
const CALM: Duration = Duration::from_secs(5);

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "watch: memory of 10,000 idle watches";
    if !table.wants(name) {
        return Ok(());
    }
    let (dialer, server) = (Dialer::new(cluster)?, cluster.pid_of("server")?);
    tokio::time::sleep(CALM).await;
    let before = Memory::of(server).pss;
    let mut watches = Vec::with_capacity(WATCHES);
    while watches.len() < WATCHES {
        let tasks: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(watch(dialer.clone()))).collect();
        for task in tasks {
            watches.push(task.await??);
        }
    }
    tokio::time::sleep(CALM).await;
    let grown = Memory::of(server).pss - before;
    let each = grown * 1024.0 / watches.len() as f64;
    table.row(name, &format!("{grown:.0} MB, {each:.1} KB each, a connection each"), "200 MB", grown <= BAR);
    Ok(())
}

/// A watch on a connection of its own.
async fn watch(dialer: Dialer) -> Result<(Connection, Incoming)> {
    let mut connection = dialer.connect().await?;
    let path = "/api/v1/namespaces/kube-node-lease/configmaps?watch=true&labelSelector=bench%3Didle";
    let body = connection.open("GET", path, None).await?.into_body();
    Ok((connection, body))
}

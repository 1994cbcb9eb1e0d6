//! Watches that nothing happens to: what each costs the server, with a connection each and with
//! many on a connection, as client-go holds them over HTTP/2.

use super::memory::Memory;
use crate::{
    client::{Connection, Dialer, Multiplexed},
    table::Table,
};
use anyhow::Result;
use hyper::body::Incoming;
use podium_e2e::Cluster;
use std::time::Duration;

const WATCHES: usize = 10_000;
/// Watches on one connection over HTTP/2.
const TOGETHER: usize = 50;
/// Megabytes for all of them.
const BAR: f64 = 200.0;
/// Connections that are opened at a time.
const AT_ONCE: usize = 16;
/// How long the server is left alone before it is weighed.
const CALM: Duration = Duration::from_secs(5);
const PATH: &str = "/api/v1/namespaces/kube-node-lease/configmaps?watch=true&labelSelector=bench%3Didle";

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let (shared, single) = ("watch: 10,000 idle, HTTP/2, 50 a connection", "watch: 10,000 idle, a connection each");
    let (dialer, server) = (Dialer::new(cluster)?, cluster.pid_of("server")?);
    if table.wants(shared) {
        let before = weigh(server).await;
        let mut held = Vec::with_capacity(WATCHES / TOGETHER);
        while held.len() < WATCHES / TOGETHER {
            let mut connection = dialer.multiplex().await?;
            let mut bodies = Vec::with_capacity(TOGETHER);
            for _ in 0..TOGETHER {
                bodies.push(connection.get(PATH).await?);
            }
            held.push((connection, bodies));
        }
        told(table, shared, before, server).await;
        drop::<Vec<(Multiplexed, _)>>(held);
    }
    if table.wants(single) {
        let before = weigh(server).await;
        let mut held = Vec::with_capacity(WATCHES);
        while held.len() < WATCHES {
            let tasks: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(watch(dialer.clone()))).collect();
            for task in tasks {
                held.push(task.await??);
            }
        }
        told(table, single, before, server).await;
    }
    Ok(())
}

async fn weigh(server: i32) -> f64 {
    tokio::time::sleep(CALM).await;
    Memory::of(server).pss
}

async fn told(table: &mut Table, name: &str, before: f64, server: i32) {
    let grown = weigh(server).await - before;
    let each = grown * 1024.0 / WATCHES as f64;
    table.row(name, &format!("the server grew by {grown:.0} MB, {each:.1} KB each"), "200 MB", grown <= BAR);
}

/// A watch on a connection of its own.
async fn watch(dialer: Dialer) -> Result<(Connection, Incoming)> {
    let mut connection = dialer.connect().await?;
    let body = connection.open("GET", PATH, None).await?.into_body();
    Ok((connection, body))
}

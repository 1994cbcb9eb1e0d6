//! `/stats/summary`, in the kubelet's form (stats/v1alpha1).

use crate::{
    api::query::{Query, refuse},
    node::seconds,
    pod::Place,
    shared::Shared,
    stats::{DiskUsage, FileSystem, Interface, PodDisk, PodSample, Sample},
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use podium_oci::Stats;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Directories of a pod are walked no more often (the kubelet's volumeStatsAggPeriod).
const DISK_AGE: Duration = Duration::from_secs(60);
/// Pods whose directories are walked at once.
const WALKS: usize = 4;

/// Answers; `only_cpu_and_memory` leaves the rest out.
pub(crate) async fn summary(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let (shared, brief) = (shared.into_inner(), Query::of(&request).flag("only_cpu_and_memory"));
    match shared.meter.sample(&shared).await {
        Ok(sample) if brief => HttpResponse::Ok().json(render(&shared, &sample, None)),
        Ok(sample) => {
            let disks = disks(&shared, &sample).await;
            HttpResponse::Ok().json(render(&shared, &sample, Some(&disks)))
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn disks(shared: &Arc<Shared>, sample: &Sample) -> BTreeMap<String, Arc<PodDisk>> {
    shared.meter.disk.prune(shared);
    let walks = sample.pods.iter().filter_map(|pod| shared.pods.get(&pod.uid)).map(|slot| async move {
        let place = Place { shared: shared.clone(), pod: slot.pod.load_full(), uid: slot.uid.clone() };
        Some((slot.uid.clone(), shared.meter.disk.pod(place, DISK_AGE).await.ok()?))
    });
    stream::iter(walks).buffer_unordered(WALKS).filter_map(|found| async { found }).collect().await
}

fn render(shared: &Shared, sample: &Sample, disks: Option<&BTreeMap<String, Arc<PodDisk>>>) -> Value {
    let (now, room) = (sample.at, FileSystem::of(&shared.config.data_dir).ok().filter(|_| disks.is_some()));
    let node = &sample.node;
    let systems: Vec<Value> = node
        .systems
        .iter()
        .map(|(name, stats, nano_cores)| {
            json!({
                "name": name,
                "startTime": seconds(node.started),
                "cpu": cpu(now, stats, *nano_cores),
                "memory": memory(now, stats, None),
            })
        })
        .collect();
    let mut about = Map::new();
    about.insert("nodeName".into(), shared.config.node_name.clone().into());
    about.insert("systemContainers".into(), systems.into());
    about.insert("startTime".into(), seconds(node.started).into());
    about.insert("cpu".into(), cpu(now, &node.stats, node.nano_cores));
    about.insert("memory".into(), memory(now, &node.stats, Some(node.memory_available)));
    if let Some(room) = room {
        about.insert("network".into(), network(now, &node.interfaces));
        let used = DiskUsage {
            bytes: room.capacity_bytes.saturating_sub(room.available_bytes),
            inodes: room.inodes.saturating_sub(room.inodes_free),
        };
        about.insert("fs".into(), fs(now, &room, used));
        let images = DiskUsage { bytes: shared.images.used_bytes(), ..DiskUsage::default() };
        let mut images = fs(now, &room, images);
        // Images are not walked for this.
        images["inodesUsed"] = Value::Null;
        about.insert("runtime".into(), json!({ "imageFs": images, "containerFs": fs(now, &room, used) }));
        let tasks = node.processes;
        about.insert("rlimit".into(), json!({ "time": seconds(now), "maxpid": tasks.most, "curproc": tasks.running }));
    }
    let pods: Vec<Value> = sample
        .pods
        .iter()
        .map(|pod| {
            let disk = room.zip(disks.and_then(|all| all.get(&pod.uid)));
            about_pod(now, pod, disk.as_ref().map(|(room, disk)| (room, &***disk)), disks.is_some())
        })
        .collect();
    json!({ "node": about, "pods": pods })
}

fn about_pod(now: Timestamp, pod: &PodSample, disk: Option<(&FileSystem, &PodDisk)>, whole: bool) -> Value {
    let containers: Vec<Value> = pod
        .containers
        .iter()
        .map(|c| {
            let mut about = json!({
                "name": c.name,
                "startTime": seconds(c.started),
                "cpu": cpu(now, &c.stats, c.nano_cores),
                "memory": memory(now, &c.stats, None),
            });
            if let Some((room, disk)) = disk {
                about["rootfs"] = fs(now, room, disk.layers.get(&c.name).copied().unwrap_or_default());
                about["logs"] = fs(now, room, disk.logs.get(&c.name).copied().unwrap_or_default());
            }
            about
        })
        .collect();
    let mut about = json!({
        "podRef": { "name": pod.name, "namespace": pod.namespace, "uid": pod.uid },
        "startTime": seconds(pod.started),
        "containers": containers,
        "cpu": cpu(now, &pod.stats, pod.nano_cores),
        "memory": memory(now, &pod.stats, None),
    });
    if whole {
        about["process_stats"] = json!({ "process_count": pod.stats.pids });
        if let Some(interfaces) = &pod.interfaces {
            about["network"] = network(now, interfaces);
        }
    }
    if let Some((room, disk)) = disk {
        let volumes = disk.volumes.iter().map(|(name, usage)| {
            let mut volume = fs(now, room, *usage);
            volume["name"] = name.clone().into();
            volume
        });
        about["volume"] = volumes.collect();
        about["ephemeral-storage"] = fs(now, room, disk.ephemeral());
    }
    about
}

fn cpu(now: Timestamp, stats: &Stats, nano_cores: u64) -> Value {
    json!({ "time": seconds(now), "usageNanoCores": nano_cores, "usageCoreNanoSeconds": stats.cpu_usage_nanos })
}

/// `available` is known where there is a limit, or for the machine.
fn memory(now: Timestamp, stats: &Stats, available: Option<u64>) -> Value {
    let below_limit = stats.memory_limit_bytes.map(|limit| limit.saturating_sub(stats.memory_working_set_bytes));
    let mut about = json!({
        "time": seconds(now),
        "usageBytes": stats.memory_usage_bytes,
        "workingSetBytes": stats.memory_working_set_bytes,
        "rssBytes": stats.memory_rss_bytes,
        "pageFaults": stats.page_faults,
        "majorPageFaults": stats.major_page_faults,
    });
    if let Some(bytes) = available.or(below_limit) {
        about["availableBytes"] = bytes.into();
    }
    about
}

/// The file system's room, and what of it is used here.
fn fs(now: Timestamp, room: &FileSystem, used: DiskUsage) -> Value {
    json!({
        "time": seconds(now),
        "availableBytes": room.available_bytes,
        "capacityBytes": room.capacity_bytes,
        "usedBytes": used.bytes,
        "inodesFree": room.inodes_free,
        "inodes": room.inodes,
        "inodesUsed": used.inodes,
    })
}

/// The interface with the default name stands for all.
fn network(now: Timestamp, interfaces: &[Interface]) -> Value {
    let one = |i: &Interface| {
        json!({
            "name": i.name,
            "rxBytes": i.rx_bytes,
            "rxErrors": i.rx_errors,
            "txBytes": i.tx_bytes,
            "txErrors": i.tx_errors,
        })
    };
    let default = interfaces.iter().find(|i| i.name == "eth0").or(interfaces.first());
    let mut about = default.map_or_else(|| json!({ "name": "" }), one);
    about["time"] = seconds(now).into();
    about["interfaces"] = interfaces.iter().map(one).collect();
    about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_told_with_its_disk_or_without() {
        let sample = super::super::sample();
        let pod = &sample.pods[0];
        let brief = about_pod(sample.at, pod, None, false);
        assert_eq!(brief["podRef"], json!({ "name": "p", "namespace": "ns", "uid": "u-1" }));
        assert_eq!(brief["containers"][0]["cpu"]["usageNanoCores"], 10);
        assert_eq!(brief["containers"][0]["memory"]["availableBytes"], 3000, "below its limit");
        assert!(brief.get("network").is_none() && brief.get("volume").is_none());
        let room = FileSystem { capacity_bytes: 100, available_bytes: 60, inodes: 10, inodes_free: 4 };
        let usage = DiskUsage { bytes: 5, inodes: 2 };
        let disk = PodDisk {
            layers: [("c".to_owned(), usage)].into(),
            volumes: [("v".to_owned(), usage)].into(),
            on_disk: ["v".to_owned()].into(),
            ..PodDisk::default()
        };
        let whole = about_pod(sample.at, pod, Some((&room, &disk)), true);
        assert_eq!(whole["network"]["name"], "eth0");
        assert_eq!(whole["network"]["interfaces"][0]["rxBytes"], 7);
        assert_eq!(whole["process_stats"]["process_count"], 2);
        assert_eq!(whole["containers"][0]["rootfs"]["usedBytes"], 5);
        assert_eq!(whole["containers"][0]["logs"]["usedBytes"], 0);
        assert_eq!(whole["volume"][0]["name"], "v");
        assert_eq!(whole["ephemeral-storage"]["usedBytes"], 10);
        assert_eq!(whole["ephemeral-storage"]["availableBytes"], 60);
    }
}

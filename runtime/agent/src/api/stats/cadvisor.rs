//! `/metrics/cadvisor`: the figures that dashboards and alerts for Kubernetes ask for, under cAdvisor's names.

use super::text::{Text, seconds, unix};
use crate::{
    node::Machine,
    stats::{Interface, Sample},
};
use jiff::Timestamp;
use podium_oci::Stats;

/// One figure of a group: name, kind, help, value.
type Figure = (&'static str, &'static str, &'static str, fn(&Stats) -> f64);

const GROUPS: &[Figure] = &[
    ("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", |s| {
        seconds(s.cpu_usage_nanos)
    }),
    ("container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.", |s| {
        s.cpu_periods as f64
    }),
    ("container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.", |s| {
        s.cpu_throttled_periods as f64
    }),
    (
        "container_cpu_cfs_throttled_seconds_total",
        "counter",
        "Total time duration the container has been throttled.",
        |s| seconds(s.cpu_throttled_nanos),
    ),
    ("container_memory_usage_bytes", "gauge", "Current memory usage in bytes, including all memory.", |s| {
        s.memory_usage_bytes as f64
    }),
    ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", |s| {
        s.memory_working_set_bytes as f64
    }),
    ("container_memory_rss", "gauge", "Size of RSS in bytes.", |s| s.memory_rss_bytes as f64),
    ("container_memory_cache", "gauge", "Number of bytes of page cache memory.", |s| s.memory_cache_bytes as f64),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", |s| {
        s.memory_limit_bytes.unwrap_or(0) as f64
    }),
    ("container_processes", "gauge", "Number of processes running inside the container.", |s| s.pids as f64),
];

/// One figure of an interface: name, help, value.
type Counter = (&'static str, &'static str, fn(&Interface) -> u64);

const NETWORK: &[Counter] = &[
    ("container_network_receive_bytes_total", "Cumulative count of bytes received", |i| i.rx_bytes),
    ("container_network_receive_packets_total", "Cumulative count of packets received", |i| i.rx_packets),
    ("container_network_receive_errors_total", "Cumulative count of errors encountered while receiving", |i| {
        i.rx_errors
    }),
    ("container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving", |i| {
        i.rx_dropped
    }),
    ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", |i| i.tx_bytes),
    ("container_network_transmit_packets_total", "Cumulative count of packets transmitted", |i| i.tx_packets),
    ("container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting", |i| {
        i.tx_errors
    }),
    (
        "container_network_transmit_packets_dropped_total",
        "Cumulative count of packets dropped while transmitting",
        |i| i.tx_dropped,
    ),
];

/// A group that is told of; the machine and a pod as a whole have no container.
struct Group<'a> {
    labels: [(&'static str, &'a str); 6],
    stats: &'a Stats,
    started: Timestamp,
    oom_kills: Option<u64>,
    interfaces: &'a [Interface],
}

pub(super) fn render(sample: &Sample, machine: &Machine) -> Text {
    let ids: Vec<Vec<String>> =
        sample.pods.iter().map(|p| p.containers.iter().map(|c| format!("{}/{}", p.cgroup, c.id)).collect()).collect();
    let groups = groups(sample, &ids);
    let mut text = Text::default();
    let amount = |name: &str| podium_types::Quantity::parse(&machine.capacity.get(name)?.0).ok().map(|q| q.value());
    for (name, help, value) in [
        ("machine_cpu_cores", "Number of logical CPU cores.", amount("cpu").unwrap_or(0)),
        ("machine_memory_bytes", "Amount of memory installed on the machine.", machine.memory_bytes),
    ] {
        text.family(name, "gauge", help);
        text.number(name, &[], value as f64);
    }
    text.at(Some(sample.at));
    for (name, kind, help, value) in GROUPS {
        text.family(name, kind, help);
        groups.iter().for_each(|g| text.number(name, &g.labels, value(g.stats)));
    }
    let name = "container_oom_events_total";
    text.family(name, "counter", "Count of out of memory events observed for the container");
    for group in &groups {
        if let Some(kills) = group.oom_kills {
            text.number(name, &group.labels, kills as f64);
        }
    }
    text.at(None);
    let name = "container_start_time_seconds";
    text.family(name, "gauge", "Start time of the container since unix epoch in seconds.");
    groups.iter().for_each(|g| text.number(name, &g.labels, unix(g.started)));
    text.at(Some(sample.at));
    for (name, help, value) in NETWORK {
        text.family(name, "counter", help);
        for group in &groups {
            for interface in group.interfaces {
                let labels = [&group.labels[..], &[("interface", &*interface.name)]].concat();
                text.number(name, &labels, value(interface) as f64);
            }
        }
    }
    text
}

fn groups<'a>(sample: &'a Sample, ids: &'a [Vec<String>]) -> Vec<Group<'a>> {
    let labels = |container, id, image, name, namespace, pod| {
        [("container", container), ("id", id), ("image", image), ("name", name), ("namespace", namespace), ("pod", pod)]
    };
    let mut groups = vec![Group {
        labels: labels("", "/", "", "", "", ""),
        stats: &sample.node.stats,
        started: sample.node.started,
        oom_kills: None,
        interfaces: &sample.node.interfaces,
    }];
    for (pod, ids) in sample.pods.iter().zip(ids) {
        groups.push(Group {
            labels: labels("", &pod.cgroup, "", "", &pod.namespace, &pod.name),
            stats: &pod.stats,
            started: pod.started,
            oom_kills: None,
            interfaces: pod.interfaces.as_deref().unwrap_or_default(),
        });
        for (container, id) in pod.containers.iter().zip(ids) {
            groups.push(Group {
                labels: labels(&container.name, id, &container.image, &container.id, &pod.namespace, &pod.name),
                stats: &container.stats,
                started: container.started,
                oom_kills: Some(container.oom_kills),
                interfaces: &[],
            });
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_named() {
        let capacity = [("cpu".to_owned(), k8s_openapi::apimachinery::pkg::api::resource::Quantity("2".to_owned()))];
        let machine = Machine {
            memory_bytes: 4096,
            capacity: capacity.into(),
            allocatable: Default::default(),
            info: Default::default(),
        };
        let text = render(&super::super::sample(), &machine).into_string();
        let container = r#"{container="c",id="/podium/podu-1/c.0",image="demo:1",name="c.0",namespace="ns",pod="p"}"#;
        let pod = r#"{container="",id="/podium/podu-1",image="",name="",namespace="ns",pod="p""#;
        for line in [
            "machine_cpu_cores 2".to_owned(),
            "machine_memory_bytes 4096".to_owned(),
            format!("container_cpu_usage_seconds_total{container} 1.5 3000000"),
            format!("container_memory_usage_bytes{pod}}} 4000 3000000"),
            format!("container_spec_memory_limit_bytes{container} 4000 3000000"),
            format!("container_oom_events_total{container} 3 3000000"),
            format!("container_start_time_seconds{container} 2000"),
            format!(r#"container_network_receive_bytes_total{pod},interface="eth0"}} 7 3000000"#),
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("container_oom_events_total{").count(), 1);
    }
}

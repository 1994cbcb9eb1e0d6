//! What the node tells of its use: `/stats/summary` as JSON, `/metrics`, `/metrics/resource`, `/metrics/cadvisor`
//! and `/metrics/probes` as Prometheus text.

mod cadvisor;
mod probes;
mod resource;
mod summary;
mod text;

pub(super) use probes::probes;
pub(super) use summary::summary;

use super::query::refuse;
use crate::{shared::Shared, stats::running};
use actix_web::{HttpResponse, http::StatusCode, web};
use text::Text;

/// What Prometheus' text is called.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`: the agent itself.
pub(super) async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    let mut text = Text::default();
    text.family("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.");
    text.number("kubelet_node_name", &[("node", &shared.config.node_name)], 1.0);
    let slots = shared.pods.list();
    let views: Vec<_> = slots.iter().filter(|slot| !slot.ended()).filter_map(|slot| slot.view.load_full()).collect();
    text.family("kubelet_running_pods", "gauge", "[ALPHA] Number of pods that have a running pod sandbox");
    text.number("kubelet_running_pods", &[], views.len() as f64);
    let containers: usize = views.iter().map(|view| running(&view.status).count()).sum();
    text.family("kubelet_running_containers", "gauge", "[ALPHA] Number of containers currently running");
    text.number("kubelet_running_containers", &[("container_state", "running")], containers as f64);
    if let Ok(usage) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) {
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        text.family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
        text.number("process_cpu_seconds_total", &[], seconds(usage.user_time()) + seconds(usage.system_time()));
        text.family("process_max_resident_memory_bytes", "gauge", "Most resident memory so far in bytes.");
        text.number("process_max_resident_memory_bytes", &[], usage.max_rss() as f64 * 1024.0);
    }
    text.family("podium_actor_restarts_total", "counter", "How often an actor was rebuilt");
    for actor in shared.tree.list() {
        text.number("podium_actor_restarts_total", &[("path", &actor.path)], actor.restarts as f64);
    }
    answer(text)
}

/// `/metrics/resource`: what metrics.k8s.io is made from.
pub(super) async fn resources(shared: web::Data<Shared>) -> HttpResponse {
    let shared = shared.into_inner();
    match shared.meter.sample(&shared).await {
        Ok(sample) => answer(resource::render(&sample)),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// `/metrics/cadvisor`: the same, and more of it.
pub(super) async fn containers(shared: web::Data<Shared>) -> HttpResponse {
    let shared = shared.into_inner();
    match shared.meter.sample(&shared).await {
        Ok(sample) => answer(cadvisor::render(&sample, &shared.machine)),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn answer(text: Text) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(text.into_string())
}

/// A sample for the tests of the renderers: one pod with one container.
#[cfg(test)]
fn sample() -> crate::stats::Sample {
    use crate::stats::{ContainerSample, Interface, NodeSample, PodSample, Sample};
    use jiff::Timestamp;
    use podium_oci::Stats;
    let at = |second| Timestamp::from_second(second).expect("a time");
    let stats = |n: u64| Stats {
        cpu_usage_nanos: n * 1_500_000_000,
        memory_usage_bytes: n * 2000,
        memory_working_set_bytes: n * 1000,
        memory_limit_bytes: Some(n * 4000),
        pids: n,
        ..Stats::default()
    };
    let node = NodeSample {
        started: at(1000),
        stats: stats(8),
        nano_cores: 80,
        memory_available: 9000,
        interfaces: Vec::new(),
        processes: Default::default(),
        systems: vec![("pods", stats(4), 40)],
    };
    let container = ContainerSample {
        name: "c".to_owned(),
        image: "demo:1".to_owned(),
        id: "c.0".to_owned(),
        started: at(2000),
        stats: stats(1),
        nano_cores: 10,
        oom_kills: 3,
    };
    let pod = PodSample {
        namespace: "ns".to_owned(),
        name: "p".to_owned(),
        uid: "u-1".to_owned(),
        cgroup: "/podium/podu-1".to_owned(),
        started: at(1990),
        stats: stats(2),
        nano_cores: 20,
        interfaces: Some(vec![Interface { name: "eth0".to_owned(), rx_bytes: 7, ..Interface::default() }]),
        containers: vec![container],
    };
    Sample { at: at(3000), node, pods: vec![pod], incomplete: false }
}

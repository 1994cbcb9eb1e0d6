//! `/metrics/resource`: CPU and memory of node, pods and containers, in the kubelet's names.

use super::text::{Text, seconds, unix};
use crate::stats::{ContainerSample, PodSample, Sample};

pub(super) fn render(sample: &Sample) -> Text {
    let mut text = Text::default();
    let containers = |text: &mut Text, name: &str, value: &dyn Fn(&ContainerSample) -> f64| {
        for (pod, container) in sample.pods.iter().flat_map(|p| p.containers.iter().map(move |c| (p, c))) {
            let labels = [("container", &*container.name), ("namespace", &*pod.namespace), ("pod", &*pod.name)];
            text.number(name, &labels, value(container));
        }
    };
    let pods = |text: &mut Text, name: &str, value: &dyn Fn(&PodSample) -> f64| {
        for pod in &sample.pods {
            text.number(name, &[("namespace", &*pod.namespace), ("pod", &*pod.name)], value(pod));
        }
    };
    text.at(Some(sample.at));
    let name = "container_cpu_usage_seconds_total";
    text.family(name, "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds");
    containers(&mut text, name, &|c| seconds(c.stats.cpu_usage_nanos));
    let name = "container_memory_working_set_bytes";
    text.family(name, "gauge", "[STABLE] Current working set of the container in bytes");
    containers(&mut text, name, &|c| c.stats.memory_working_set_bytes as f64);
    text.at(None);
    let name = "container_start_time_seconds";
    text.family(name, "gauge", "[STABLE] Start time of the container since unix epoch in seconds");
    containers(&mut text, name, &|c| unix(c.started));
    text.at(Some(sample.at));
    let name = "node_cpu_usage_seconds_total";
    text.family(name, "counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds");
    text.number(name, &[], seconds(sample.node.stats.cpu_usage_nanos));
    let name = "node_memory_working_set_bytes";
    text.family(name, "gauge", "[STABLE] Current working set of the node in bytes");
    text.number(name, &[], sample.node.stats.memory_working_set_bytes as f64);
    let name = "pod_cpu_usage_seconds_total";
    text.family(name, "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds");
    pods(&mut text, name, &|p| seconds(p.stats.cpu_usage_nanos));
    let name = "pod_memory_working_set_bytes";
    text.family(name, "gauge", "[STABLE] Current working set of the pod in bytes");
    pods(&mut text, name, &|p| p.stats.memory_working_set_bytes as f64);
    text.at(None);
    let name = "resource_scrape_error";
    text.family(name, "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise");
    text.number(name, &[], f64::from(u8::from(sample.incomplete)));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_and_labels_are_the_kubelets() {
        let text = super::render(&super::super::sample()).into_string();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 1.5 3000000"#,
                r#"container_memory_working_set_bytes{container="c",namespace="ns",pod="p"} 1000 3000000"#,
                r#"container_start_time_seconds{container="c",namespace="ns",pod="p"} 2000"#,
                "node_cpu_usage_seconds_total 12 3000000",
                "node_memory_working_set_bytes 8000 3000000",
                r#"pod_cpu_usage_seconds_total{namespace="ns",pod="p"} 3 3000000"#,
                r#"pod_memory_working_set_bytes{namespace="ns",pod="p"} 2000 3000000"#,
                "resource_scrape_error 0",
            ]
        );
        assert_eq!(text.matches("# TYPE ").count(), 8);
    }
}

//! `/metrics/probes`: how often probes succeeded and failed, in the kubelet's names.

use super::{answer, text::Text};
use crate::{
    shared::Shared,
    stats::{Probed, Tally},
};
use actix_web::{HttpResponse, web};
use podium_lifecycle::ProbeKind;

const NAME: &str = "prober_probe_total";

/// Answers.
pub(crate) async fn probes(shared: web::Data<Shared>) -> HttpResponse {
    let counts = shared.meter.probes.list(|uid| shared.pods.get(uid).is_some());
    let of_pod = |((uid, container, kind), tally): (Probed, Tally)| {
        let pod = shared.pods.get(&uid)?.pod.load_full();
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let (namespace, pod) = (name(&pod.metadata.namespace), name(&pod.metadata.name));
        Some(Line { container, namespace, pod, uid, kind, tally })
    };
    answer(render(&counts.into_iter().filter_map(of_pod).collect::<Vec<_>>()))
}

/// One probe of one container.
struct Line {
    container: String,
    namespace: String,
    pod: String,
    uid: String,
    kind: ProbeKind,
    tally: Tally,
}

fn render(lines: &[Line]) -> Text {
    let mut text = Text::default();
    let help = "[ALPHA] Cumulative number of a liveness, readiness or startup probe for a container by result.";
    text.family(NAME, "counter", help);
    for line in lines {
        let kind = match line.kind {
            ProbeKind::Startup => "Startup",
            ProbeKind::Readiness => "Readiness",
            ProbeKind::Liveness => "Liveness",
        };
        for (result, count) in [("successful", line.tally.succeeded), ("failed", line.tally.failed)] {
            let labels = [
                ("container", &*line.container),
                ("namespace", &*line.namespace),
                ("pod", &*line.pod),
                ("pod_uid", &*line.uid),
                ("probe_type", kind),
                ("result", result),
            ];
            if count > 0 {
                text.number(NAME, &labels, count as f64);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_the_kubelets() {
        let line = Line {
            container: "c".to_owned(),
            namespace: "ns".to_owned(),
            pod: "p".to_owned(),
            uid: "u-1".to_owned(),
            kind: ProbeKind::Liveness,
            tally: Tally { succeeded: 3, failed: 0 },
        };
        let shown = render(&[line]).into_string();
        let expected = "prober_probe_total{container=\"c\",namespace=\"ns\",pod=\"p\",pod_uid=\"u-1\",\
            probe_type=\"Liveness\",result=\"successful\"} 3\n";
        assert!(shown.ends_with(expected) && shown.lines().count() == 3, "{shown}");
    }
}

//! What the API server may ask the controllers: why a pod waits, and what they count.

use super::{view::SharedView, work::Works};
use futures_util::{FutureExt, future::BoxFuture};
use podium_scheduler::Waiting;
use podium_server::insight::Insight;
use podium_types::{Key, Timestamp};
use serde_json::Value;
use std::{fmt::Write, sync::Arc, time::Duration};

/// How long the view may take to reach what the asker has seen.
const VIEW_PATIENCE: Duration = Duration::from_secs(2);

/// Reads the picture that the scheduler decides on, and every controller's work.
pub struct Inside {
    /// The picture.
    pub view: Arc<SharedView>,
    /// Who did what.
    pub works: Works,
}

impl Insight for Inside {
    fn explain(&self, pod: Key, revision: u64) -> BoxFuture<'static, Option<Value>> {
        let view = self.view.clone();
        async move {
            tokio::time::timeout(VIEW_PATIENCE, view.reached(revision)).await.ok()?;
            let view = view.read();
            let pod = view.pods.get(&pod)?;
            serde_json::to_value(podium_scheduler::explain(&view, pod)).ok()
        }
        .boxed()
    }
    fn metrics(&self) -> String {
        let waiting = podium_scheduler::waiting(&self.view.read(), Timestamp::now());
        render(&self.works, &waiting)
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn render(works: &Works, waiting: &Waiting) -> String {
    let sums = works.sums();
    let mut text = String::new();
    let mut numbers = |name: &str, kind: &str, help: &str, of: &dyn Fn(&super::work::Work) -> u64| {
        head(&mut text, name, kind, help);
        for (controller, work) in &sums {
            let _ = writeln!(text, "{name}{{name=\"{controller}\"}} {}", of(work));
        }
    };
    numbers("workqueue_depth", "gauge", "Keys that wait to be decided.", &|work| work.depth as u64);
    numbers("workqueue_adds_total", "counter", "Times that a key began to wait.", &|work| work.adds);
    numbers("workqueue_retries_total", "counter", "Keys put off after a refused write.", &|work| work.retries);
    numbers("podium_controller_busy", "gauge", "Keys decided or carried out just now.", &|work| work.busy as u64);
    numbers("podium_controller_errors_total", "counter", "Plans not carried out whole.", &|work| work.errors);
    let most = |all: &mut dyn Iterator<Item = f64>| all.fold(0.0, f64::max);
    let sum = |all: &mut dyn Iterator<Item = f64>| all.fold(0.0, |sum, one| sum + one);
    type Fold<'a> = &'a dyn Fn(&mut dyn Iterator<Item = f64>) -> f64;
    for (name, help, fold) in [
        ("workqueue_unfinished_work_seconds", "How long keys have been at work, all together.", &sum as Fold<'_>),
        ("workqueue_longest_running_processor_seconds", "How long the longest has been at work.", &most),
    ] {
        head(&mut text, name, "gauge", help);
        for (controller, work) in &sums {
            let _ = writeln!(text, "{name}{{name=\"{controller}\"}} {}", fold(&mut work.running()));
        }
    }
    for (name, help, waited) in [
        ("workqueue_queue_duration_seconds", "How long keys waited.", true),
        ("workqueue_work_duration_seconds", "How long deciding and writing took.", false),
    ] {
        head(&mut text, name, "histogram", help);
        for (controller, work) in &sums {
            let seen = if waited { &work.waited } else { &work.worked };
            seen.render(name, &format!("name=\"{controller}\""), &mut text);
        }
    }
    attempts(&sums, &mut text);
    head(&mut text, "scheduler_pending_pods", "gauge", "Pods without a node, by what they wait for.");
    for (queue, count) in [
        ("active", waiting.active),
        ("backoff", waiting.backoff),
        ("gated", waiting.gated),
        ("unschedulable", waiting.unschedulable),
    ] {
        let _ = writeln!(text, "scheduler_pending_pods{{queue=\"{queue}\"}} {count}");
    }
    text
}

/// Attempts to place pods, by profile and result.
fn attempts(sums: &std::collections::BTreeMap<&'static str, super::work::Work>, text: &mut String) {
    let labels = |(profile, result): &(String, &str)| {
        let profile = profile.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("profile=\"{profile}\",result=\"{result}\"")
    };
    let all = || sums.values().flat_map(|work| &work.attempts);
    head(text, "scheduler_schedule_attempts_total", "counter", "Attempts to place pods.");
    for (what, seen) in all() {
        let _ = writeln!(text, "scheduler_schedule_attempts_total{{{}}} {}", labels(what), seen.count());
    }
    let name = "scheduler_scheduling_attempt_duration_seconds";
    head(text, name, "histogram", "Time per attempt to place a pod.");
    for (what, seen) in all() {
        seen.render(name, &labels(what), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_controllers::Plan;

    #[test]
    fn what_several_actors_of_a_controller_did_is_added_up() {
        let works = Works::default();
        for path in ["root/nodes/a/lifecycle", "root/nodes/b/lifecycle"] {
            let work = works.join(path, "nodelifecycle");
            let mut work = work.lock();
            (work.depth, work.adds) = (1, 3);
            let key = Key::new("", "a");
            work.begin(&key, Duration::from_millis(500));
            assert_eq!(work.running().count(), 1);
            work.done(&key, Duration::from_millis(2), Some("conflict"));
        }
        let plan = Plan { attempts: [(("p\"".to_owned(), "scheduled"), 4)].into(), ..Plan::default() };
        let scheduler = works.join("root/controllers/scheduler", "scheduler");
        scheduler.lock().decided(&Key::new("", "queue"), &plan, Timestamp::UNIX_EPOCH, Duration::from_millis(8));
        let text = render(&works, &Waiting { active: 1, backoff: 0, unschedulable: 2, gated: 0 });
        for line in [
            "workqueue_depth{name=\"nodelifecycle\"} 2",
            "workqueue_adds_total{name=\"nodelifecycle\"} 6",
            "workqueue_queue_duration_seconds_bucket{name=\"nodelifecycle\",le=\"1\"} 2",
            "workqueue_work_duration_seconds_count{name=\"nodelifecycle\"} 2",
            "workqueue_unfinished_work_seconds{name=\"nodelifecycle\"} 0",
            "workqueue_longest_running_processor_seconds{name=\"scheduler\"} 0",
            "podium_controller_errors_total{name=\"nodelifecycle\"} 2",
            "scheduler_schedule_attempts_total{profile=\"p\\\"\",result=\"scheduled\"} 4",
            "scheduler_scheduling_attempt_duration_seconds_bucket{profile=\"p\\\"\",result=\"scheduled\",le=\"0.002\"} 4",
            "scheduler_pending_pods{queue=\"unschedulable\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert_eq!(works.of("root/nodes/a/lifecycle").unwrap()["lastError"], "/a: conflict".trim_start_matches('/'));
        works.leave("root/nodes/a/lifecycle");
        assert_eq!(works.sums()["nodelifecycle"].depth, 1);
    }
}

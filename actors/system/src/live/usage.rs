//! The live kinds of `metrics.k8s.io`: what was measured last, as objects made when asked for.
//!
//! Whoever asks keeps the measuring going for a while; nobody asks an idle cluster, and nothing is measured then.

use arc_swap::ArcSwap;
use podium_kinds::{Kind, metrics};
use podium_machinery::{
    state::{Object, Snapshot},
    usage::{self, Usage},
};
use podium_types::{Key, Timestamp};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// How long after the last question measuring goes on.
const INTEREST: Duration = Duration::from_secs(120);
/// How long a question waits for the first answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Usage, shared by those who measure and those who ask; cheap to clone.
#[derive(Clone, Default)]
pub struct LiveUsage {
    usage: Arc<ArcSwap<Usage>>,
    asked: Arc<Mutex<Option<Instant>>>,
    wake: Arc<Notify>,
    /// Whether what is published is up to date.
    current: Arc<watch::Sender<bool>>,
}

impl LiveUsage {
    /// Whether objects of the kind are made here.
    pub fn makes(kind: &Kind) -> bool {
        kind.group == metrics::GROUP
    }
    /// What was measured last.
    pub fn usage(&self) -> Arc<Usage> {
        self.usage.load_full()
    }
    /// What has been measured now.
    pub fn publish(&self, usage: Arc<Usage>) {
        self.usage.store(usage);
        self.current.send_replace(true);
    }
    /// Measuring has stopped.
    pub fn forget(&self) {
        self.current.send_replace(false);
        self.usage.store(Arc::default());
    }
    /// Resolves when somebody asks who has to wait.
    pub async fn wanted(&self) {
        self.wake.notified().await;
    }
    /// Whether somebody asked lately.
    pub fn interesting(&self) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < INTEREST)
    }
    /// Says that somebody asks, and waits a while for figures where there are none.
    pub async fn refresh(self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut current = self.current.subscribe();
        if !*current.borrow() {
            self.wake.notify_one();
            // Who waits in vain is told what there is: nothing.
            let _ = tokio::time::timeout(PATIENCE, current.wait_for(|current| *current)).await;
        }
    }

    /// The objects of the kind; `of` are the nodes or pods that they tell of.
    pub fn snapshot(&self, kind: &Kind, of: &Snapshot, revision: u64, now: Timestamp) -> Arc<Snapshot> {
        let usage = self.usage();
        let mut snapshot = Snapshot { revision, ..Snapshot::default() };
        let mut add = |key: &Key, make: &dyn Fn(&Object) -> Value| {
            let Some(object) = of.get(key) else { return };
            let json = make(object).to_string().into();
            let object = Object { key: key.clone(), uid: String::new(), revision, labels: object.labels.clone(), json };
            snapshot.objects.insert_mut(key.clone(), Arc::new(object));
        };
        if kind.namespaced {
            for (key, used) in &usage.pods {
                add(key, &|pod| usage::pod(key, &pod.labels, used, now));
            }
        } else {
            for (name, used) in &usage.nodes {
                add(&Key::new("", name), &|node| usage::node(name, &node.labels, used, now));
            }
        }
        Arc::new(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podium_machinery::usage::{Amount, NodeUse, PodUse, Span};
    use std::collections::BTreeMap;

    #[test]
    fn what_was_measured_of_what_there_is() {
        let span = Span { at: Timestamp::UNIX_EPOCH, window: Duration::from_secs(15) };
        let amount = Amount { nano_cores: 5, bytes: 7 };
        let pod = PodUse { span, containers: [("c".to_owned(), amount)].into() };
        let (here, gone) = (Key::new("ns", "here"), Key::new("ns", "gone"));
        let live = LiveUsage::default();
        live.publish(Arc::new(Usage {
            nodes: [("n".to_owned(), NodeUse { span, amount })].into(),
            pods: [(here.clone(), pod.clone()), (gone.clone(), pod)].into(),
        }));
        let labels: BTreeMap<_, _> = [("app".to_owned(), "web".to_owned())].into();
        let mut pods = Snapshot::default();
        pods.objects.insert_mut(
            here.clone(),
            Arc::new(Object::new(here.clone(), "u".to_owned(), 3, labels.clone(), "{\"metadata\":{}}")),
        );
        let shown = live.snapshot(&metrics::PODS, &pods, 9, Timestamp::UNIX_EPOCH);
        assert_eq!((shown.objects.size(), shown.revision), (1, 9));
        let object = shown.get(&here).unwrap();
        assert_eq!((&object.labels, &object.value()["containers"][0]["usage"]["cpu"]), (&labels, &"5n".into()));
        assert!(live.snapshot(&metrics::NODES, &pods, 9, Timestamp::UNIX_EPOCH).objects.is_empty());
    }

    #[actix_rt::test]
    async fn who_asks_first_waits_for_an_answer() {
        let live = LiveUsage::default();
        assert!(!live.interesting());
        let meter = live.clone();
        let meter = actix_rt::spawn(async move {
            meter.wanted().await;
            meter.publish(Arc::default());
        });
        let began = Instant::now();
        live.clone().refresh().await;
        assert!(began.elapsed() < PATIENCE && live.interesting());
        meter.await.unwrap();
    }
}

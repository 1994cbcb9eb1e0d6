//! How the probes of each container went, counted while its pod is here.

use podium_lifecycle::ProbeKind;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is probed: the pod's uid, the container, and what for.
pub(crate) type Probed = (String, String, ProbeKind);

/// How often a probe succeeded and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub succeeded: u64,
    pub failed: u64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Probes(Mutex<BTreeMap<Probed, Tally>>);

impl Probes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Probed, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Counts an outcome.
    pub fn count(&self, uid: &str, container: &str, kind: ProbeKind, succeeded: bool) {
        let mut all = self.lock();
        let tally = all.entry((uid.to_owned(), container.to_owned(), kind)).or_default();
        if succeeded {
            tally.succeeded += 1;
        } else {
            tally.failed += 1;
        }
    }
    /// The counts of pods that are still here; those of others are forgotten.
    pub fn list(&self, here: impl Fn(&str) -> bool) -> Vec<(Probed, Tally)> {
        let mut all = self.lock();
        all.retain(|(uid, ..), _| here(uid));
        all.iter().map(|(probed, tally)| (probed.clone(), *tally)).collect()
    }
    /// Forgets a pod.
    pub fn forget(&self, uid: &str) {
        self.lock().retain(|(of, ..), _| of != uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_until_the_pod_goes() {
        let probes = Probes::default();
        for (uid, succeeded) in [("a", true), ("a", false), ("a", true), ("b", true), ("c", true)] {
            probes.count(uid, "c", ProbeKind::Liveness, succeeded);
        }
        probes.forget("c");
        let counts: Vec<_> = probes.list(|uid| uid != "b").into_iter().map(|((uid, ..), t)| (uid, t)).collect();
        assert_eq!(counts, [("a".to_owned(), Tally { succeeded: 2, failed: 1 })]);
    }
}

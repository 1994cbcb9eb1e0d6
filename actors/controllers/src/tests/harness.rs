//! Runs controllers on a model cluster until all rests, with writes refused, pods that come up
//! late, and crashes after any write.

use crate::{Controller, Ids, PlannedWrite, model::Model, pods, resource};
use podium_types::ApiError;
use serde_json::Value;
use std::cell::Cell;

/// Rounds after which everything must have settled; the first half of them is faulty.
const ROUNDS: usize = 400;
/// Rounds without a write after which all is taken to rest.
const QUIET: usize = 3;

/// Plays the kubelets: pods come up and go, when `eager` says so. How many still have to.
pub fn kubelet(model: &mut Model, mut eager: impl FnMut() -> bool) -> usize {
    let mut waiting = 0;
    for pod in model.list(resource::PODS) {
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        let deleting = podium_types::meta::is_deleting(&pod);
        let pending = deleting && pod["metadata"]["deletionGracePeriodSeconds"] != 0;
        if !(pending || (!deleting && matches!(phase, "" | "Pending"))) {
            continue;
        }
        waiting += 1;
        match eager() {
            true if deleting => model.reap(&pod),
            true => model.set_ready(&pod, true),
            false => {}
        }
    }
    waiting
}

/// Lets the controllers and the world (`play`: what still has to happen) go on until all rests.
pub fn settle(
    model: &mut Model,
    controllers: &[&dyn Controller],
    dice: &mut Ids,
    mut play: impl FnMut(&mut Model, &mut dyn FnMut() -> bool) -> usize,
    check: impl Fn(&Model),
) -> bool {
    let mut quiet = 0;
    for round in 0..ROUNDS {
        let faulty = round < ROUNDS / 2;
        let mut writes = 0;
        for controller in controllers {
            let mut full = |_: &PlannedWrite| {
                let refused = faulty && dice.next().is_multiple_of(4);
                refused.then(|| ApiError::new(403, "Forbidden", "exceeded quota"))
            };
            writes += model.run_refused(*controller, &mut full).0;
            check(model);
        }
        let waiting = play(model, &mut || !faulty || dice.next().is_multiple_of(2));
        check(model);
        model.advance(1);
        quiet = if writes == 0 && waiting == 0 { quiet + 1 } else { 0 };
        if quiet == QUIET {
            return true;
        }
    }
    false
}

/// The same with nothing refused and everyone eager.
pub fn rest(model: &mut Model, controllers: &[&dyn Controller]) {
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        let writes: usize = controllers.iter().map(|controller| model.run(*controller, || false)).sum();
        let waiting = kubelet(model, || true);
        model.advance(1);
        quiet = if writes + waiting == 0 { quiet + 1 } else { 0 };
        if quiet == QUIET {
            return;
        }
    }
    panic!("did not come to rest");
}

/// Plays a scenario whose controllers are killed after write number `at`: that plan ends
/// there, and the next decisions know nothing of it. How many writes there were.
pub fn crash(at: usize, scenario: impl FnOnce(&mut dyn FnMut(&mut Model, &[&dyn Controller]))) -> usize {
    let count = Cell::new(0_usize);
    scenario(&mut |model, controllers| {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let before = count.get();
            for controller in controllers {
                model.run(*controller, || {
                    count.set(count.get() + 1);
                    count.get() - 1 == at
                });
            }
            let waiting = kubelet(model, || true);
            model.advance(1);
            quiet = if count.get() == before && waiting == 0 { quiet + 1 } else { 0 };
            if quiet == QUIET {
                return;
            }
        }
        panic!("did not come to rest after a crash at {at}");
    });
    count.get()
}

/// The images of all pods that count, with their names.
pub fn images(model: &Model) -> Vec<(String, String)> {
    let active = model.view.pods.all().filter(|pod| pods::active(pod));
    let image = |pod: Value| pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
    active.map(|pod| (pod.key().name.clone(), image(pod.object.value()))).collect()
}

/// An object of namespace `default` as it is stored.
pub fn object(model: &Model, resource: &'static str, name: &str) -> std::sync::Arc<podium_machinery::state::Object> {
    model.view.header(resource, &podium_types::Key::new("default", name)).unwrap().object.clone()
}

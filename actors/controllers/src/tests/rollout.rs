//! Deployments and ReplicaSets converge from anything, within their bounds, and then rest.

use crate::{Controller, deployment::DeploymentController, model::Model, replicaset::ReplicaSetController, resource};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Rounds after which everything must have settled.
const ROUNDS: usize = 400;

fn deployment(replicas: i32, surge: i32, unavailable: i32, kind: &str) -> Value {
    let mut strategy = json!({"type": kind});
    if kind == "RollingUpdate" {
        strategy["rollingUpdate"] = json!({"maxSurge": surge, "maxUnavailable": unavailable});
    }
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "strategy": strategy,
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 2,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}}}})
}

fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}

/// Runs both controllers, and a kubelet that readies a pod in `laziness` rounds, until all rests.
fn settle(model: &mut Model, mut chance: impl FnMut() -> u64, check: impl Fn(&Model)) -> bool {
    let mut quiet = 0;
    for round in 0..ROUNDS {
        let mut writes = 0;
        let faulty = round < ROUNDS / 2;
        let order: [&dyn Controller; 2] = [&DeploymentController, &ReplicaSetController];
        let first = usize::from(chance().is_multiple_of(2));
        for controller in [order[first], order[1 - first]] {
            writes += model.run(controller, || faulty && chance().is_multiple_of(4));
            check(model);
        }
        let unready: Vec<Value> = model
            .view
            .pods
            .all()
            .filter(|pod| crate::pods::active(pod) && !crate::pods::ready(pod))
            .map(|pod| pod.object.value())
            .collect();
        for pod in &unready {
            if !faulty || chance().is_multiple_of(2) {
                model.set_ready(pod, true);
            }
        }
        model.advance(1);
        quiet = if writes == 0 && unready.is_empty() { quiet + 1 } else { 0 };
        if quiet == 3 {
            return true;
        }
    }
    false
}

fn sum(model: &Model) -> i64 {
    model.list(resource::REPLICA_SETS).iter().filter_map(|set| set["spec"]["replicas"].as_i64()).sum()
}

fn condition(object: &Value, kind: &str) -> String {
    let list = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = list.iter().find(|condition| condition["type"] == kind);
    found
        .map(|condition| format!("{} {}", condition["status"], condition["reason"]).replace('"', ""))
        .unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn rollouts_stay_within_bounds_and_come_to_rest(
        replicas in 0_i32..8, surge in 0_i32..4, unavailable in 0_i32..4, seed in any::<u64>(), later in 0_i32..8,
    ) {
        let mut model = Model::new(seed);
        let mut dice = crate::Ids::new(seed ^ 1);
        model.create(resource::DEPLOYMENTS, deployment(replicas, surge, unavailable, "RollingUpdate"));
        let most = i64::from(replicas + surge);
        let settled = settle(&mut model, || dice.next(), |m| assert!(sum(m) <= most));
        prop_assert!(settled);
        prop_assert_eq!(model.ready_pods(), usize::try_from(replicas).unwrap());

        // A new template: never more than the surge allows, never fewer than must be available.
        model.patch(resource::DEPLOYMENTS, "default", "web", &image("v2"));
        let missing = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        let least = usize::try_from((replicas - missing).max(0)).unwrap();
        let settled = settle(&mut model, || dice.next(), |m| {
            assert!(sum(m) <= most.max(i64::from(replicas)), "{} > {most}", sum(m));
            assert!(m.ready_pods() >= least, "{} < {least}", m.ready_pods());
        });
        prop_assert!(settled);
        prop_assert_eq!(model.ready_pods(), usize::try_from(replicas).unwrap());

        // Another size in the middle of another rollout.
        model.patch(resource::DEPLOYMENTS, "default", "web", &image("v3"));
        for _ in 0..3 {
            model.run(&DeploymentController, || false);
            model.run(&ReplicaSetController, || false);
        }
        model.patch(resource::DEPLOYMENTS, "default", "web", &json!({"spec": {"replicas": later}}));
        let settled = settle(&mut model, || dice.next(), |_| {});
        prop_assert!(settled);
        prop_assert_eq!(model.ready_pods(), usize::try_from(later).unwrap());
        for pod in model.list(resource::PODS) {
            prop_assert_eq!(&pod["spec"]["containers"][0]["image"], "v3");
        }
        let web = model.get(resource::DEPLOYMENTS, "default", "web").unwrap();
        prop_assert_eq!(condition(&web, "Available"), "True MinimumReplicasAvailable");
        prop_assert_eq!(condition(&web, "Progressing"), "True NewReplicaSetAvailable");
        prop_assert_eq!(&web["status"]["observedGeneration"], &web["metadata"]["generation"]);
        prop_assert_eq!(&web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    }
}

fn rest(model: &mut Model) {
    let mut dice = crate::Ids::new(7);
    // No refusals: the dice never show a multiple of four.
    assert!(settle(model, || dice.next() | 1, |_| {}), "did not come to rest");
}

#[test]
fn recreate_ends_the_old_pods_first() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(3, 0, 0, "Recreate"));
    rest(&mut model);
    model.patch(resource::DEPLOYMENTS, "default", "web", &image("v2"));
    for _ in 0..10 {
        model.run(&DeploymentController, || false);
        model.run(&ReplicaSetController, || false);
        let images: std::collections::BTreeSet<String> =
            model.list(resource::PODS).iter().map(|p| p["spec"]["containers"][0]["image"].to_string()).collect();
        assert!(images.len() <= 1, "{images:?} at once");
    }
    rest(&mut model);
    assert_eq!(model.ready_pods(), 3);
}

#[test]
fn a_rollback_takes_up_the_old_set_under_a_new_revision() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(2, 1, 0, "RollingUpdate"));
    rest(&mut model);
    for version in ["v2", "v1"] {
        model.patch(resource::DEPLOYMENTS, "default", "web", &image(version));
        rest(&mut model);
    }
    let sets = model.list(resource::REPLICA_SETS);
    assert_eq!(sets.len(), 2);
    let current = sets.iter().find(|set| set["spec"]["replicas"] == 2).unwrap();
    let note = |name: &str| current["metadata"]["annotations"][format!("deployment.kubernetes.io/{name}")].clone();
    assert_eq!((note("revision"), note("revision-history")), (json!("3"), json!("1")));
}

#[test]
fn old_sets_beyond_the_history_go() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(1, 1, 0, "RollingUpdate"));
    for version in ["v1", "v2", "v3", "v4", "v5"] {
        model.patch(resource::DEPLOYMENTS, "default", "web", &image(version));
        rest(&mut model);
    }
    assert_eq!(model.list(resource::REPLICA_SETS).len(), 3, "the current one and a history of two");
}

#[test]
fn a_stuck_rollout_misses_its_deadline() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(1, 1, 0, "RollingUpdate"));
    for _ in 0..5 {
        model.run(&DeploymentController, || false);
        model.run(&ReplicaSetController, || false);
    }
    let key = podium_types::Key::new("default", "web");
    let plan = DeploymentController.decide(&model.view, &key, model.now, &mut model.ids);
    assert_eq!(plan.writes, Vec::new());
    model.now = plan.wake_at.unwrap();
    model.run(&DeploymentController, || false);
    let web = model.get(resource::DEPLOYMENTS, "default", "web").unwrap();
    assert_eq!(condition(&web, "Progressing"), "False ProgressDeadlineExceeded");
    assert_eq!(condition(&web, "Available"), "False MinimumReplicasUnavailable");
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(2, 1, 0, "RollingUpdate"));
    rest(&mut model);
    model.patch(resource::DEPLOYMENTS, "default", "web", &json!({"spec": {"paused": true, "replicas": 4}}));
    model.patch(resource::DEPLOYMENTS, "default", "web", &image("v2"));
    rest(&mut model);
    assert_eq!(model.list(resource::REPLICA_SETS).len(), 1);
    assert_eq!(model.ready_pods(), 4);
    let web = model.get(resource::DEPLOYMENTS, "default", "web").unwrap();
    assert_eq!(condition(&web, "Progressing"), "Unknown DeploymentPaused");
}

#[test]
fn the_cheapest_and_the_unready_pods_go_first() {
    let mut model = Model::new(1);
    model.create(resource::DEPLOYMENTS, deployment(3, 0, 1, "RollingUpdate"));
    rest(&mut model);
    let pods = model.list(resource::PODS);
    let name = |pod: &Value| podium_types::meta::name(pod).to_owned();
    model.set_ready(&pods[2], false);
    let cost = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}});
    model.patch(resource::PODS, "default", &name(&pods[1]), &cost);
    for (size, left) in [(2, vec![0, 1]), (1, vec![0])] {
        model.patch(resource::DEPLOYMENTS, "default", "web", &json!({"spec": {"replicas": size}}));
        model.run(&DeploymentController, || false);
        model.run(&ReplicaSetController, || false);
        let names: Vec<String> = model.list(resource::PODS).iter().map(name).collect();
        assert_eq!(names, left.iter().map(|at: &usize| name(&pods[*at])).collect::<Vec<_>>());
    }
}

#[test]
fn pods_are_adopted_and_released_by_their_labels() {
    let mut model = Model::new(1);
    model.create(
        resource::PODS,
        json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "stray", "namespace": "default", "labels": {"app": "set"}}, "spec": {"containers": []}}),
    );
    model.create(
        resource::REPLICA_SETS,
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "set", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "set"}},
            "template": {"metadata": {"labels": {"app": "set"}}, "spec": {"containers": []}}}}),
    );
    model.run(&ReplicaSetController, || false);
    assert_eq!(model.list(resource::PODS).len(), 1, "the stray is taken in, no other made");
    let stray = model.get(resource::PODS, "default", "stray").unwrap();
    assert_eq!(stray["metadata"]["ownerReferences"][0]["name"], "set");
    model.patch(resource::PODS, "default", "stray", &json!({"metadata": {"labels": {"app": "other"}}}));
    model.run(&ReplicaSetController, || false);
    let stray = model.get(resource::PODS, "default", "stray").unwrap();
    assert_eq!(stray["metadata"]["ownerReferences"], json!([]));
    assert_eq!(model.list(resource::PODS).len(), 2, "and another takes its place");
}

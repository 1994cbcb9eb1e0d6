//! Jobs: exact counts, limits, indexes and policies; never two pods for one index.

use super::harness::settle;
use crate::{Controller, Ids, job::JobController, model::Model, pods, resource};
use podium_types::{Key, meta};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

const ALL: &[&dyn Controller] = &[&JobController];
const ROUNDS: usize = 300;

fn made(spec: Value) -> Model {
    let mut model = Model::new(1);
    model.lingering = true;
    let mut object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"job": "1"}}, "template": {"metadata": {"labels": {"job": "1"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "v1"}]}}}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    model.create(resource::JOBS, object);
    model
}

fn status(model: &Model) -> Value {
    model.get(resource::JOBS, "default", "work").unwrap()["status"].clone()
}

fn change(model: &mut Model, spec: Value) {
    model.patch(resource::JOBS, "default", "work", &json!({ "spec": spec }));
}

/// `Complete CompletionsReached`, or what else the Job has come to.
fn end(model: &Model) -> String {
    let conditions = status(model)["conditions"].as_array().cloned().unwrap_or_default();
    let last = conditions.iter().find(|c| ["Complete", "Failed"].iter().any(|kind| c["type"] == *kind));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    last.map(|c| format!("{} {}", text(&c["type"]), text(&c["reason"]))).unwrap_or_default()
}

fn index(pod: &Value) -> Option<&str> {
    pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].as_str()
}

fn live(model: &Model) -> Vec<Value> {
    let active = model.view.pods.all().filter(|pod| pods::active(pod));
    active.map(|pod| pod.object.value()).collect()
}

/// Ends a pod with an exit code.
fn exit(model: &mut Model, pod: &Value, code: i32) {
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    let state = json!({"terminated": {"exitCode": code, "finishedAt": model.now.to_string()}});
    let container =
        json!({"name": "c", "image": "v1", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    let patch = json!({"status": {"phase": phase, "containerStatuses": [container]}});
    model.patch(resource::PODS, "default", meta::name(pod), &patch);
}

/// Plays the kubelets once: `code` says how a pod ends, if it does.
fn play(model: &mut Model, eager: &mut dyn FnMut() -> bool, code: &mut dyn FnMut(&Value) -> Option<i32>) -> usize {
    for pod in model.list(resource::PODS) {
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let held = pod["metadata"]["deletionGracePeriodSeconds"] == 0;
        if meta::is_deleting(&pod) {
            if !held && eager() {
                model.reap(&pod);
            }
        } else if !ended
            && eager()
            && let Some(code) = code(&pod)
        {
            exit(model, &pod, code);
        }
    }
    // Back-off takes minutes.
    model.advance(30);
    usize::from(end(model).is_empty())
}

/// Lets a Job go on until it has ended, or nothing more happens.
fn run(model: &mut Model, mut code: impl FnMut(&Value) -> Option<i32>) {
    for _ in 0..ROUNDS {
        let writes = model.run(&JobController, || false);
        if play(model, &mut || true, &mut code) == 0 && writes == 0 {
            return;
        }
    }
}

#[test]
fn completions_are_reached_with_no_more_than_may_work() {
    let mut model = made(json!({"completions": 5, "parallelism": 2}));
    let most = RefCell::new(0);
    run(&mut model, |_| {
        *most.borrow_mut() += 1;
        Some(0)
    });
    assert_eq!(end(&model), "Complete CompletionsReached");
    let status = status(&model);
    assert_eq!((&status["succeeded"], &status["failed"], &status["active"]), (&json!(5), &Value::Null, &Value::Null));
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    assert_eq!(*most.borrow(), 5, "and no pod too many");
    for pod in model.list(resource::PODS) {
        assert_eq!(pod["metadata"]["finalizers"], json!([]));
    }
    let mut model = made(json!({"completions": 5, "parallelism": 2}));
    model.run(&JobController, || false);
    assert_eq!(live(&model).len(), 2);
    assert_eq!(live(&model)[0]["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
    change(&mut model, json!({"parallelism": 1}));
    model.run(&JobController, || false);
    assert_eq!(live(&model).len(), 1);
    run(&mut model, |_| Some(0));
    assert_eq!(status_of(&model), (5, 0), "a pod that was ended does not count");
}

fn status_of(model: &Model) -> (i64, i64) {
    let status = status(model);
    (status["succeeded"].as_i64().unwrap_or(0), status["failed"].as_i64().unwrap_or(0))
}

#[test]
fn each_job_ends_as_its_limits_say() {
    for (name, spec, expected, counts) in [
        ("limit", json!({"backoffLimit": 2}), "Failed BackoffLimitExceeded", (0, 3)),
        ("none", json!({"backoffLimit": 0}), "Failed BackoffLimitExceeded", (0, 1)),
        ("empty", json!({"completions": 0}), "Complete CompletionsReached", (0, 0)),
        (
            "job",
            json!({"backoffLimit": 6, "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [7]}}]}}),
            "Failed PodFailurePolicy",
            (0, 1),
        ),
        (
            "named",
            json!({"backoffLimit": 1, "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {"containerName": "other", "operator": "In", "values": [7]}},
                {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [7]}}]}}),
            "Failed BackoffLimitExceeded",
            (0, 2),
        ),
    ] {
        let mut model = made(spec);
        run(&mut model, |_| Some(7));
        assert_eq!((end(&model).as_str(), status_of(&model)), (expected, counts), "{name}");
    }
}

#[test]
fn disruptions_can_be_ignored() {
    let rules = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]);
    let mut model = made(json!({"backoffLimit": 0, "podFailurePolicy": {"rules": rules}}));
    model.run(&JobController, || false);
    let pod = live(&model).remove(0);
    let condition = json!({"status": {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}});
    model.patch(resource::PODS, "default", meta::name(&pod), &condition);
    exit(&mut model, &pod, 137);
    run(&mut model, |_| Some(0));
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Complete CompletionsReached", (1, 0)));
}

#[test]
fn indexes_have_names_and_are_done_once() {
    let mut model = made(json!({"completions": 4, "parallelism": 3, "completionMode": "Indexed"}));
    model.run(&JobController, || false);
    let pod = live(&model).remove(1);
    assert_eq!(index(&pod), Some("1"));
    assert_eq!(pod["spec"]["hostname"], "work-1");
    assert!(meta::name(&pod).starts_with("work-1-"));
    assert_eq!(pod["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    exit(&mut model, &pod, 0);
    model.run(&JobController, || false);
    assert_eq!(status(&model)["completedIndexes"], "1");
    run(&mut model, |_| Some(0));
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Complete CompletionsReached", (4, 0)));
    assert_eq!(status(&model)["completedIndexes"], "0-3");
}

#[test]
fn each_index_has_its_own_limit() {
    let indexed = |more: Value| {
        let mut spec =
            json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed", "backoffLimitPerIndex": 1});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        made(spec)
    };
    let fails = |pod: &Value| Some(if matches!(index(pod), Some("1" | "2")) { 7 } else { 0 });
    let mut model = indexed(json!({}));
    run(&mut model, fails);
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Failed FailedIndexes", (2, 4)));
    let now = status(&model);
    assert_eq!((&now["completedIndexes"], &now["failedIndexes"]), (&json!("0,3"), &json!("1,2")));
    let mut model = indexed(json!({"maxFailedIndexes": 1}));
    run(&mut model, fails);
    assert_eq!(end(&model), "Failed MaxFailedIndexesExceeded");
    let rules = json!([{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [7]}}]);
    let mut model = indexed(json!({"podFailurePolicy": {"rules": rules}}));
    run(&mut model, fails);
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Failed FailedIndexes", (2, 2)), "at the first failure");
}

#[test]
fn a_success_policy_ends_the_rest() {
    for (rule, done) in
        [(json!({"succeededIndexes": "0"}), "0"), (json!({"succeededCount": 1, "succeededIndexes": "2-3"}), "2")]
    {
        let mut model = made(json!({"completions": 4, "parallelism": 4, "completionMode": "Indexed",
            "successPolicy": {"rules": [rule]}}));
        run(&mut model, |pod| (index(pod) == Some(done)).then_some(0));
        assert_eq!((end(&model).as_str(), status_of(&model)), ("Complete SuccessPolicy", (1, 0)), "{rule}");
        assert_eq!(live(&model).len(), 0);
    }
}

#[test]
fn a_work_queue_ends_with_its_workers() {
    let mut model = made(json!({"parallelism": 3}));
    model.run(&JobController, || false);
    assert_eq!(live(&model).len(), 3);
    let pod = live(&model).remove(0);
    exit(&mut model, &pod, 0);
    for _ in 0..5 {
        model.run(&JobController, || false);
    }
    assert_eq!((live(&model).len(), end(&model).as_str()), (2, ""), "the others finish, none is made");
    run(&mut model, |_| Some(0));
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Complete CompletionsReached", (3, 0)));
}

#[test]
fn deadlines_suspension_and_time_to_live() {
    let mut model = made(json!({"activeDeadlineSeconds": 100, "suspend": true, "ttlSecondsAfterFinished": 50}));
    model.run(&JobController, || false);
    model.advance(1000);
    model.run(&JobController, || false);
    assert_eq!((live(&model).len(), end(&model).as_str()), (0, ""), "time stands still");
    change(&mut model, json!({"suspend": false}));
    model.run(&JobController, || false);
    assert_eq!(live(&model).len(), 1);
    change(&mut model, json!({"suspend": true}));
    model.run(&JobController, || false);
    assert_eq!((live(&model).len(), status_of(&model)), (0, (0, 0)));
    change(&mut model, json!({"suspend": false}));
    run(&mut model, |_| None);
    assert_eq!((end(&model).as_str(), status_of(&model)), ("Failed DeadlineExceeded", (0, 1)));
    let plan = JobController.decide(&model.view, &Key::new("default", "work"), model.now, &mut model.ids);
    model.now = plan.wake_at.unwrap_or(model.now);
    model.run(&JobController, || false);
    assert!(model.get(resource::JOBS, "default", "work").is_none(), "gone after its time");
    run_released(&mut model);
}

/// Whatever is left of a Job that is gone can go, too.
fn run_released(model: &mut Model) {
    model.run(&JobController, || false);
    for pod in model.list(resource::PODS) {
        assert_eq!(pod["metadata"]["finalizers"], json!([]));
    }
}

#[test]
fn pods_of_a_job_that_is_gone_are_let_go() {
    let mut model = made(json!({}));
    model.run(&JobController, || false);
    model.delete(resource::JOBS, "default", "work");
    assert_eq!(live(&model).len(), 1);
    run_released(&mut model);
}

#[test]
fn a_pod_is_replaced_while_it_ends_or_once_it_has() {
    for (policy, expected) in [("TerminatingOrFailed", 1), ("Failed", 0)] {
        let mut model = made(json!({"podReplacementPolicy": policy}));
        model.run(&JobController, || false);
        let pod = live(&model).remove(0);
        model.delete(resource::PODS, "default", meta::name(&pod));
        for _ in 0..3 {
            model.run(&JobController, || false);
            model.advance(30);
        }
        assert_eq!(live(&model).len(), expected, "{policy}");
        run(&mut model, |_| Some(0));
        assert_eq!((end(&model).as_str(), status_of(&model)), ("Complete CompletionsReached", (1, 1)), "{policy}");
    }
}

#[test]
fn failures_are_followed_by_a_pause_and_foreign_managers_are_heeded() {
    let mut model = made(json!({}));
    model.run(&JobController, || false);
    let pod = live(&model).remove(0);
    exit(&mut model, &pod, 1);
    model.run(&JobController, || false);
    model.run(&JobController, || false);
    let plan = JobController.decide(&model.view, &Key::new("default", "work"), model.now, &mut model.ids);
    assert_eq!((plan.writes.len(), plan.wake_at), (0, crate::time::after(model.now, 10)));
    let mut model = made(json!({"managedBy": "example.com/queue"}));
    assert_eq!(model.run(&JobController, || false), 0);
}

/// What a Job is asked for, and what luck its pods have.
struct Fate {
    completions: i32,
    parallelism: i32,
    indexed: bool,
    per_index: bool,
    limit: i32,
    seed: u64,
    unlucky: u64,
}

/// Plays a Job to its end, with writes refused and pods that fail: every pod must have been counted once.
fn counted(fate: &Fate) {
    let Fate { completions, parallelism, indexed, per_index, limit, seed, unlucky } = *fate;
    let mut spec = json!({"completions": completions, "parallelism": parallelism,
        "completionMode": if indexed { "Indexed" } else { "NonIndexed" }, "backoffLimit": limit + 3});
    if indexed && per_index {
        spec["backoffLimitPerIndex"] = json!(limit);
        spec["backoffLimit"] = json!(i32::MAX);
    }
    let mut model = made(spec);
    let mut dice = Ids::new(seed);
    let mut fate = Ids::new(seed ^ 3);
    let seen: RefCell<BTreeMap<String, bool>> = RefCell::default();
    // A pod that still runs when the Job fails counts as failed from then on, whatever it does later.
    let given_up: RefCell<BTreeSet<String>> = RefCell::default();
    let check = |model: &Model| {
        let failed = status(model)["uncountedTerminatedPods"]["failed"].take();
        given_up
            .borrow_mut()
            .extend(failed.as_array().into_iter().flatten().filter_map(|u| Some(u.as_str()?.to_owned())));
        let mut indexes: Vec<_> = live(model).iter().filter_map(|pod| index(pod).map(str::to_owned)).collect();
        indexes.sort();
        let all = indexes.len();
        indexes.dedup();
        assert_eq!(indexes.len(), all, "two pods for one index");
        assert!(live(model).len() <= usize::try_from(parallelism).unwrap());
    };
    let settled = settle(
        &mut model,
        ALL,
        &mut dice,
        |model, eager| {
            play(model, eager, &mut |pod| {
                let code = i32::from(fate.next().is_multiple_of(unlucky));
                let success = code == 0 && !given_up.borrow().contains(meta::uid(pod));
                seen.borrow_mut().insert(meta::uid(pod).to_owned(), success);
                Some(code)
            })
        },
        check,
    );
    assert!(settled, "{:?}", status(&model));
    let (succeeded, failed) = status_of(&model);
    let seen = seen.into_inner();
    let count = |good: bool| seen.values().filter(|success| **success == good).count();
    assert_eq!(succeeded, i64::try_from(count(true)).unwrap());
    // Pods that still ran when the Job failed count as failed, too.
    let ended = end(&model);
    if ended.starts_with("Complete") {
        assert_eq!(failed, i64::try_from(count(false)).unwrap());
        assert_eq!(succeeded, i64::from(completions));
    } else {
        assert!(failed >= i64::try_from(count(false)).unwrap());
    }
    assert!(live(&model).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever is refused and whenever pods end: each pod is counted once.
    #[test]
    fn counts_are_exact(
        completions in 1_i32..6, parallelism in 1_i32..5, indexed in any::<bool>(), per_index in any::<bool>(),
        limit in 0_i32..4, seed in any::<u64>(), unlucky in 2_u64..6,
    ) {
        counted(&Fate { completions, parallelism, indexed, per_index, limit, seed, unlucky });
    }
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    for spec in [
        json!({"completions": 3, "parallelism": 2, "backoffLimit": 5}),
        json!({"completions": 3, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1}),
    ] {
        let go = |at: usize| {
            let mut model = made(spec.clone());
            let (mut count, mut made) = (0, 0);
            for _ in 0..ROUNDS {
                let writes = model.run(&JobController, || {
                    count += 1;
                    count - 1 == at
                });
                // The second pod that runs fails, every other succeeds.
                let busy = play(&mut model, &mut || true, &mut |_| {
                    made += 1;
                    Some(i32::from(made == 2))
                });
                if busy == 0 && writes == 0 {
                    break;
                }
            }
            let now = status(&model);
            (count, (end(&model), status_of(&model), now["completedIndexes"].clone(), live(&model).len()))
        };
        let (writes, expected) = go(usize::MAX);
        assert!(writes > 8);
        for at in 0..writes {
            assert_eq!(go(at).1, expected, "killed after write {at}");
        }
    }
}

#[test]
fn an_adopted_pod_is_held_and_counted_like_any_other() {
    let stray = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stray", "namespace": "default",
        "labels": {"job": "1"}, "finalizers": ["example.com/other"]}, "spec": {"containers": []}});
    let spec = json!({"completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed"});
    let mut model = made(spec);
    model.create(resource::PODS, stray);
    model.run(&JobController, || false);
    let stray = |model: &Model| model.get(resource::PODS, "default", "stray").unwrap();
    assert_eq!(stray(&model)["metadata"]["ownerReferences"][0]["kind"], "Job");
    assert_eq!(stray(&model)["metadata"]["finalizers"], json!(["example.com/other", crate::job::FINALIZER]));
    let pod = stray(&model);
    exit(&mut model, &pod, 0);
    for _ in 0..4 {
        model.run(&JobController, || false);
    }
    assert_eq!((status(&model)["succeeded"].clone(), end(&model).as_str()), (json!(1), "Complete CompletionsReached"));
    assert_eq!(stray(&model)["metadata"]["finalizers"], json!(["example.com/other"]));
    assert_eq!(model.list(resource::PODS).len(), 1, "none was made besides");
}

#[test]
fn counts_are_exact_where_the_property_once_failed() {
    for (indexed, per_index) in [(false, false), (true, false), (true, true)] {
        counted(&Fate {
            completions: 4,
            parallelism: 3,
            indexed,
            per_index,
            limit: 0,
            seed: 16_412_745_625_597_551_356,
            unlucky: 3,
        });
    }
}

//! What is told of writes that the server refuses, and how it is taken back.

use crate::{
    Controller, EventRecord, PlannedWrite, cronjob::CronJobController, daemonset::DaemonSetController,
    deployment::DeploymentController, job::JobController, model::Model, replicaset::ReplicaSetController,
    replicaset::ReplicationController, resource, statefulset::StatefulSetController,
};
use podium_types::ApiError;
use serde_json::{Value, json};

fn full() -> ApiError {
    ApiError::new(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: team")
}

fn ending() -> ApiError {
    let details = json!({"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]});
    ApiError { details: Some(details), ..full() }
}

/// Refuses to make objects of a kind.
fn no_more(resource: &'static str, error: fn() -> ApiError) -> impl FnMut(&PlannedWrite) -> Option<ApiError> {
    move |write| matches!(write, PlannedWrite::Create { resource: kind, .. } if *kind == resource).then(error)
}

fn selecting(kind: &str, version: &str, spec: Value) -> Value {
    let selector = match kind {
        "ReplicationController" => json!({"app": "web"}),
        _ => json!({"matchLabels": {"app": "web"}}),
    };
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "v1"}]}});
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": selector, "template": template}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}

fn told(events: &[EventRecord]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (event.reason, event.message.as_str())).collect()
}

#[test]
fn whoever_makes_pods_says_why_there_are_none() {
    let said = "Error creating: pods \"x\" is forbidden: exceeded quota: team";
    let claim = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
    let job = selecting("Job", "batch/v1", json!({"completions": 2, "parallelism": 2, "backoffLimit": 1}));
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job["spec"]}}});
    let cases: [(&dyn Controller, &'static str, &'static str, Value, String); 7] = [
        (
            &ReplicaSetController,
            resource::REPLICA_SETS,
            resource::PODS,
            selecting("ReplicaSet", "apps/v1", json!({"replicas": 2})),
            said.to_owned(),
        ),
        (
            &ReplicationController,
            resource::REPLICATION_CONTROLLERS,
            resource::PODS,
            selecting("ReplicationController", "v1", json!({"replicas": 2})),
            said.to_owned(),
        ),
        (
            &DaemonSetController,
            resource::DAEMON_SETS,
            resource::PODS,
            selecting("DaemonSet", "apps/v1", json!({})),
            said.to_owned(),
        ),
        (
            &StatefulSetController,
            resource::STATEFUL_SETS,
            resource::PODS,
            selecting("StatefulSet", "apps/v1", json!({"replicas": 2, "serviceName": "web"})),
            said.replace("Error creating:", "create Pod web-0 in StatefulSet web failed error:"),
        ),
        (
            &StatefulSetController,
            resource::STATEFUL_SETS,
            resource::CLAIMS,
            selecting("StatefulSet", "apps/v1", json!({"replicas": 2, "volumeClaimTemplates": claim})),
            said.replace("Error creating:", "create Claim data-web-0 in StatefulSet web failed error:"),
        ),
        (&JobController, resource::JOBS, resource::PODS, job.clone(), said.to_owned()),
        (
            &CronJobController,
            resource::CRON_JOBS,
            resource::JOBS,
            cron,
            said.replace("Error creating:", "Error creating job:"),
        ),
    ];
    for (controller, kind, made, object, expected) in cases {
        let mut model = Model::new(1);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {}});
        model.create(resource::NODES, node);
        model.create(kind, object);
        model.advance(90);
        // A revision comes first where there is one.
        let mut events = Vec::new();
        for _ in 0..2 {
            events = model.run_refused(controller, no_more(made, full)).1;
        }
        assert_eq!(told(&events), [("FailedCreate", expected.as_str())], "{}", controller.name());
        let events = model.run_refused(controller, no_more(made, ending)).1;
        assert_eq!(told(&events), [], "{}: a namespace that goes needs none", controller.name());
    }
}

/// The condition of that type: its status, reason and message.
fn condition(model: &Model, resource: &str, name: &str, kind: &str) -> Option<Value> {
    let object = model.get(resource, "default", name).unwrap();
    let found = object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)?.clone();
    Some(json!([found["status"], found["reason"], found["message"]]))
}

#[test]
fn a_failure_shows_on_the_set_and_its_deployment_until_it_is_over() {
    let mut model = Model::new(1);
    let spec = json!({"replicas": 2, "progressDeadlineSeconds": 600});
    model.create(resource::DEPLOYMENTS, selecting("Deployment", "apps/v1", spec));
    let (_, events) = model.run_refused(&DeploymentController, no_more(resource::REPLICA_SETS, full));
    assert_eq!(events[0].reason, "ReplicaSetCreateError");
    let progressing = |model: &Model| condition(model, resource::DEPLOYMENTS, "web", "Progressing").unwrap();
    assert_eq!(progressing(&model)[1], "ReplicaSetCreateError");
    model.run(&DeploymentController, || false);
    assert_eq!(progressing(&model)[1], "NewReplicaSetCreated");
    let set = model.list(resource::REPLICA_SETS)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let failure = |model: &Model, kind| {
        let name = if kind == resource::DEPLOYMENTS { "web" } else { &set };
        condition(model, kind, name, "ReplicaFailure")
    };
    let mut writes = Vec::new();
    for _ in 0..3 {
        let (count, events) = model.run_refused(&ReplicaSetController, no_more(resource::PODS, full));
        assert_eq!(told(&events), [("FailedCreate", format!("Error creating: {}", full().message).as_str())]);
        writes.push(count);
        model.run(&DeploymentController, || false);
    }
    // Two pods and a status are planned each time; the condition is written once.
    assert_eq!(writes, [4, 3, 3]);
    let expected = Some(json!(["True", "FailedCreate", full().message]));
    for kind in [resource::REPLICA_SETS, resource::DEPLOYMENTS] {
        assert_eq!(failure(&model, kind), expected);
    }
    model.run(&ReplicaSetController, || false);
    model.run(&DeploymentController, || false);
    for kind in [resource::REPLICA_SETS, resource::DEPLOYMENTS] {
        assert_eq!(failure(&model, kind), None);
    }
    // Scaling down may be refused, too.
    model.patch(resource::REPLICA_SETS, "default", &set, &json!({"spec": {"replicas": 1}}));
    let denied = |write: &PlannedWrite| matches!(write, PlannedWrite::Delete { .. }).then(full);
    let (_, events) = model.run_refused(&ReplicaSetController, denied);
    assert_eq!(told(&events), [("FailedDelete", format!("Error deleting: {}", full().message).as_str())]);
    assert_eq!(failure(&model, resource::REPLICA_SETS).unwrap()[1], "FailedDelete");
}

#[test]
fn lost_races_are_nobodys_business() {
    let mut model = Model::new(1);
    model.create(resource::REPLICA_SETS, selecting("ReplicaSet", "apps/v1", json!({"replicas": 2})));
    let race = || ApiError::already_exists("pods", "", "web-x");
    let (_, events) = model.run_refused(&ReplicaSetController, no_more(resource::PODS, race));
    assert_eq!(told(&events), []);
    assert_eq!(condition(&model, resource::REPLICA_SETS, "web", "ReplicaFailure"), None);
}

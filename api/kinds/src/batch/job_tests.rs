//! Jobs: what is set, refused and shown.

use super::*;
use crate::testing::{CONTEXT, changes, defaulted, shown};

fn job(spec: Value) -> Value {
    let mut object = json!({"metadata": {"name": "j", "uid": "u-1"}, "spec": {"template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    let mut object = defaulted(&KIND, &object);
    KIND.strategy.prepare_create(&mut object, &CONTEXT);
    object
}

#[test]
fn defaults_and_selector() {
    let object = job(json!({}));
    let spec = &object["spec"];
    assert_eq!((&spec["completions"], &spec["parallelism"], &spec["backoffLimit"]), (&json!(1), &json!(1), &json!(6)));
    assert_eq!((&spec["completionMode"], &spec["suspend"]), (&json!("NonIndexed"), &json!(false)));
    assert_eq!(spec["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}));
    let labels = json!({"batch.kubernetes.io/controller-uid": "u-1", "controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "j", "job-name": "j"});
    assert_eq!(spec["template"]["metadata"]["labels"], labels);
    assert_eq!(job(json!({"parallelism": 2}))["spec"]["completions"], json!(null));
    let manual = job(json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}));
    assert_eq!(manual["spec"]["selector"], json!({"matchLabels": {"a": "b"}}));
}

#[test]
fn messages() {
    let always = json!({"spec": {"containers": [{"name": "a", "image": "a"}]}});
    let cases: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (
            json!({"template": always}),
            &[r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#],
        ),
        (
            json!({"parallelism": -1, "completions": -2}),
            &[
                "spec.parallelism: Invalid value: -1: must be greater than or equal to 0",
                "spec.completions: Invalid value: -2: must be greater than or equal to 0",
            ],
        ),
        (
            json!({"completionMode": "Indexed", "parallelism": 1}),
            &["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            json!({"backoffLimitPerIndex": 1}),
            &["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}),
            &["spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`"],
        ),
        (
            json!({"managedBy": "me"}),
            &[r#"spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")"#],
        ),
    ];
    for (spec, expected) in cases {
        let found: Vec<String> = KIND.strategy.validate(&job(spec.clone())).iter().map(ToString::to_string).collect();
        assert_eq!(found, *expected, "{spec}");
    }
}

#[test]
fn what_may_change() {
    let old = job(json!({}));
    let mut new = old.clone();
    new["spec"]["parallelism"] = json!(0);
    new["spec"]["suspend"] = json!(true);
    assert_eq!(changes(&KIND, &new, &old), [""; 0]);
    new["spec"]["completions"] = json!(2);
    assert_eq!(changes(&KIND, &new, &old), ["spec.completions: Invalid value: 2: field is immutable"]);
    let mut other = old.clone();
    other["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
    assert!(changes(&KIND, &other, &old)[0].starts_with("spec.template: Invalid value"));
    let mut waiting = old.clone();
    waiting["spec"]["suspend"] = json!(true);
    assert_eq!(changes(&KIND, &other, &waiting), [""; 0]);
    let [small, mut large] =
        [3, 5].map(|n| job(json!({"completionMode": "Indexed", "completions": n, "parallelism": n})));
    large["spec"]["selector"] = small["spec"]["selector"].clone();
    assert_eq!(changes(&KIND, &large, &small), [""; 0]);
    large["spec"]["parallelism"] = json!(1);
    let why = "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism";
    assert_eq!(changes(&KIND, &large, &small), [why]);
}

#[test]
fn cells() {
    let mut object = job(json!({}));
    assert_eq!(shown(&KIND, &object)[..4], ["j", "Running", "0/1", ""]);
    object["status"] = json!({"succeeded": 1, "startTime": "1970-01-01T00:00:00Z",
        "completionTime": "1970-01-01T00:00:09Z", "conditions": [{"type": "Complete", "status": "True"}]});
    assert_eq!(shown(&KIND, &object)[..4], ["j", "Complete", "1/1", "9s"]);
    assert_eq!(KIND.field(&object, "status.successful").as_deref(), Some("1"));
    assert_eq!(progress(&json!({"spec": {"parallelism": 3}})), "0/1 of 3");
}

//! Messages and cells of the group's kinds.

use super::*;
use crate::{
    Kind,
    testing::{changes, defaulted, errors, shown},
};
use serde_json::json;

#[test]
fn messages() {
    let cases: &[(&Kind, Value, &[&str])] = &[
        (&storageclass::KIND, json!({"provisioner": "Example.com/nfs"}), &[]),
        (
            &storageclass::KIND,
            json!({"reclaimPolicy": "Recycle", "volumeBindingMode": "Late"}),
            &[
                "provisioner: Required value",
                r#"reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain""#,
                r#"volumeBindingMode: Unsupported value: "Late": supported values: "Immediate", "WaitForFirstConsumer""#,
            ],
        ),
        (
            &volumeattributesclass::KIND,
            json!({}),
            &["driverName: Required value", "parameters: Required value: must contain at least one key/value pair"],
        ),
        (
            &volumeattachment::KIND,
            json!({"spec": {"attacher": "a.io", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}),
            &[],
        ),
        (
            &volumeattachment::KIND,
            json!({"spec": {}}),
            &[
                "spec.attacher: Required value",
                "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
                "spec.nodeName: Required value",
            ],
        ),
        (
            &csidriver::KIND,
            json!({"metadata": {"name": "d"}, "spec": {"fsGroupPolicy": "Odd", "tokenRequests": [{"audience": "a"}, {"audience": "a"}]}}),
            &[
                r#"spec.fsGroupPolicy: Unsupported value: "Odd": supported values: "File", "None", "ReadWriteOnceWithFSType""#,
                r#"spec.tokenRequests[1].audience: Duplicate value: "a""#,
            ],
        ),
        (
            &csinode::KIND,
            json!({"spec": {"drivers": [{"name": "d"}, {"name": "d", "nodeID": "n"}]}}),
            &["spec.drivers[0].nodeID: Required value", r#"spec.drivers[1].name: Duplicate value: "d""#],
        ),
        (
            &csistoragecapacity::KIND,
            json!({"storageClassName": "a", "capacity": "-1"}),
            &[r#"capacity: Invalid value: "-1": must be greater than or equal to 0"#],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(errors(kind, object), *expected, "{} {object}", kind.kind);
    }
}

#[test]
fn what_stays() {
    let old = defaulted(&storageclass::KIND, &json!({"provisioner": "a.io/x"}));
    let mut new = old.clone();
    new["provisioner"] = json!("b.io/x");
    new["volumeBindingMode"] = json!("WaitForFirstConsumer");
    assert_eq!(
        changes(&storageclass::KIND, &new, &old),
        [
            "provisioner: Forbidden: updates to provisioner are forbidden.",
            r#"volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable"#,
        ]
    );
    let [old, new] = ["a", "b"].map(|n| json!({"spec": {"nodeName": n}}));
    assert_eq!(
        changes(&volumeattachment::KIND, &new, &old),
        [r#"spec: Invalid value: {"nodeName":"b"}: field is immutable"#]
    );
    let [old, new] = ["a", "b"].map(|n| json!({"spec": {"drivers": [{"name": "d", "nodeID": n}]}}));
    let why = r#"spec.drivers[0].nodeID: Invalid value: "b": field is immutable"#;
    assert_eq!(changes(&csinode::KIND, &new, &old), [why]);
}

#[test]
fn cells() {
    let annotations = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    let class = json!({"metadata": {"name": "s", "annotations": annotations}, "provisioner": "a.io/x"});
    let cells = ["s (default)", "a.io/x", "Delete", "Immediate", "false", "<unknown>"];
    assert_eq!(shown(&storageclass::KIND, &defaulted(&storageclass::KIND, &class)), cells);
    let driver = defaulted(&csidriver::KIND, &json!({"metadata": {"name": "d"}, "spec": {}}));
    let cells = ["d", "true", "false", "false", "<unset>", "false", "Persistent", "<unknown>"];
    assert_eq!(shown(&csidriver::KIND, &driver), cells);
}

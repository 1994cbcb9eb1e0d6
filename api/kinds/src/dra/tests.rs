//! Messages and cells of the group's kinds.

use super::*;
use crate::{
    Kind,
    testing::{changes, defaulted, errors, shown},
};
use serde_json::{Value, json};

#[test]
fn messages() {
    let claim = |request: Value| json!({"spec": {"devices": {"requests": [request]}}});
    let slice = json!({"spec": {"driver": "d.io", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}}});
    let cases: &[(&Kind, Value, &[&str])] = &[
        (&resourceclaim::KIND, claim(json!({"name": "gpu", "exactly": {"deviceClassName": "gpu.io"}})), &[]),
        (
            &resourceclaim::KIND,
            claim(json!({"name": "gpu"})),
            &["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"],
        ),
        (
            &resourceclaim::KIND,
            claim(json!({"name": "gpu", "exactly": {"allocationMode": "Some"}})),
            &[
                "spec.devices.requests[0].exactly.deviceClassName: Required value",
                r#"spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount""#,
            ],
        ),
        (&deviceclass::KIND, json!({"spec": {"selectors": [{}]}}), &["spec.selectors[0].cel: Required value"]),
        (&resourceslice::KIND, slice, &[]),
        (
            &resourceslice::KIND,
            json!({"spec": {"driver": "d.io", "pool": {"name": "p", "resourceSliceCount": 1}, "allNodes": true, "nodeName": "n"}}),
            &[
                "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required",
            ],
        ),
        (
            &resourceclaimtemplate::KIND,
            json!({"spec": {"spec": {"devices": {"constraints": [{"requests": ["x"]}]}}}}),
            &[
                r#"spec.spec.devices.constraints[0].requests[0]: Invalid value: "x": must be the name of a request in the claim"#,
            ],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(errors(kind, object), *expected, "{} {object}", kind.kind);
    }
}

#[test]
fn claims_are_for_one_device_and_stay() {
    let old = json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "x"}}]}}});
    let claim = defaulted(&resourceclaim::KIND, &old);
    assert_eq!(claim["spec"]["devices"]["requests"][0]["exactly"]["count"], 1);
    let other = json!({"spec": {"devices": {}}});
    assert_eq!(
        changes(&resourceclaim::KIND, &other, &old),
        [r#"spec: Invalid value: {"devices":{}}: field is immutable"#]
    );
    assert_eq!(shown(&resourceclaim::KIND, &claim), ["c", "pending", "<unknown>"]);
}

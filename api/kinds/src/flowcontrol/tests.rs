//! Messages and cells of the group's kinds.

use super::*;
use crate::{
    Kind,
    testing::{defaulted, errors, shown},
};
use serde_json::{Value, json};

#[test]
fn messages() {
    let level = |limited: Value| json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": limited}});
    let queue = json!({"limitResponse": {"type": "Queue", "queuing": {"queues": 4}}});
    let cases: &[(&Kind, Value, &[&str])] = &[
        (&prioritylevel::KIND, level(json!({"limitResponse": {"type": "Reject"}})), &[]),
        (
            &prioritylevel::KIND,
            json!({"spec": {"type": "Limited"}}),
            &["spec.limited: Required value: must not be empty when type is Limited"],
        ),
        (
            &prioritylevel::KIND,
            level(queue),
            &["spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)"],
        ),
        (&prioritylevel::KIND, json!({"spec": {"type": "Exempt", "exempt": {}}}), &[]),
        (
            &flowschema::KIND,
            json!({"spec": {"matchingPrecedence": 10001, "rules": [{"subjects": [{"kind": "User"}]}]}}),
            &[
                "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000",
                "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
                "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
                "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
            ],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(errors(kind, object), *expected, "{} {object}", kind.kind);
    }
}

#[test]
fn cells() {
    let queue = json!({"limitResponse": {"type": "Queue", "queuing": {}}});
    let object = json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": queue}});
    let cells = ["l", "Limited", "30", "64", "8", "50", "<unknown>"];
    assert_eq!(shown(&prioritylevel::KIND, &defaulted(&prioritylevel::KIND, &object)), cells);
    let object = json!({"metadata": {"name": "f"}, "spec": {"priorityLevelConfiguration": {"name": "l"}}});
    assert_eq!(
        shown(&flowschema::KIND, &defaulted(&flowschema::KIND, &object)),
        ["f", "l", "1000", "<none>", "<unknown>", "?"]
    );
}

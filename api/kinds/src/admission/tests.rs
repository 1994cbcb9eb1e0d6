//! Messages, defaults and cells of the group's kinds.

use super::*;
use crate::{
    Kind,
    testing::{defaulted, errors, shown},
};
use serde_json::{Value, json};

fn hook(more: Value) -> Value {
    let mut webhook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "s", "namespace": "n"}}});
    for (name, value) in more.as_object().unwrap() {
        webhook[name] = value.clone();
    }
    json!({"metadata": {"name": "w"}, "webhooks": [webhook]})
}

#[test]
fn defaults_of_webhooks() {
    let rule = json!({"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
    let object = defaulted(&mutatingwebhook::KIND, &hook(json!({"rules": [rule]})));
    let webhook = &object["webhooks"][0];
    assert_eq!((&webhook["failurePolicy"], &webhook["timeoutSeconds"]), (&json!("Fail"), &json!(10)));
    assert_eq!((&webhook["matchPolicy"], &webhook["reinvocationPolicy"]), (&json!("Equivalent"), &json!("Never")));
    assert_eq!(
        (&webhook["rules"][0]["scope"], &webhook["clientConfig"]["service"]["port"]),
        (&json!("*"), &json!(443))
    );
    assert_eq!(shown(&mutatingwebhook::KIND, &object), ["w", "1", "<unknown>"]);
}

#[test]
fn messages() {
    let rule = json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
    let policy =
        json!({"spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "true"}]}});
    let mutating = json!({"spec": {"matchConstraints": {"resourceRules": [rule]}, "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch"}]}});
    let cases: &[(&Kind, Value, &[&str])] = &[
        (&validatingwebhook::KIND, hook(json!({})), &[]),
        (
            &validatingwebhook::KIND,
            hook(json!({"name": "a.b", "sideEffects": null, "timeoutSeconds": 31})),
            &[
                r#"webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots"#,
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            ],
        ),
        (
            &validatingwebhook::KIND,
            hook(
                json!({"clientConfig": {}, "rules": [{"operations": ["*", "READ"], "apiVersions": ["v1"], "apiGroups": [""]}]}),
            ),
            &[
                r#"webhooks[0].rules[0].operations: Invalid value: ["*","READ"]: if '*' is present, must not specify other values"#,
                r#"webhooks[0].rules[0].operations[1]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE""#,
                "webhooks[0].rules[0].resources: Required value",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
            ],
        ),
        (
            &validatingwebhook::KIND,
            hook(json!({"clientConfig": {"url": "http://x"}})),
            &[
                r#"webhooks[0].clientConfig.url: Invalid value: "http://x": 'https' is the only allowed URL scheme; desired format: https://host[/path]"#,
            ],
        ),
        (&validatingpolicy::KIND, policy, &[]),
        (
            &validatingpolicy::KIND,
            json!({"spec": {"validations": [{}]}}),
            &[
                "spec.matchConstraints: Required value",
                "spec.validations[0].expression: Required value: expression is not specified",
            ],
        ),
        (
            &mutatingpolicy::KIND,
            mutating,
            &["spec.mutations[0].jsonPatch.expression: Required value: expression is not specified"],
        ),
        (&validatingpolicybinding::KIND, json!({"spec": {"policyName": "p", "validationActions": ["Deny"]}}), &[]),
        (
            &validatingpolicybinding::KIND,
            json!({"spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]}}),
            &[
                r#"spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"#,
            ],
        ),
        (
            &mutatingpolicybinding::KIND,
            json!({"spec": {"paramRef": {"parameterNotFoundAction": "Deny"}}}),
            &[
                "spec.policyName: Required value",
                "spec.paramRef.name: Required value: one of name or selector must be specified",
            ],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(errors(kind, object), *expected, "{} {object}", kind.kind);
    }
}

#[test]
fn cells() {
    let spec = json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{}, {}]});
    assert_eq!(
        shown(&validatingpolicy::KIND, &json!({"metadata": {"name": "p"}, "spec": spec}))[..3],
        ["p", "2", "v1/ConfigMap"]
    );
    let spec = json!({"policyName": "p", "paramRef": {"namespace": "n", "name": "c"}});
    assert_eq!(
        shown(&mutatingpolicybinding::KIND, &json!({"metadata": {"name": "b"}, "spec": spec}))[..3],
        ["b", "p", "n/c"]
    );
}

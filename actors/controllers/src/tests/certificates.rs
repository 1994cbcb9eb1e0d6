//! Signing requests on the model cluster: who is approved, what is signed, what goes when.

use crate::{
    Controller,
    certificates::{ApprovingController, CleaningController, SigningController},
    model::Model,
    resource::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, SIGNING_REQUESTS},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

const NODE: &str = "system:node:a";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";

fn ask(model: &mut Model, name: &str, signer: &str, user: &str, subject: (&str, &str)) {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, subject.1);
    params.distinguished_name.push(rcgen::DnType::CommonName, subject.0);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let pem = params.serialize_request(&key).unwrap().pem().unwrap();
    model.create(
        SIGNING_REQUESTS,
        json!({"metadata": {"name": name}, "spec": {"request": BASE64_STANDARD.encode(pem), "signerName": signer,
            "usages": ["client auth", "digital signature"], "username": user, "groups": ["system:bootstrappers"]}}),
    );
}

fn may(model: &mut Model, name: &str, permission: &str, user: &str) {
    let resources = [format!("certificatesigningrequests/{permission}")];
    model.create(
        CLUSTER_ROLES,
        json!({"metadata": {"name": name},
        "rules": [{"verbs": ["create"], "apiGroups": ["certificates.k8s.io"], "resources": resources}]}),
    );
    model.create(
        CLUSTER_ROLE_BINDINGS,
        json!({"metadata": {"name": name},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"}}),
    );
}

fn status(model: &Model, name: &str) -> Value {
    model.get(SIGNING_REQUESTS, "", name).map_or(Value::Null, |request| request["status"].clone())
}

#[test]
fn nodes_are_approved_where_a_role_allows_it() {
    let mut model = Model::new(1);
    may(&mut model, "self", "selfnodeclient", NODE);
    may(&mut model, "first", "nodeclient", "bootstrap");
    ask(&mut model, "own", KUBELET, NODE, (NODE, "system:nodes"));
    ask(&mut model, "new", KUBELET, "bootstrap", (NODE, "system:nodes"));
    ask(&mut model, "others", KUBELET, NODE, ("system:node:b", "system:nodes"));
    ask(&mut model, "stranger", KUBELET, "jane", (NODE, "system:nodes"));
    ask(&mut model, "no-node", KUBELET, "bootstrap", ("jane", "dev"));
    ask(&mut model, "plain", CLIENT, "bootstrap", (NODE, "system:nodes"));
    assert_eq!(model.run(&ApprovingController, || false), 2);
    for (name, message) in [
        ("own", "Auto approving self kubelet client certificate after SubjectAccessReview."),
        ("new", "Auto approving kubelet client certificate after SubjectAccessReview."),
    ] {
        let condition = &status(&model, name)["conditions"][0];
        assert_eq!((&condition["type"], &condition["reason"]), (&json!("Approved"), &json!("AutoApproved")));
        assert_eq!(condition["message"], message);
    }
    assert_eq!(model.run(&ApprovingController, || false), 0, "decided once");
    // A role that comes later counts.
    may(&mut model, "jane", "nodeclient", "jane");
    assert_eq!(model.run(&ApprovingController, || false), 1);
}

#[test]
fn what_is_approved_is_signed_or_fails() {
    let mut model = Model::new(1);
    let signing = SigningController::new("");
    ask(&mut model, "good", CLIENT, "jane", ("jane", "dev"));
    ask(&mut model, "bad", KUBELET, "jane", ("jane", "dev"));
    ask(&mut model, "foreign", "example.com/own", "jane", ("jane", "dev"));
    ask(&mut model, "denied", CLIENT, "jane", ("jane", "dev"));
    assert_eq!(model.run(&signing, || false), 0, "nobody has approved");
    let approved = json!({"status": {"conditions": [{"type": "Approved", "status": "True"}]}});
    for name in ["good", "bad", "foreign"] {
        model.patch(SIGNING_REQUESTS, "", name, &approved);
    }
    let denied = json!({"status": {"conditions": [{"type": "Denied", "status": "True"}]}});
    model.patch(SIGNING_REQUESTS, "", "denied", &denied);
    assert_eq!(model.run(&signing, || false), 2);
    assert!(status(&model, "good")["certificate"].is_string());
    let failed = &status(&model, "bad")["conditions"][1];
    assert_eq!(
        (&failed["type"], &failed["reason"], &failed["message"]),
        (&json!("Failed"), &json!("SignerValidationFailure"), &json!("subject organization is not system:nodes"))
    );
    assert_eq!(model.run(&signing, || false), 0, "done");
    for name in ["foreign", "denied"] {
        assert!(status(&model, name)["certificate"].is_null(), "{name}");
    }
}

#[test]
fn requests_go_in_their_time() {
    let mut model = Model::new(1);
    for name in ["approved", "denied", "failed", "pending"] {
        ask(&mut model, name, CLIENT, "jane", ("jane", "dev"));
    }
    let now = serde_json::to_value(crate::time::stamp(model.now)).unwrap();
    for (name, kind) in [("approved", "Approved"), ("denied", "Denied"), ("failed", "Failed")] {
        let condition = json!([{"type": kind, "status": "True", "lastUpdateTime": now}]);
        model.patch(SIGNING_REQUESTS, "", name, &json!({"status": {"conditions": condition}}));
    }
    let names =
        |model: &Model| model.list(SIGNING_REQUESTS).iter().map(|r| r["metadata"]["name"].clone()).collect::<Vec<_>>();
    model.advance(3599);
    assert_eq!(model.run(&CleaningController, || false), 0);
    model.advance(1);
    model.run(&CleaningController, || false);
    assert_eq!(names(&model), ["pending"]);
    model.advance(23 * 3600 - 1);
    assert_eq!(model.run(&CleaningController, || false), 0);
    model.advance(1);
    model.run(&CleaningController, || false);
    assert!(names(&model).is_empty());
}

#[test]
fn a_crash_after_any_write_leads_to_the_same_end() {
    let signing = SigningController::new("");
    let all: &[&dyn Controller] = &[&ApprovingController, &signing, &CleaningController];
    super::crashes::same_end(
        3,
        |model, go| {
            may(model, "self", "selfnodeclient", NODE);
            for name in ["a", "b"] {
                ask(model, name, KUBELET, NODE, (NODE, "system:nodes"));
            }
            ask(model, "stranger", KUBELET, "jane", (NODE, "system:nodes"));
            go(model, all);
        },
        |model| {
            let signed = |name: &&str| status(model, name)["certificate"].is_string();
            assert_eq!(["a", "b", "stranger"].iter().map(signed).collect::<Vec<_>>(), [true, true, false]);
            let reasons = ["a", "b", "stranger"].map(|name| status(model, name)["conditions"][0]["reason"].clone());
            json!(reasons)
        },
    );
    super::crashes::same_end(
        1,
        |model, go| {
            for name in ["a", "b"] {
                ask(model, name, KUBELET, "jane", (NODE, "system:nodes"));
            }
            // Nobody has approved them for more than a day.
            model.advance(48 * 3600);
            go(model, all);
        },
        |model| json!(model.list(SIGNING_REQUESTS).len()),
    );
}

//! Token Secrets are filled, mended, and go with their account.

use super::harness::rest;
use crate::{model::Model, resource, tokens::TokensController};
use serde_json::json;

#[test]
fn a_token_secret_lives_and_dies_with_its_account() {
    let mut model = Model::new(1);
    let tokens = TokensController::new("CA");
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}});
    model.create(resource::SERVICE_ACCOUNTS, account.clone());
    let secret = |name: &str, account: &str, of: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": of, "metadata": {"name": name, "namespace": "default",
            "annotations": {"kubernetes.io/service-account.name": account}}})
    };
    model.create(resource::SECRETS, secret("token", "robot", "kubernetes.io/service-account-token"));
    model.create(resource::SECRETS, secret("opaque", "robot", "Opaque"));
    model.create(resource::SECRETS, secret("stray", "nobody", "kubernetes.io/service-account-token"));
    rest(&mut model, &[&tokens]);
    let made = model.get(resource::SECRETS, "default", "token").unwrap();
    let filled = json!({"ca.crt": "Q0E=", "namespace": "ZGVmYXVsdA==", "token": "dG9rZW4gb2Ygcm9ib3Q="});
    assert_eq!(made["data"], filled);
    assert!(made["metadata"]["annotations"]["kubernetes.io/service-account.uid"].is_string());
    assert_eq!(model.get(resource::SECRETS, "default", "opaque").unwrap().get("data"), None);
    assert_eq!(model.get(resource::SECRETS, "default", "stray"), None);
    // What somebody takes away comes back.
    model.patch(resource::SECRETS, "default", "token", &json!({"data": {"ca.crt": null, "token": null}}));
    rest(&mut model, &[&tokens]);
    assert_eq!(model.get(resource::SECRETS, "default", "token").unwrap()["data"], filled);
    // Another account of the same name is not the same.
    model.delete(resource::SERVICE_ACCOUNTS, "default", "robot");
    model.create(resource::SERVICE_ACCOUNTS, account);
    rest(&mut model, &[&tokens]);
    assert_eq!(model.get(resource::SECRETS, "default", "token"), None);
}

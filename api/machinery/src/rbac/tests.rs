//! Decisions by table; what rules cover, against a model that asks every question.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn policy() -> Policy {
    let role =
        |namespace: &str, name: &str, rules: Value| Arc::new(Role::parse(namespace, name, &json!({ "rules": rules })));
    let bind = |namespace: &str, name: &str, kind: &str, subjects: Value| {
        let object = json!({"roleRef": {"kind": kind, "name": name}, "subjects": subjects});
        Arc::new(Binding::parse(namespace, name, &object))
    };
    let roles = [
        role("", "admin", json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])),
        role("", "scaler", json!([{"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]}])),
        role("", "paths", json!([{"verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"]}])),
        role("a", "reader", json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]}])),
        role(
            "a",
            "one",
            json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"]}]),
        ),
    ];
    let bindings = [
        bind("", "admin", "ClusterRole", json!([{"kind": "Group", "name": "admins"}])),
        bind("b", "admin", "ClusterRole", json!([{"kind": "User", "name": "bob"}])),
        bind("", "scaler", "ClusterRole", json!([{"kind": "ServiceAccount", "namespace": "a", "name": "hpa"}])),
        bind("", "paths", "ClusterRole", json!([{"kind": "User", "name": "prom"}])),
        bind(
            "a",
            "reader",
            "Role",
            json!([{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "own"}]),
        ),
        bind("a", "one", "Role", json!([{"kind": "User", "name": "jane"}])),
        bind("a", "absent", "Role", json!([{"kind": "User", "name": "eve"}])),
    ];
    Policy::new(roles.into_iter(), bindings.into_iter())
}

/// `apps/deployments/scale:name` as a request.
fn ask<'a>(verb: &'a str, what: &'a str) -> Ask<'a> {
    if what.starts_with('/') {
        return Ask::Path { verb, path: what };
    }
    let (what, name) = what.split_once(':').unwrap_or((what, ""));
    let (group, what) = what.split_once('!').unwrap_or(("", what));
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    Ask::Resource { verb, group, resource, subresource, name }
}

#[test]
fn decisions() {
    let policy = policy();
    let table = [
        ("root", "admins", "", "delete", "nodes:n", true),
        ("root", "admins", "b", "exotic", "x.dev!things/any", true),
        ("root", "admins", "", "get", "/metrics", false),
        ("bob", "", "b", "create", "pods/exec:p", true),
        ("bob", "", "a", "create", "pods/exec:p", false),
        ("bob", "", "", "list", "pods", false),
        ("system:serviceaccount:a:hpa", "", "z", "update", "apps!deployments/scale:d", true),
        ("system:serviceaccount:a:hpa", "", "z", "update", "apps!deployments:d", false),
        ("system:serviceaccount:a:hpa", "", "z", "update", "other!deployments/scale:d", false),
        ("system:serviceaccount:b:hpa", "", "z", "update", "apps!deployments/scale:d", false),
        ("prom", "", "", "get", "/metrics", true),
        ("prom", "", "", "get", "/metrics/more", false),
        ("prom", "", "", "get", "/logs/today", true),
        ("prom", "", "", "post", "/metrics", false),
        ("jane", "", "a", "list", "pods", true),
        ("jane", "", "a", "get", "pods/log:p", true),
        ("jane", "", "a", "get", "pods/exec:p", false),
        ("jane", "", "a", "watch", "pods", false),
        ("jane", "", "a", "get", "apps!pods:p", false),
        ("jane", "", "b", "list", "pods", false),
        ("jane", "", "", "list", "pods", false),
        ("jane", "", "a", "get", "secrets:s", true),
        ("jane", "", "a", "get", "secrets:t", false),
        ("jane", "", "a", "get", "secrets", false),
        ("system:serviceaccount:a:own", "", "a", "list", "pods", true),
        ("jane2", "jane", "a", "list", "pods", false),
        ("admins", "", "", "list", "nodes", false),
        ("eve", "", "a", "list", "pods", false),
    ];
    for (user, group, namespace, verb, what, allowed) in table {
        let groups = [group.to_owned()];
        let subject = Subject { user, groups: &groups };
        let decided = policy.decide(&subject, namespace, &ask(verb, what));
        assert_eq!(decided.is_some(), allowed, "{user} {verb} {what} in {namespace:?}");
    }
}

#[test]
fn the_reason_names_binding_role_and_member() {
    let policy = policy();
    let why = |user: &str, groups: &[String], namespace: &str, ask: Ask<'_>| {
        policy.decide(&Subject { user, groups }, namespace, &ask).map(|grant| grant.describe())
    };
    assert_eq!(
        why("x", &["admins".into()], "", ask("list", "nodes")).unwrap(),
        r#"RBAC: allowed by ClusterRoleBinding "admin" of ClusterRole "admin" to Group "admins""#
    );
    assert_eq!(
        why("system:serviceaccount:a:own", &[], "a", ask("list", "pods")).unwrap(),
        r#"RBAC: allowed by RoleBinding "reader/a" of Role "reader" to ServiceAccount "own/a""#
    );
}

#[test]
fn what_is_missing_is_told_briefly() {
    let rules = |value: Value| Rule::parse_all(&json!({ "rules": value }));
    let owned = rules(json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]));
    let wanted = rules(json!([
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "secrets"]},
        {"verbs": ["get"], "nonResourceURLs": ["/x"]}]));
    let told: Vec<String> = compact(missing(owned.iter(), wanted.iter())).iter().map(Rule::describe).collect();
    assert_eq!(
        told,
        [
            r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}"#,
            r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list" "watch"]}"#,
        ]
    );
    assert_eq!(Rule::parse(&wanted[0].value()), wanted[0]);
}

const VERBS: &[&str] = &["*", "get", "list"];
const GROUPS: &[&str] = &["*", "", "apps"];
const RESOURCES: &[&str] = &["*", "pods", "pods/log", "*/log", "*/scale", "jobs/scale"];
const NAMES: &[&str] = &["a", "b"];
const URLS: &[&str] = &["*", "/*", "/a", "/a/*", "/a/b"];

fn some(of: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(of, least..=2).prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn rule() -> impl Strategy<Value = Rule> {
    let resource = (some(VERBS, 1), some(GROUPS, 1), some(RESOURCES, 1), some(NAMES, 0))
        .prop_map(|(verbs, groups, resources, names)| Rule { verbs, groups, resources, names, urls: vec![] });
    let url = (some(VERBS, 1), some(URLS, 1)).prop_map(|(verbs, urls)| Rule { verbs, urls, ..Rule::default() });
    prop_oneof![3 => resource, 1 => url]
}

/// Every question over the words that rules can say, and over words that none of them says.
fn questions() -> Vec<Ask<'static>> {
    let mut all = Vec::new();
    for verb in ["get", "list", "other"] {
        for group in ["", "apps", "other"] {
            for resource in ["pods", "jobs", "other"] {
                for subresource in ["", "log", "scale", "other"] {
                    for name in ["", "a", "b", "other"] {
                        all.push(Ask::Resource { verb, group, resource, subresource, name });
                    }
                }
            }
        }
        all.extend(["other", "/", "/a", "/a/", "/a/b", "/a/other", "/other"].map(|path| Ask::Path { verb, path }));
    }
    all
}

proptest! {
    #[test]
    fn rules_cover_others_exactly_where_they_allow_whatever_those_allow(
        owned in proptest::collection::vec(rule(), 0..4),
        wanted in proptest::collection::vec(rule(), 1..3),
    ) {
        let allow = |rules: &[Rule], ask: &Ask<'_>| rules.iter().any(|rule| rule.allows(ask));
        let model = questions().iter().all(|ask| !allow(&wanted, ask) || allow(&owned, ask));
        let uncovered = missing(owned.iter(), wanted.iter());
        prop_assert_eq!(uncovered.is_empty(), model, "{:?}", uncovered);
    }
}

/// The default policy, with the rules of joined roles filled in as the controller would.
fn default_policy() -> Policy {
    let mut roles = defaults::cluster_roles();
    // `view` is joined into `edit`, and that into `admin`.
    for _ in 0..3 {
        let all = roles.clone();
        for role in &mut roles {
            let label = role["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"].clone();
            let Some(label) = label.as_object().and_then(|l| l.keys().next()) else { continue };
            let parts = all.iter().filter(|part| !part["metadata"]["labels"][label].is_null());
            role["rules"] = parts.flat_map(|part| part["rules"].as_array().cloned().unwrap_or_default()).collect();
        }
    }
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    let mut bindings: Vec<_> = defaults::cluster_role_bindings();
    for (user, role) in [("viewer", "view"), ("editor", "edit"), ("boss", "admin")] {
        let subjects = json!([{"kind": "User", "name": user}]);
        bindings.push(json!({"metadata": {"name": user, "namespace": "a"},
            "roleRef": {"kind": "ClusterRole", "name": role}, "subjects": subjects}));
    }
    Policy::new(
        roles.iter().map(|role| Arc::new(Role::parse("", &name(role), role))),
        bindings.iter().map(|binding| {
            let namespace = binding["metadata"]["namespace"].as_str().unwrap_or_default();
            Arc::new(Binding::parse(namespace, &name(binding), binding))
        }),
    )
}

#[test]
fn default_roles_let_do_what_their_names_say() {
    let policy = default_policy();
    let table = [
        ("root", "system:masters", "", "delete", "nodes:n", true),
        ("root", "system:masters", "", "post", "/anything", true),
        ("jane", "system:authenticated", "", "get", "/openapi/v3", true),
        ("jane", "system:authenticated", "", "get", "/metrics", false),
        ("jane", "system:authenticated", "", "create", "authorization.k8s.io!selfsubjectaccessreviews", true),
        ("jane", "system:authenticated", "a", "list", "pods", false),
        ("nobody", "system:unauthenticated", "", "get", "/version", true),
        ("nobody", "system:unauthenticated", "", "get", "/api", false),
        ("prom", "system:monitoring", "", "get", "/metrics", true),
        ("viewer", "", "a", "list", "pods", true),
        ("viewer", "", "a", "get", "pods/log:p", true),
        ("viewer", "", "a", "get", "pods/explain:p", true),
        ("viewer", "", "a", "list", "metrics.k8s.io!pods", true),
        ("viewer", "", "a", "list", "secrets", false),
        ("viewer", "", "a", "create", "pods", false),
        ("viewer", "", "b", "list", "pods", false),
        ("editor", "", "a", "list", "pods", true),
        ("editor", "", "a", "create", "apps!deployments", true),
        ("editor", "", "a", "create", "pods/exec:p", true),
        ("editor", "", "a", "get", "secrets:s", true),
        ("editor", "", "a", "create", "rbac.authorization.k8s.io!roles", false),
        ("editor", "", "a", "update", "resourcequotas:q", false),
        ("boss", "", "a", "create", "rbac.authorization.k8s.io!roles", true),
        ("boss", "", "a", "delete", "batch!jobs:j", true),
        ("boss", "", "", "list", "nodes", false),
        ("system:kube-scheduler", "", "x", "create", "pods/binding:p", true),
        ("system:kube-proxy", "", "", "watch", "discovery.k8s.io!endpointslices", true),
    ];
    for (user, group, namespace, verb, what, allowed) in table {
        let groups = [group.to_owned()];
        let decided = policy.decide(&Subject { user, groups: &groups }, namespace, &ask(verb, what));
        assert_eq!(decided.is_some(), allowed, "{user} {verb} {what} in {namespace:?}");
    }
}

#[test]
fn what_comes_with_the_cluster_is_mended_and_otherwise_left_alone() {
    for wanted in defaults::cluster_roles().iter().chain(&defaults::cluster_role_bindings()) {
        assert_eq!(defaults::reconcile(wanted, wanted), None, "{wanted}");
        let mut spoilt = wanted.clone();
        spoilt["rules"] = json!([{"verbs": ["own"], "apiGroups": ["x"], "resources": ["y"]}]);
        spoilt["subjects"] = json!([{"kind": "User", "name": "own"}]);
        spoilt["metadata"]["labels"] = json!({"own": "label"});
        let mended = defaults::reconcile(&spoilt, wanted).unwrap();
        assert_eq!(defaults::reconcile(&mended, wanted), None);
        assert_eq!((&mended["rules"][0]["verbs"][0], &mended["subjects"][0]["name"]), (&json!("own"), &json!("own")));
        assert_eq!(mended["metadata"]["labels"]["own"], "label");
        spoilt["metadata"]["annotations"] = json!({"rbac.authorization.kubernetes.io/autoupdate": "false"});
        assert_eq!(defaults::reconcile(&spoilt, wanted), None);
    }
}

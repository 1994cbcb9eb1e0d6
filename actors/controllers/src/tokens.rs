//! Fills the Secrets that ask for a token of a ServiceAccount, and removes those whose account is gone.
//!
//! Pods need none of them: theirs are projected and expire. These are for what lives outside
//! the cluster and is told a token once.

use crate::{Controller, Ids, Plan, PlannedWrite, View, resource, view::Header, write};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_machinery::state::{Event, Object};
use podium_types::{Key, Timestamp};
use serde_json::{Map, Value, json};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

/// The controller of token Secrets; its keys are Secrets.
pub struct TokensController {
    /// The CA certificate as Secrets hold it: PEM in base64.
    ca: String,
}

impl TokensController {
    /// Puts that certificate (PEM) beside each token.
    pub fn new(ca: &str) -> Self {
        Self { ca: BASE64_STANDARD.encode(ca) }
    }

    /// What a Secret still lacks; `None` where it lacks nothing.
    fn lacking(&self, secret: &Value, namespace: &str, uid: &str) -> Option<Value> {
        let mut data = Map::new();
        let wanted = [("ca.crt", self.ca.clone()), ("namespace", BASE64_STANDARD.encode(namespace))];
        for (name, value) in wanted {
            if secret["data"][name] != value.as_str() {
                data.insert(name.to_owned(), value.into());
            }
        }
        let mut patch = Map::new();
        if !data.is_empty() {
            patch.insert("data".to_owned(), data.into());
        }
        if secret["metadata"]["annotations"][UID] != uid {
            patch.insert("metadata".to_owned(), json!({"annotations": {UID: uid}}));
        }
        (!patch.is_empty()).then_some(Value::Object(patch))
    }
}

/// The Secret, where it is one for a token, and the account that it is for.
fn wish(object: &Object) -> Option<(Value, String)> {
    let secret = object.value();
    let account = secret["metadata"]["annotations"][ACCOUNT].as_str().filter(|_| secret["type"] == TYPE)?.to_owned();
    Some((secret, account))
}

/// Secrets for tokens; of one account, or of all.
fn wanted<'a>(headers: impl Iterator<Item = &'a std::sync::Arc<Header>>, account: Option<&str>) -> Vec<Key> {
    let own = |header: &&std::sync::Arc<Header>| {
        wish(&header.object).is_some_and(|(_, name)| account.is_none_or(|account| account == name))
    };
    headers.filter(own).map(|header| header.key().clone()).collect()
}

impl Controller for TokensController {
    fn name(&self) -> &'static str {
        "serviceaccount-token"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::SECRETS, resource::SERVICE_ACCOUNTS]
    }
    fn keys(&self, view: &View, resource: &str, event: &Event) -> Vec<Key> {
        let key = &event.object.key;
        match resource {
            resource::SECRETS => wish(&event.object).map(|_| key.clone()).into_iter().collect(),
            _ => wanted(view.in_namespace(resource::SECRETS, &key.namespace), Some(&key.name)),
        }
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        wanted(view.of_kind(resource::SECRETS), None)
    }
    fn decide(&self, view: &View, key: &Key, _now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(header) = view.header(resource::SECRETS, key).filter(|header| !header.deleting) else {
            return Plan::default();
        };
        let Some((secret, name)) = wish(&header.object) else { return Plan::default() };
        let account = view.service_accounts.get(&Key::new(key.namespace.as_str(), name.as_str()));
        let told = secret["metadata"]["annotations"][UID].as_str().unwrap_or_default();
        // A token of an account that is gone, or that another one has followed, is good for nothing.
        let Some(account) = account.filter(|account| told.is_empty() || told == account.uid()) else {
            let note = format!("ServiceAccount {name:?} is gone");
            return Plan { writes: vec![write::delete_header(header)], note, ..Plan::default() };
        };
        let lacking = self.lacking(&secret, &key.namespace, account.uid());
        let token = secret["data"]["token"].as_str().is_some_and(|token| !token.is_empty());
        let writes = match (token, lacking) {
            (true, None) => Vec::new(),
            (true, Some(patch)) => vec![write::patch_header(header, patch)],
            (false, patch) => vec![PlannedWrite::Issue {
                key: key.clone(),
                uid: header.object.uid.clone(),
                revision: header.object.revision,
                account: name,
                patch: patch.unwrap_or_else(|| json!({})),
            }],
        };
        Plan { writes, ..Plan::default() }
    }
}

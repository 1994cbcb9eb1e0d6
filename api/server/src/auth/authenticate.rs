//! Who a request comes from: a client certificate or a bearer token.

use super::{Claims, ISSUER};
use crate::{
    user::{ACCOUNTS, AUTHENTICATED, User},
    verbs::Api,
};
use podium_types::{ApiError, Key, meta};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Verified tokens that are remembered; a signature check costs a tenth of a millisecond and more.
const REMEMBERED: usize = 4096;

/// The user that a client certificate names: CN, and each O as a group.
pub(crate) fn of_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    groups.push(AUTHENTICATED.to_owned());
    Some(User { name, groups, ..User::default() })
}

/// Checks service-account tokens.
#[derive(Default)]
pub(crate) struct TokenReader {
    known: Mutex<BTreeMap<[u8; 32], Claims>>,
}

impl TokenReader {
    /// The account of a token; 401 unless it is ours, in time, and account and bound object still exist.
    pub(crate) fn user(&self, api: &Api, token: &str) -> Result<User, ApiError> {
        let now = api.backend().now().as_second();
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.lock().get(&digest).cloned();
        let claims = match known {
            Some(claims) if claims.nbf <= now && now < claims.exp => claims,
            Some(_) => return Err(ApiError::unauthorized()),
            None => {
                let claims = api.tokens().and_then(|t| t.verify(token, &[ISSUER], now));
                let claims = claims.ok_or_else(ApiError::unauthorized)?;
                let mut known = self.lock();
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(digest, claims.clone());
                claims
            }
        };
        alive(api, &claims).ok_or_else(ApiError::unauthorized)?;
        Ok(of_claims(claims))
    }

    /// The account of a token that was made for one of `audiences`, and those of them that it was made for.
    pub(crate) fn review(&self, api: &Api, token: &str, audiences: &[&str]) -> Option<(User, Vec<String>)> {
        let now = api.backend().now().as_second();
        let claims = api.tokens()?.verify(token, audiences, now)?;
        alive(api, &claims)?;
        let meant = claims.aud.iter().filter(|a| audiences.contains(&a.as_str())).cloned().collect();
        Some((of_claims(claims), meant))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Claims>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Account and bound object must be those that the token was made for.
fn alive(api: &Api, claims: &Claims) -> Option<()> {
    let bound = &claims.bound;
    let same = |resource: &str, name: &str, uid: &str| {
        let object = api.peek(podium_kinds::by_resource(resource)?, &Key::new(&bound.namespace, name))?;
        (object.uid == uid).then_some(object)
    };
    same("serviceaccounts", &bound.serviceaccount.name, &bound.serviceaccount.uid)?;
    if let Some(pod) = &bound.pod {
        same("pods", &pod.name, &pod.uid)?;
    }
    if let Some(secret) = &bound.secret {
        let secret = same("secrets", &secret.name, &secret.uid)?;
        if meta::is_deleting(&secret.value()) {
            return None;
        }
    }
    if let Some(node) = bound.node.as_ref().filter(|_| bound.pod.is_none()) {
        let found = api.peek(podium_kinds::by_resource("nodes")?, &Key::new("", &node.name))?;
        return (found.uid == node.uid).then_some(());
    }
    Some(())
}

fn of_claims(claims: Claims) -> User {
    let namespace = &claims.bound.namespace;
    let groups = vec![ACCOUNTS.to_owned(), format!("{ACCOUNTS}:{namespace}"), AUTHENTICATED.to_owned()];
    let key = |name: &str| format!("authentication.kubernetes.io/{name}");
    let mut extra = BTreeMap::from([(key("credential-id"), vec![format!("JTI={}", claims.jti)])]);
    if let Some(pod) = &claims.bound.pod {
        extra.insert(key("pod-name"), vec![pod.name.clone()]);
        extra.insert(key("pod-uid"), vec![pod.uid.clone()]);
    }
    if let Some(node) = &claims.bound.node {
        extra.insert(key("node-name"), vec![node.name.clone()]);
        if !node.uid.is_empty() {
            extra.insert(key("node-uid"), vec![node.uid.clone()]);
        }
    }
    User { name: claims.sub, uid: claims.bound.serviceaccount.uid, groups, extra }
}

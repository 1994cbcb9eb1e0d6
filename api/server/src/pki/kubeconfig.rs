//! A kubeconfig with everything embedded, so that it can be copied anywhere.

use super::authority::Pair;
use base64::{Engine, engine::general_purpose::STANDARD};

/// A PEM text as a kubeconfig embeds it.
pub(super) fn encode(pem: &str) -> String {
    STANDARD.encode(pem)
}

/// One cluster, one user, one context.
pub(super) fn render(server: &str, ca: &str, user: &str, pair: &Pair) -> String {
    let (ca, certificate, key) = (encode(ca), encode(&pair.certificate), encode(&pair.key));
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: podium\n  cluster:\n    server: {server}\n    \
         certificate-authority-data: {ca}\ncontexts:\n- name: podium\n  context:\n    cluster: podium\n    \
         user: {user}\ncurrent-context: podium\npreferences: {{}}\nusers:\n- name: {user}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    )
}

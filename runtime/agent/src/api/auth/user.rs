//! Somebody who asks.

use k8s_openapi::api::authentication::v1::UserInfo;
use std::collections::BTreeMap;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Group of those who may do everything.
const MASTERS: &str = "system:masters";
/// The API server's name towards kubelets.
const API_SERVER: &str = "kube-apiserver-kubelet-client";
/// Everybody who proved a name.
const AUTHENTICATED: &str = "system:authenticated";

/// By certificate or token.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
    /// Proved with a certificate; tokens cannot say of themselves that they are the API server.
    certified: bool,
}

impl User {
    /// Whom a certificate names: CN, and each O as a group. Its signature was checked before.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let groups = subject.iter_organization().filter_map(|o| o.as_str().ok());
        let groups = groups.chain([AUTHENTICATED]).map(str::to_owned).collect();
        Some(Self { name, groups, certified: true, ..Self::default() })
    }

    /// Whom a TokenReview named.
    pub fn of_review(info: UserInfo) -> Self {
        Self {
            name: info.username.unwrap_or_default(),
            uid: info.uid.unwrap_or_default(),
            groups: info.groups.unwrap_or_default(),
            extra: info.extra.unwrap_or_default(),
            certified: false,
        }
    }

    /// The API server and administrators' certificates need nobody's word, so that logs and exec work while the API's
    /// reviews do not.
    pub fn is_trusted(&self) -> bool {
        self.certified && (self.name == API_SERVER || self.groups.iter().any(|group| group == MASTERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_never_make_the_api_server() {
        let info = UserInfo {
            username: Some(API_SERVER.to_owned()),
            groups: Some(vec![MASTERS.to_owned()]),
            ..UserInfo::default()
        };
        let user = User::of_review(info);
        assert!(!user.is_trusted());
        for (name, group, expected) in
            [(API_SERVER, "", true), ("admin", MASTERS, true), ("system:node:a", "system:nodes", false)]
        {
            let groups = vec![group.to_owned()];
            let user = User { name: name.to_owned(), groups, certified: true, ..User::default() };
            assert_eq!(user.is_trusted(), expected, "{name}");
        }
        assert_eq!(User::of_certificate(b"no certificate"), None);
    }
}

//! Acting as somebody else: the `Impersonate-*` headers, each a permission of its own.

use super::{
    authorize::Attributes,
    constrained::{self, Deed},
};
use crate::{
    user::{ACCOUNTS, ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User},
    verbs::Api,
};
use podium_types::ApiError;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
/// The group of uids and extras.
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The user that the headers name, where `user` may act as it, or may do this `deed` as it; `user` itself where they
/// name none.
///
/// Errors: 403 for each part that the user may not take on; 500 for parts without a user, as in Kubernetes.
pub(crate) fn impersonate<'a>(
    api: &Api,
    user: User,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    deed: impl FnOnce() -> Deed,
) -> Result<User, ApiError> {
    let mut wanted = User::default();
    let mut any = false;
    for (header, value) in headers {
        match header {
            USER => wanted.name = value.to_owned(),
            GROUP => wanted.groups.push(value.to_owned()),
            UID => wanted.uid = value.to_owned(),
            _ => match header.strip_prefix(EXTRA) {
                Some(key) => wanted.extra.entry(decoded(key)).or_default().push(value.to_owned()),
                None => continue,
            },
        }
        any = true;
    }
    if !any {
        return Ok(user);
    }
    if wanted.name.is_empty() {
        return Err(ApiError::internal("requested groups, a uid or extras without impersonating a user"));
    }
    if !constrained::permitted(api, &user, &mut wanted, &deed()) {
        permitted(api, &user, &wanted)?;
    }
    Ok(complete(wanted))
}

fn permitted(api: &Api, user: &User, wanted: &User) -> Result<(), ApiError> {
    let may = |wish: Attributes<'_>| api.authorize(user, &Attributes { verb: "impersonate", ..wish });
    match account(&wanted.name) {
        Some((namespace, name)) => {
            may(Attributes { resource: "serviceaccounts", namespace, name, ..Attributes::default() })?;
        }
        None => may(Attributes { resource: "users", name: &wanted.name, ..Attributes::default() })?,
    }
    for name in &wanted.groups {
        may(Attributes { resource: "groups", name, ..Attributes::default() })?;
    }
    let parts = Attributes { group: AUTHENTICATION, ..Attributes::default() };
    if !wanted.uid.is_empty() {
        may(Attributes { resource: "uids", name: &wanted.uid, ..parts })?;
    }
    for (subresource, values) in &wanted.extra {
        for name in values {
            may(Attributes { resource: "userextras", subresource, name, ..parts })?;
        }
    }
    Ok(())
}

/// Namespace and name of a service account's user.
pub(super) fn account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// With the groups that everybody of that sort is in.
fn complete(mut user: User) -> User {
    if let (Some((namespace, _)), true) = (account(&user.name), user.groups.is_empty()) {
        user.groups = vec![ACCOUNTS.to_owned(), format!("{ACCOUNTS}:{namespace}")];
    }
    let class = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.is_in(AUTHENTICATED) && !user.is_in(UNAUTHENTICATED) {
        user.groups.push(class.to_owned());
    }
    user
}

/// The key of an extra: percent-encoded, as headers know no case and few characters.
fn decoded(key: &str) -> String {
    percent_encoding::percent_decode_str(key).decode_utf8_lossy().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn everybody_is_in_the_groups_of_his_sort() {
        let table: [(&str, &[&str], &[&str]); 5] = [
            ("jane", &[], &["system:authenticated"]),
            ("jane", &["dev"], &["dev", "system:authenticated"]),
            ("system:anonymous", &[], &["system:unauthenticated"]),
            (
                "system:serviceaccount:ns:a",
                &[],
                &["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
            ),
            ("system:serviceaccount:ns:a", &["dev"], &["dev", "system:authenticated"]),
        ];
        for (name, groups, expected) in table {
            let user = User {
                name: name.to_owned(),
                groups: groups.iter().map(|g| (*g).to_owned()).collect(),
                uid: String::new(),
                extra: BTreeMap::new(),
            };
            assert_eq!(complete(user).groups, expected, "{name} {groups:?}");
        }
        assert_eq!(decoded("Acme.com%2Fproject"), "acme.com/project");
    }
}

//! ConfigMaps and Secrets that a pod refers to.

use super::Place;
use crate::Result;
use futures_util::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Secret};
use kube::Api;
use std::collections::{BTreeMap, BTreeSet};

/// ConfigMaps by name; those that do not exist are left out.
pub(super) async fn config_maps(place: &Place, names: BTreeSet<String>) -> Result<BTreeMap<String, ConfigMap>> {
    let api: Api<ConfigMap> = Api::namespaced(place.shared.client.clone(), place.namespace());
    let all = try_join_all(names.into_iter().map(|name| {
        let api = api.clone();
        async move { Ok::<_, crate::Error>((name.clone(), api.get_opt(&name).await?)) }
    }));
    Ok(all.await?.into_iter().filter_map(|(name, object)| Some((name, object?))).collect())
}

/// Secrets, likewise.
pub(super) async fn secrets(place: &Place, names: BTreeSet<String>) -> Result<BTreeMap<String, Secret>> {
    let api: Api<Secret> = Api::namespaced(place.shared.client.clone(), place.namespace());
    let all = try_join_all(names.into_iter().map(|name| {
        let api = api.clone();
        async move { Ok::<_, crate::Error>((name.clone(), api.get_opt(&name).await?)) }
    }));
    Ok(all.await?.into_iter().filter_map(|(name, object)| Some((name, object?))).collect())
}

/// Names of ConfigMaps and of Secrets in a container's environment.
pub(super) fn of_environment(container: &Container) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for from in container.env_from.iter().flatten() {
        maps.extend(from.config_map_ref.as_ref().map(|r| r.name.clone()));
        secrets.extend(from.secret_ref.as_ref().map(|r| r.name.clone()));
    }
    for from in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
        maps.extend(from.config_map_key_ref.as_ref().map(|r| r.name.clone()));
        secrets.extend(from.secret_key_ref.as_ref().map(|r| r.name.clone()));
    }
    (maps, secrets)
}

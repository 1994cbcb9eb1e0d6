//! A pod's volumes: objects to files, files to disk, and again when objects change.

use super::{Place, claims, image_volumes, objects};
use crate::{Error, Result, error::blocking};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{
        Container, DownwardAPIVolumeFile, ServiceAccount, ServiceAccountTokenProjection, Volume, VolumeProjection,
    },
};
use kube::{Api, api::PostParams};
use podium_lifecycle::{
    env::{Facts, field, resource_field},
    huge_pages,
};
use podium_types::Quantity;
use podium_volumes::{File, HostPathType, Source, Volumes, content};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

/// When a projection names no lifetime.
const TOKEN_SECONDS: i64 = 3600;

type Objects =
    (BTreeMap<String, k8s_openapi::api::core::v1::ConfigMap>, BTreeMap<String, k8s_openapi::api::core::v1::Secret>);

/// Makes all volumes.
pub(super) async fn setup(place: &Place, ips: &[IpAddr]) -> Result<()> {
    image_volumes::setup(place).await?;
    let sources = sources(place, ips, false).await?;
    let (dir, group) = (place.dir(), fs_group(place));
    blocking(move || {
        let volumes = Volumes::new(&dir);
        sources.iter().try_for_each(|(name, source)| volumes.setup(name, source, group).map(drop))?;
        Ok(())
    })
    .await
}

/// Brings volumes made of objects up to date.
pub(super) async fn refresh(place: &Place, ips: &[IpAddr]) -> Result<()> {
    let sources = sources(place, ips, true).await?;
    let (dir, group) = (place.dir(), fs_group(place));
    blocking(move || {
        let volumes = Volumes::new(&dir);
        for (name, source) in &sources {
            if let Source::Files { files, .. } = source {
                volumes.update(name, files, group)?;
            }
        }
        Ok(())
    })
    .await
}

/// Where each volume is.
pub(super) fn paths(place: &Place) -> BTreeMap<String, PathBuf> {
    let volumes = Volumes::new(&place.dir());
    let all = place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten());
    all.map(|v| {
        let host = v.host_path.as_ref().map(|h| PathBuf::from(&h.path));
        (v.name.clone(), host.or_else(|| image_volumes::path(place, v)).unwrap_or_else(|| volumes.path(&v.name)))
    })
    .collect()
}

/// Files of variables that a container's environment refers to, by volume and path; blocking.
pub(super) fn files_of_environment(place: &Place, container: &Container) -> Result<BTreeMap<(String, String), String>> {
    let volumes = Volumes::new(&place.dir());
    let mut found = BTreeMap::new();
    for from in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()?.file_key_ref.as_ref()) {
        let mut all = place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten());
        let volume = all.find(|v| v.name == from.volume_name);
        if volume.is_none_or(|v| v.empty_dir.is_none()) {
            let name = &from.volume_name;
            return Err(Error::Other(format!("the pod has no emptyDir volume {name:?} for fileKeyRef")));
        }
        if let Some(text) = volumes.text(&from.volume_name, &from.path)? {
            found.insert((from.volume_name.clone(), from.path.clone()), text);
        }
    }
    Ok(found)
}

/// Some volume changes with objects.
pub(super) fn any_live(place: &Place) -> bool {
    place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten()).any(is_live)
}

/// Its files are made of objects.
fn is_live(v: &Volume) -> bool {
    v.config_map.is_some() || v.secret.is_some() || v.projected.is_some() || v.downward_api.is_some()
}

/// Volumes that no container may write to.
pub(super) fn read_only(place: &Place) -> BTreeSet<String> {
    let all = place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten());
    all.filter(|v| is_live(v) || v.image.is_some() || claims::read_only(v)).map(|v| v.name.clone()).collect()
}

/// Volumes that no program is run from.
pub(super) fn no_exec(place: &Place) -> BTreeSet<String> {
    let all = place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten());
    all.filter(|v| v.image.is_some()).map(|v| v.name.clone()).collect()
}

/// Some file shows the pod's address. (Fields of status are for the environment alone; the API refuses others.)
pub(super) fn needs_address(place: &Place) -> bool {
    let wants = |files: Option<&Vec<DownwardAPIVolumeFile>>| {
        files.into_iter().flatten().any(|f| f.field_ref.as_ref().is_some_and(|r| r.field_path.starts_with("status.")))
    };
    let mut all = place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten());
    all.any(|v| {
        wants(v.downward_api.as_ref().and_then(|d| d.items.as_ref()))
            || v.projected
                .iter()
                .flat_map(|p| p.sources.iter().flatten())
                .any(|s| wants(s.downward_api.as_ref().and_then(|d| d.items.as_ref())))
    })
}

pub(super) fn fs_group(place: &Place) -> Option<u32> {
    place.spec()?.security_context.as_ref()?.fs_group.and_then(|g| u32::try_from(g).ok())
}

/// What each volume is made from; only those made of objects where `live`.
async fn sources(place: &Place, ips: &[IpAddr], live: bool) -> Result<Vec<(String, Source)>> {
    let Some(spec) = place.spec() else { return Ok(Vec::new()) };
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let (maps, secrets) = references(volumes);
    let objects = tokio::try_join!(objects::config_maps(place, maps), objects::secrets(place, secrets))?;
    let config = &place.shared.config;
    let facts = Facts {
        pod_ips: ips.to_vec(),
        host_ips: vec![config.node_ip],
        allocatable: place.shared.machine.allocatable.clone(),
    };
    let mut out = Vec::new();
    for volume in volumes {
        let source = if is_live(volume) {
            files(place, volume, &objects, &facts).await?
        } else if live || volume.image.is_some() {
            continue;
        } else {
            lasting(place, volume).await?
        };
        out.push((volume.name.clone(), source));
    }
    Ok(out)
}

fn references(volumes: &[Volume]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for volume in volumes {
        maps.extend(volume.config_map.as_ref().map(|s| s.name.clone()));
        secrets.extend(volume.secret.as_ref().and_then(|s| s.secret_name.clone()));
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            maps.extend(source.config_map.as_ref().map(|s| s.name.clone()));
            secrets.extend(source.secret.as_ref().map(|s| s.name.clone()));
        }
    }
    (maps, secrets)
}

/// A volume that no object changes.
async fn lasting(place: &Place, volume: &Volume) -> Result<Source> {
    let source = match fixed(place, volume)? {
        None => claims::source(place, volume).await?,
        source => source,
    };
    source.ok_or_else(|| Error::Other(format!("volume {:?} has a type that this node does not support", volume.name)))
}

fn fixed(place: &Place, volume: &Volume) -> Result<Option<Source>> {
    if let Some(empty) = &volume.empty_dir {
        let limit = empty.size_limit.as_ref().and_then(|q| Quantity::parse(&q.0).ok());
        let size_limit = limit.and_then(|q| u64::try_from(q.value()).ok()).filter(|b| *b > 0);
        let medium = empty.medium.as_deref().unwrap_or_default();
        return match huge_pages::of_medium(&place.pod, medium) {
            Some(page) => Ok(Some(Source::HugePages { page: page.map_err(Error::Other)?, size_limit })),
            None => Ok(Some(Source::EmptyDir { memory: medium == "Memory", size_limit })),
        };
    }
    if let Some(host) = &volume.host_path {
        let kind: HostPathType = host.type_.as_deref().unwrap_or_default().parse()?;
        return Ok(Some(Source::HostPath { path: PathBuf::from(&host.path), kind }));
    }
    Ok(None)
}

async fn files(place: &Place, volume: &Volume, objects: &Objects, facts: &Facts) -> Result<Source> {
    let (maps, secrets) = objects;
    if let Some(source) = &volume.config_map {
        let data = maps.get(&source.name).map(content::config_map);
        let what = format!("configmap \"{}\"", source.name);
        let optional = source.optional == Some(true);
        let files = content::files(&what, data.as_ref(), source.items.as_deref(), source.default_mode, optional)?;
        return Ok(Source::Files { files, secret: false });
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let data = secrets.get(name).map(content::secret);
        let optional = source.optional == Some(true);
        let what = format!("secret \"{name}\"");
        let files = content::files(&what, data.as_ref(), source.items.as_deref(), source.default_mode, optional)?;
        return Ok(Source::Files { files, secret: true });
    }
    if let Some(source) = &volume.downward_api {
        let items = source.items.as_deref().unwrap_or_default();
        let files = downward(place, items, source.default_mode, facts)?;
        return Ok(Source::Files { files, secret: false });
    }
    if let Some(projected) = &volume.projected {
        let mut files: Vec<File> = Vec::new();
        for source in projected.sources.iter().flatten() {
            let more = projection(place, source, projected.default_mode, objects, facts).await?;
            // Of two files at one path the later source wins.
            files.retain(|f| more.iter().all(|m| m.path != f.path));
            files.extend(more);
        }
        return Ok(Source::Files { files, secret: true });
    }
    Err(Error::Other(format!("volume {:?} has a type that this node does not support", volume.name)))
}

async fn projection(
    place: &Place,
    source: &VolumeProjection,
    mode: Option<i32>,
    (maps, secrets): &Objects,
    facts: &Facts,
) -> Result<Vec<File>> {
    if let Some(token) = &source.service_account_token {
        return Ok(vec![token_file(place, token, mode).await?]);
    }
    if let Some(map) = &source.config_map {
        let data = maps.get(&map.name).map(content::config_map);
        let what = format!("configmap \"{}\"", map.name);
        return Ok(content::files(&what, data.as_ref(), map.items.as_deref(), mode, map.optional == Some(true))?);
    }
    if let Some(secret) = &source.secret {
        let data = secrets.get(&secret.name).map(content::secret);
        let what = format!("secret \"{}\"", secret.name);
        let optional = secret.optional == Some(true);
        return Ok(content::files(&what, data.as_ref(), secret.items.as_deref(), mode, optional)?);
    }
    if let Some(fields) = &source.downward_api {
        return downward(place, fields.items.as_deref().unwrap_or_default(), mode, facts);
    }
    Err(Error::Other("a projection of a type that this node does not support".to_owned()))
}

fn downward(place: &Place, items: &[DownwardAPIVolumeFile], mode: Option<i32>, facts: &Facts) -> Result<Vec<File>> {
    let mut out = Vec::new();
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(reference), _) => field(&place.pod, facts, &reference.field_path),
            (None, Some(selector)) => resource_field(&place.pod, None, facts, selector),
            (None, None) => Err(format!("{} refers to nothing", item.path)),
        };
        out.push(File {
            path: item.path.clone(),
            data: text.map_err(Error::Other)?.into_bytes(),
            mode: content::permissions(item.mode.or(mode)),
            uid: None,
        });
    }
    Ok(out)
}

/// A token of the pod's service account, bound to the pod. One that is good for a while yet is kept.
async fn token_file(place: &Place, source: &ServiceAccountTokenProjection, mode: Option<i32>) -> Result<File> {
    let account = place.spec().and_then(|s| s.service_account_name.as_deref()).unwrap_or("default");
    let seconds = source.expiration_seconds.unwrap_or(TOKEN_SECONDS);
    let audience = source.audience.clone().unwrap_or_default();
    // Of two volumes that show the same token, one request is enough.
    let kept = place.dir().join("tokens").join(format!("{seconds}-{}", audience.replace('/', "_")));
    let (token, owner) = match tokio::fs::read_to_string(&kept).await.ok().and_then(|text| still_good(&text, seconds)) {
        Some(token) => (token, token_owner(place)),
        None => {
            let (token, expires) = request_token(place, account, &audience, seconds).await?;
            let text = format!("{expires}\n{token}");
            blocking(move || {
                super::prepare::write_file(&kept, text)?;
                restrict(&kept)
            })
            .await?;
            (token, token_owner(place))
        }
    };
    // Readable by its owner alone, or by the group that all containers share.
    let own = if fs_group(place).is_some() {
        0o640
    } else if owner.is_some() {
        0o600
    } else {
        content::permissions(mode)
    };
    Ok(File { path: source.path.clone(), data: token.into_bytes(), mode: own, uid: owner })
}

fn restrict(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(crate::error::io("chmod a token"))
}

/// The user of all containers, where they agree on one.
fn token_owner(place: &Place) -> Option<u32> {
    let spec = place.spec()?;
    let pod = spec.security_context.as_ref().and_then(|c| c.run_as_user);
    let mut users = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
        .map(|c| c.security_context.as_ref().and_then(|s| s.run_as_user).or(pod));
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(())?;
    u32::try_from(first).ok()
}

/// The token, while less than 80 % of its life is over.
fn still_good(text: &str, seconds: i64) -> Option<String> {
    let (expires, token) = text.split_once('\n')?;
    let expires: Timestamp = expires.parse().ok()?;
    let left = expires.duration_since(Timestamp::now());
    (left > SignedDuration::from_secs(seconds / 5)).then(|| token.to_owned())
}

async fn request_token(place: &Place, account: &str, audience: &str, seconds: i64) -> Result<(String, Timestamp)> {
    let api: Api<ServiceAccount> = Api::namespaced(place.shared.client.clone(), place.namespace());
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: (!audience.is_empty()).then(|| vec![audience.to_owned()]),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(place.name().to_owned()),
                uid: Some(place.uid.clone()),
            }),
            expiration_seconds: Some(seconds),
        }),
        ..TokenRequest::default()
    };
    let answer = api.create_token_request(account, &PostParams::default(), &request).await?;
    let status = answer.status.unwrap_or_default();
    status
        .token
        .zip(status.expiration_timestamp.map(|t| t.0))
        .ok_or_else(|| Error::Other("a token request was answered without a token".to_owned()))
}

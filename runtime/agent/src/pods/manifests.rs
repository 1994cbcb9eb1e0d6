//! Static pods: manifests in a directory of this node. They need no control plane to run; a mirror in the API shows
//! them there (the kubelet's pod/mirror_client.go).

use super::{PodSlot, mirror};
use crate::{Error, Result, pod, shared::Shared};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec, Toleration};
use podium_supervision::{ChildSpec, Ctx, Handle, SupervisorHandle, Worker};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs, io::Read, path::Path, sync::Arc, time::Duration};

/// Where a pod comes from.
const SOURCE: &str = "kubernetes.io/config.source";
/// What a manifest is made of; another manifest is another pod.
pub(super) const HASH: &str = "kubernetes.io/config.hash";
/// When this node saw it first.
const SEEN: &str = "kubernetes.io/config.seen";
/// How often the directory and the mirrors are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A larger manifest is none.
const MAX_BYTES: u64 = 1 << 20;
/// So many files of one directory are read.
const MAX_FILES: usize = 256;

/// Makes the actor that follows the directory.
pub(crate) fn child(shared: &Arc<Shared>, actors: &SupervisorHandle) -> ChildSpec {
    let (shared, actors) = (shared.clone(), actors.clone());
    podium_supervision::child("static-pods", &Handle::new(), move || Manifests {
        shared: shared.clone(),
        actors: actors.clone(),
    })
}

/// Whether the pod comes from a manifest of this node.
pub(crate) fn is_static(pod: &Pod) -> bool {
    pod.metadata.annotations.as_ref().is_some_and(|a| a.get(SOURCE).is_some_and(|source| source == "file"))
}

struct Manifests {
    shared: Arc<Shared>,
    actors: SupervisorHandle,
}

impl Worker for Manifests {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        // The first look comes before the API's pods, so that none of ours is taken for one that is gone.
        self.look(ctx);
        ctx.ready();
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl Manifests {
    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        let path = self.shared.settings.static_pod_path.clone();
        if path.is_empty() {
            return;
        }
        let wanted = read(Path::new(&path), &self.shared.config.node_name);
        let shared = &self.shared;
        for slot in shared.pods.list().iter().filter(|slot| is_static(&slot.pod.load())) {
            if !wanted.contains_key(&slot.uid) && !slot.removed() {
                slot.remove();
            }
        }
        for (uid, pod) in wanted {
            // The old one of that name goes first.
            let (namespace, name) = (pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
            let taken = shared.pods.find(namespace.unwrap_or_default(), name.unwrap_or_default());
            if taken.is_none_or(|slot| !is_static(&slot.pod.load())) {
                let slot = Arc::new(PodSlot::new(uid, Arc::new(pod)));
                shared.pods.insert(slot.clone());
                self.actors.add(pod::child(shared, &slot));
            }
        }
        let shared = self.shared.clone();
        ctx.spawn(async move { mirror::follow(&shared).await }, |_, outcome, ctx| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "mirrors of static pods");
            }
            ctx.later(LOOK, |me: &mut Self, ctx| me.look(ctx));
        });
    }
}

/// All pods of a directory, or of one file, by their uids. What is none is told and passed over.
fn read(path: &Path, node: &str) -> BTreeMap<String, Pod> {
    let mut files: Vec<_> = if path.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    } else {
        vec![path.to_owned()]
    };
    files.retain(|file| {
        file.is_file() && file.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    files.sort();
    let mut found = BTreeMap::new();
    for file in files.iter().take(MAX_FILES) {
        match manifest(file, node) {
            Ok(pod) => {
                let uid = pod.metadata.uid.clone().unwrap_or_default();
                found.entry(uid).or_insert(pod);
            }
            Err(error) => tracing::warn!(%error, file = %file.display(), "this is no manifest of a pod"),
        }
    }
    found
}

fn manifest(file: &Path, node: &str) -> Result<Pod> {
    let mut text = String::new();
    let failed = crate::error::io("read");
    fs::File::open(file).and_then(|f| f.take(MAX_BYTES).read_to_string(&mut text)).map_err(failed)?;
    parse(&text, &file.to_string_lossy(), node)
}

/// A manifest as the pod that runs: with the node in its name, and an identity that its contents decide.
fn parse(text: &str, file: &str, node: &str) -> Result<Pod> {
    let mut pod: Pod = serde_yaml::from_str(text).map_err(|error| Error::Other(error.to_string()))?;
    let spec = pod.spec.as_mut().filter(|spec| !spec.containers.is_empty());
    let spec = spec.ok_or_else(|| Error::Other("no containers".to_owned()))?;
    if let Some(what) = needs_api(spec) {
        return Err(Error::Other(format!("a static pod cannot use {what}")));
    }
    let mut digest = Sha256::new();
    for part in [node, file, text] {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let hash = hex::encode(&digest.finalize()[..16]);
    spec.node_name = Some(node.to_owned());
    spec.restart_policy.get_or_insert_with(|| "Always".to_owned());
    // No taint drives it away.
    let exists =
        Toleration { operator: Some("Exists".into()), effect: Some("NoExecute".into()), ..Toleration::default() };
    spec.tolerations.get_or_insert_default().push(exists);
    let meta = &mut pod.metadata;
    let name = meta.name.take().or(meta.generate_name.take()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::Other("no name".to_owned()))?;
    meta.name = Some(format!("{name}-{}", node.to_ascii_lowercase()));
    meta.namespace = meta.namespace.take().filter(|n| !n.is_empty()).or_else(|| Some("default".to_owned()));
    meta.uid = Some(hash.clone());
    let seen = Timestamp::now().to_string();
    let notes = meta.annotations.get_or_insert_default();
    notes.extend([(SOURCE, "file".to_owned()), (HASH, hash), (SEEN, seen)].map(|(k, v)| (k.to_owned(), v)));
    Ok(pod)
}

/// What only the API could give.
fn needs_api(spec: &PodSpec) -> Option<&'static str> {
    if spec.service_account_name.as_ref().is_some_and(|name| !name.is_empty()) {
        return Some("a service account");
    }
    let volumes = spec.volumes.iter().flatten();
    let reference = |v: &k8s_openapi::api::core::v1::Volume| {
        v.config_map.is_some() || v.secret.is_some() || v.projected.is_some() || v.persistent_volume_claim.is_some()
    };
    volumes.into_iter().any(reference).then_some("volumes made of objects of the API")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "metadata: {name: web}\nspec: {containers: [{name: c, image: i}]}";

    #[test]
    fn manifests_become_pods_of_the_node() {
        let pod = parse(WEB, "/m/web.yaml", "Node-A").expect("a pod");
        assert_eq!(pod.metadata.name.as_deref(), Some("web-node-a"));
        assert_eq!(pod.metadata.namespace.as_deref(), Some("default"));
        assert!(is_static(&pod));
        let uid = |text: &str, file: &str, node: &str| parse(text, file, node).expect("a pod").metadata.uid;
        assert_eq!(pod.metadata.uid, uid(WEB, "/m/web.yaml", "Node-A"), "the same manifest is the same pod");
        for other in [
            uid(&WEB.replace("image: i", "image: j"), "/m/web.yaml", "Node-A"),
            uid(WEB, "/m/b", "Node-A"),
            uid(WEB, "/m/web.yaml", "b"),
        ] {
            assert_ne!(pod.metadata.uid, other);
        }
        for wrong in [
            "metadata: {name: web}",
            "spec: {containers: [{name: c}]}",
            "metadata: {name: web}\nspec: {containers: []}",
            "metadata: {name: web}\nspec: {serviceAccountName: x, containers: [{name: c}]}",
            "metadata: {name: web}\nspec: {volumes: [{name: v, secret: {}}], containers: [{name: c}]}",
            "}{",
        ] {
            assert!(parse(wrong, "f", "n").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_is_read_and_other_files_are_passed_over() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("sub")).expect("a directory");
        for (name, text) in [("web.yaml", WEB), (".hidden", WEB), ("notes", "hello"), ("sub/deep.yaml", WEB)] {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        assert_eq!(read(dir.path(), "n").len(), 1);
        assert_eq!(read(&dir.path().join("web.yaml"), "n").len(), 1);
        assert!(read(&dir.path().join("absent"), "n").is_empty());
    }
}

//! Removes images that nobody uses: above a threshold of the disk, when they are too old, or when the node is short.

mod choose;

use crate::{
    Result,
    error::blocking,
    settings::{Settings, duration},
    shared::Shared,
    stats::FileSystem,
};
use choose::{Policy, Seen, choose};
use jiff::{SignedDuration, Timestamp};
use podium_oci::Image;
use podium_supervision::{ChildSpec, Ctx, Handle, Worker};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often images are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// Every so many looks unused images may go (the kubelet's five minutes).
const LOOKS: u32 = 5;

/// When each image was first seen, and last in use.
#[derive(Default)]
pub(crate) struct History(Mutex<BTreeMap<String, Seen>>);

pub(crate) fn child(shared: &Arc<Shared>) -> ChildSpec {
    let shared = shared.clone();
    podium_supervision::child("images", &Handle::new(), move || ImagesActor { shared: shared.clone(), looks: 0 })
}

struct ImagesActor {
    shared: Arc<Shared>,
    looks: u32,
}

impl Worker for ImagesActor {
    type Msg = ();
    const CAPACITY: usize = 4;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
        self.look(ctx);
    }

    fn handle(&mut self, (): (), _: &mut Ctx<'_, Self>) {}
}

impl ImagesActor {
    fn look(&mut self, ctx: &mut Ctx<'_, Self>) {
        self.looks += 1;
        let (shared, collects) = (self.shared.clone(), self.looks.is_multiple_of(LOOKS));
        let work = blocking(move || {
            let seen = detect(&shared, Timestamp::now());
            if collects { collect(&shared, seen, policy(&shared)?) } else { Ok(()) }
        });
        ctx.spawn(work, |_, outcome, ctx| {
            if let Err(error) = outcome {
                tracing::warn!(%error, "removing unused images");
            }
            ctx.later(LOOK, |me, ctx| me.look(ctx));
        });
    }
}

/// Removes all images that nobody uses, for a node that has no room left.
pub(crate) async fn reclaim(shared: &Arc<Shared>) -> Result<()> {
    let shared = shared.clone();
    blocking(move || {
        let seen = detect(&shared, Timestamp::now());
        let policy = Policy { free_bytes: u64::MAX, ..ages(&shared.settings) };
        collect(&shared, seen, policy)
    })
    .await
}

/// How much is to be freed now.
fn policy(shared: &Shared) -> Result<Policy> {
    let room = FileSystem::of(&shared.config.data_dir)?;
    let settings = &shared.settings;
    let free_bytes = choose::above(
        room.capacity_bytes,
        room.available_bytes,
        settings.image_gc_high_threshold_percent,
        settings.image_gc_low_threshold_percent,
    );
    Ok(Policy { free_bytes, ..ages(settings) })
}

fn ages(settings: &Settings) -> Policy {
    // Checked when they were read.
    let age = |text: &str| duration(text).unwrap_or(SignedDuration::ZERO);
    Policy {
        free_bytes: 0,
        youngest: age(&settings.image_minimum_gc_age),
        oldest: Some(age(&settings.image_maximum_gc_age)).filter(|age| !age.is_zero()),
    }
}

/// Brings the history up to date.
fn detect(shared: &Shared, now: Timestamp) -> Vec<Seen> {
    let (images, wanted) = (shared.images.list(), wanted(shared));
    let mut history = shared.image_history.0.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = images.into_iter().map(|image| {
        let used = is_wanted(&image, &wanted);
        let known = history.get(&image.id);
        let first = known.map_or(now, |seen| seen.first);
        let last = if used { now } else { known.map_or(first, |seen| seen.last_used) };
        // What was loaded by hand could not be fetched again.
        let kept = image.repo_digest.is_none();
        (image.id.clone(), Seen { id: image.id, size: image.size, first, last_used: last, used, kept })
    });
    let fresh: BTreeMap<String, Seen> = fresh.collect();
    history.clone_from(&fresh);
    fresh.into_values().collect()
}

fn collect(shared: &Shared, seen: Vec<Seen>, policy: Policy) -> Result<()> {
    let chosen = choose(seen, policy, Timestamp::now());
    for id in &chosen {
        // A pod may have come meanwhile.
        let wanted = wanted(shared);
        if let Some(image) = shared.images.get(id).filter(|image| !is_wanted(image, &wanted)) {
            tracing::info!(id, bytes = image.size, "removing the unused image {}", image.names.join(", "));
            shared.images.remove(id)?;
        }
    }
    // Layers of pulls that broke off.
    shared.images.collect_garbage()?;
    Ok(())
}

/// Everything by which pods of this node name images: references of their specs, ids and digests of their statuses.
fn wanted(shared: &Shared) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for slot in shared.pods.list() {
        let pod = slot.pod.load();
        if let Some(spec) = &pod.spec {
            let all = spec.init_containers.iter().flatten().chain(&spec.containers);
            wanted.extend(all.filter_map(|c| c.image.clone()));
            wanted.extend(spec.ephemeral_containers.iter().flatten().filter_map(|c| c.image.clone()));
            let volumes = spec.volumes.iter().flatten().filter_map(|v| v.image.as_ref()?.reference.clone());
            wanted.extend(volumes);
        }
        if let Some(view) = slot.view.load_full() {
            let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
            let all = lists.iter().filter_map(|list| view.status[*list].as_array()).flatten();
            wanted.extend(all.filter_map(|c| c["imageID"].as_str().map(str::to_owned)));
        }
    }
    wanted.into_iter().map(|name| podium_oci::normalize(&name).unwrap_or(name)).collect()
}

fn is_wanted(image: &Image, wanted: &BTreeSet<String>) -> bool {
    let mut names = image.names.iter().chain(&image.repo_digest).chain([&image.id]);
    names.any(|name| wanted.contains(name))
}

//! Volumes that are images, read-only (KEP-4639): mounted like a container's root, and taken away with those.

use super::{Place, image};
use crate::{Error, Result, error::blocking};
use k8s_openapi::api::core::v1::Volume;
use std::path::PathBuf;

/// Mounts all of them; the images are pulled as far as their policies ask for it.
pub(super) async fn setup(place: &Place) -> Result<()> {
    for volume in place.spec().into_iter().flat_map(|s| s.volumes.iter().flatten()) {
        let Some(source) = &volume.image else { continue };
        let reference = source.reference.as_deref().filter(|text| !text.is_empty());
        let reference = reference.ok_or_else(|| Error::Other(format!("volume {:?} names no image", volume.name)))?;
        let image = image::fetch(place, None, reference, source.pull_policy.as_deref()).await;
        let image = image.map_err(|failure| Error::Other(format!("{}: {}", failure.reason, failure.message)))?;
        let (shared, dir) = (place.shared.clone(), dir(place, &volume.name));
        blocking(move || Ok(shared.images.mount(&image, &dir)?)).await?;
    }
    Ok(())
}

/// Where the image's files are, where the volume is one.
pub(super) fn path(place: &Place, volume: &Volume) -> Option<PathBuf> {
    volume.image.as_ref().map(|_| dir(place, &volume.name).join("rootfs"))
}

/// Among the containers' own; none of those has an underscore in its id.
fn dir(place: &Place, volume: &str) -> PathBuf {
    place.container_dir(&format!("_{volume}"))
}

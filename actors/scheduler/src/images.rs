//! How much of a pod's images a node has already.

use crate::board::{Board, Place};

/// Bytes below which images do not matter.
const LEAST: i64 = 23 * 1024 * 1024;
/// Bytes for each container above which more do not matter.
const MOST: i64 = 1000 * 1024 * 1024;
/// The best score.
const MAX: i64 = 100;

/// The score of each place. What many nodes have counts for more, so that one node with an
/// image does not get every pod.
pub fn scores(images: &[String], board: &mut Board<'_>) -> Vec<i64> {
    let mut sums = vec![0_i64; board.places.len()];
    for image in images {
        for (sum, share) in sums.iter_mut().zip(board.image(&normal(image))) {
            *sum = sum.saturating_add(*share);
        }
    }
    let containers = i64::try_from(images.len()).unwrap_or(i64::MAX);
    let most = MOST.saturating_mul(containers.max(1));
    sums.into_iter().map(|sum| (sum.clamp(LEAST, most) - LEAST).saturating_mul(MAX) / (most - LEAST)).collect()
}

/// What an image counts for at each place: its size, the less the fewer nodes have it.
pub fn shares(image: &str, places: &[Place<'_>]) -> Vec<i64> {
    let sizes: Vec<Option<i64>> = places.iter().map(|place| size(place.node, image)).collect();
    let having = sizes.iter().flatten().count() as i128;
    let nodes = places.len().max(1) as i128;
    let share = |size: &Option<i64>| i64::try_from(i128::from(size.unwrap_or(0)) * having / nodes).unwrap_or(i64::MAX);
    sizes.iter().map(share).collect()
}

/// An image without a tag has the tag `latest`.
fn normal(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

fn size(node: &k8s_openapi::api::core::v1::Node, image: &str) -> Option<i64> {
    let images = node.status.as_ref()?.images.as_ref()?;
    let mut found = images.iter().filter(|one| one.names.iter().flatten().any(|name| name == image));
    found.next()?.size_bytes
}

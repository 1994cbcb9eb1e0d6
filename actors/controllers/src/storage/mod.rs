//! Volumes and claims: who gets what, what becomes of a volume after its claim, and what may not go yet.
//!
//! Deliberately absent: making volumes. A class whose provisioner is somebody else's gets its
//! claims annotated, as external provisioners expect; the rest of a claim's life is the same.

mod binder;
mod binding;
mod ephemeral;
pub mod matching;
mod protection;
mod volume;

pub use binder::BinderController;
pub use ephemeral::EphemeralController;
pub use protection::{ClaimProtection, VolumeProtection};

/// Says of a claim or volume that the binder, and nobody else, chose the other side.
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Says of a claim that its binding was completed once.
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Names the driver that made a volume.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Name, for provisioners, who is to make a claim's volume.
const PROVISIONERS: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];
/// Names the node that a claim's volume is to be made for or found on.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The provisioner of classes whose volumes people make.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Says of a class that claims without one get it.
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

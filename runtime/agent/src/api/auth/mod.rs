//! Who may speak to the kubelet API: every request passes here. A certificate of the cluster's CA or a bearer token
//! says who asks; whether they may is the API server's word, as for a kubelet in Webhook mode. Nobody is anonymous.

mod access;
mod gate;
mod memory;
mod reviews;
mod user;

pub(super) use gate::{connected, gate};
pub(crate) use reviews::Reviews;

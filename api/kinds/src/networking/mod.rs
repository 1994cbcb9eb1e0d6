//! The group `networking.k8s.io`: ways in, walls, and addresses.

pub(crate) mod ingress;
pub(crate) mod ingressclass;
pub(crate) mod ipaddress;
pub(crate) mod networkpolicy;
pub(crate) mod servicecidr;
#[cfg(test)]
mod tests;

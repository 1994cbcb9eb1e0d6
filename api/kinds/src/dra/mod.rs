//! The group `resource.k8s.io`: devices that pods claim.

pub(crate) mod deviceclass;
pub(crate) mod requests;
pub(crate) mod resourceclaim;
pub(crate) mod resourceclaimtemplate;
pub(crate) mod resourceslice;
#[cfg(test)]
mod tests;

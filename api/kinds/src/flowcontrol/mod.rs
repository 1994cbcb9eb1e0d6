//! The group `flowcontrol.apiserver.k8s.io`: whose requests come first.

pub(crate) mod flowschema;
pub(crate) mod prioritylevel;
#[cfg(test)]
mod tests;

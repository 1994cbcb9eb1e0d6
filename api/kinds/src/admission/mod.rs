//! The group `admissionregistration.k8s.io`: who else has a say in what is written.

mod binding;
mod matching;
pub(crate) mod mutatingpolicy;
pub(crate) mod mutatingpolicybinding;
pub(crate) mod mutatingwebhook;
#[cfg(test)]
mod tests;
pub(crate) mod validatingpolicy;
pub(crate) mod validatingpolicybinding;
pub(crate) mod validatingwebhook;
mod webhook;

//! Members of `metadata` that only the server sets; the rules for the rest are the machinery's.

pub(super) use podium_machinery::metadata::validate;

/// Members of `metadata` that only the server sets.
pub(super) const OWNED: &[&str] =
    &["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

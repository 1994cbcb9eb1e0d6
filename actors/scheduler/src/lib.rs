//! Pure scheduling: filter, score, explain.

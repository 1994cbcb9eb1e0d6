//! Authentication is filled in below.

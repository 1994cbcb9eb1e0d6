//! The store's part of the tree: pool → writer → feed → KindActors, rest_for_one.

pub mod barrier;
pub mod feed;
pub mod keeper;
pub mod kind;
pub mod pool;
pub mod writer;

//! The controllers' part of the tree: the view, a ControllerActor each, the executor of Plans.

pub mod controller;
pub mod correlate;
pub mod executor;
pub mod histogram;
pub mod insight;
pub mod meter;
pub mod queue;
pub mod recorder;
pub mod route;
pub mod view;
pub mod work;

//! The controllers' part of the tree: the view, a ControllerActor each, the executor of Plans.

pub mod controller;
pub mod executor;
pub mod meter;
pub mod queue;
pub mod recorder;
pub mod route;
pub mod view;

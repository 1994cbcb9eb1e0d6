//! The whole actor tree: store, KindActors, controllers, nodes, executors of Plans.

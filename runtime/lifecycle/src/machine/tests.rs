//! Tables and properties of the pod's life.

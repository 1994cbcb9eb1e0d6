//! Authorization is filled in below.

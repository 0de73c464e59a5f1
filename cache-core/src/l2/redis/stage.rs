//! What whoever stands in for the nodes of a cluster works with, in tests.

pub(crate) use super::{
    address::{Moved, Node},
    cluster::{BUCKETS, ClusterStore, Ground, Primary, key_of_tag, slot_of, slot_of_bucket},
    handshake::Failure,
    link::Status,
    tags::{As, Change},
};

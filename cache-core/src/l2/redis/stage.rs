//! What the simulator needs of this folder to stand in for cluster nodes. Tests only.

pub(crate) use super::{
    address::{Moved, Node},
    cluster::{BUCKETS, ClusterStore, Ground, Primary, key_of_tag, slot_of, slot_of_bucket},
    handshake::Failure,
    link::Status,
    tags::{As, Change},
};

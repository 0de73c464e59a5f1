//! The client as it comes: one multiplexed connection, or one to each primary of a cluster.

use redis::{
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use serde::{Deserialize, Serialize};

use crate::measure::KEYS;

/// About 1 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Article {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Article {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            title: format!("article {id}"),
            text: "x".repeat(1_000),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Bare<C>(C);

impl Bare<ClusterConnection> {
    pub(crate) async fn connect_to_cluster(nodes: Vec<String>) -> Self {
        let client = ClusterClient::new(nodes).expect("the URLs are such");
        let connected = client.get_async_connection();
        Self(connected.await.expect("the cluster is there"))
    }
}

impl Bare<MultiplexedConnection> {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("the URL is one");
        let connected = client.get_multiplexed_async_connection();
        Self(connected.await.expect("the server is there"))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync> Bare<C> {
    pub(crate) async fn fill(&self) {
        for n in 0..KEYS {
            let bytes = postcard::to_allocvec(&Article::new(n)).expect("it can be encoded");
            let mut set = redis::cmd("SET");
            set.arg(key(n)).arg(bytes);
            let set = set.exec_async(&mut self.0.clone()).await;
            set.expect("the server takes it");
        }
    }

    pub(crate) async fn read_bytes(self, n: u64) -> Vec<u8> {
        let mut connection = self.0;
        let mut get = redis::cmd("GET");
        let read = get.arg(key(n)).query_async(&mut connection).await;
        read.expect("it is there")
    }

    pub(crate) async fn read(self, n: u64) -> Article {
        let bytes = self.read_bytes(n).await;
        postcard::from_bytes(&bytes).expect("it was encoded so")
    }
}

pub(crate) fn key(n: u64) -> String {
    format!("bare:e:article:0123456789abcdef:{n}")
}

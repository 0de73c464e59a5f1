//! A member's way to the source.

use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::super::{Life, WriteId, value::Loaded};

static TRUTH: OnceLock<Truth> = OnceLock::new();

#[derive(Debug)]
pub(super) struct Truth {
    address: String,
    life: Life,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Truth {
    /// Where it is from here on, for a member in this life.
    pub(super) fn at(address: String, life: Life) {
        let truth = Self {
            address,
            life,
            idle: Mutex::default(),
        };
        TRUTH.set(truth).expect("a member begins once");
    }

    /// Asks on a connection of its own, which is given back only where the answer was waited for.
    async fn ask(&self, question: String) -> Vec<u32> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => BufReader::new(TcpStream::connect(&self.address).await.expect("it listens")),
        };
        let mut answer = String::new();
        let asked = connection.get_mut().write_all(question.as_bytes()).await;
        asked.expect("it reads");
        connection.read_line(&mut answer).await.expect("it answers");
        idle().push(connection);
        let versions = answer
            .split_whitespace()
            .map(|it| it.parse().expect("a number"));
        versions.collect()
    }
}

fn truth() -> &'static Truth {
    TRUTH.get().expect("it is set at first")
}

/// The values of neighbouring facts.
pub(super) async fn read(first: usize, count: u32) -> Vec<u64> {
    let truth = truth();
    let versions = truth.ask(format!("read {first} {count}\n")).await;
    let value = |(fact, version)| Loaded {
        fact,
        life: truth.life,
        version,
    };
    (first..)
        .zip(versions)
        .map(|it| value(it).number())
        .collect()
}

/// The value of one fact.
pub(super) async fn read_one(fact: usize) -> u64 {
    read(fact, 1).await[0]
}

/// Gives neighbouring facts their next versions.
pub(super) async fn write(first: usize, count: u32, write: WriteId) {
    let question = format!("write {first} {count} {write}\n");
    truth().ask(question).await;
}

/// Gives one fact its next version, of which everybody was told before.
pub(super) async fn write_guarded(fact: usize, write: WriteId) {
    truth().ask(format!("guarded {fact} 1 {write}\n")).await;
}

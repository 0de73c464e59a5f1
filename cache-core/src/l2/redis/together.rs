//! Several futures as one.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// What each of them gives, in their order, when all are there. One of them alone is not put into a box.
pub(super) async fn all<F: Future>(futures: impl ExactSizeIterator<Item = F>) -> Vec<F::Output> {
    let mut futures = futures;
    if futures.len() == 1
        && let Some(only) = futures.next()
    {
        return vec![only.await];
    }
    let mut under_way: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = under_way.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_over = true;
        for (future, output) in under_way.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *output = Some(ready),
                Poll::Pending => is_over = false,
            }
        }
        if is_over {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn outputs_come_in_the_order_of_the_futures() {
        let gate = Notify::new();
        let futures = (0..3).map(async |number| {
            if number == 0 {
                gate.notified().await;
            } else {
                gate.notify_one();
            }
            number
        });
        assert_eq!(all(futures).await, [0, 1, 2]);
        assert_eq!(all((7..8).map(async |number| number)).await, [7]);
        assert!(all((0..0).map(async |number: u8| number)).await.is_empty());
    }
}

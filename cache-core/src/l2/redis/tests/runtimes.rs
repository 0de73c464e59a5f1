use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn the_next_runtime_connects_anew() {
    let server = Server::start(&[]);
    let first = runtime();
    let store = first.block_on(bounded(open(&server.url())));
    first.block_on(put(&store, "a", b"v"));
    drop(first);
    for _ in 0..2 {
        runtime().block_on(bounded(async {
            until(SOON, async || store.is_ready()).await;
            assert_eq!(get(&store, "a").await, Ok(Some(b"v".to_vec())));
            assert_eq!(server.connections("cache-core"), 1);
        }));
    }
}

/// Drives another runtime than that of the caller.
fn idle_for_a_moment(runtime: &tokio::runtime::Runtime) {
    std::thread::scope(|scope| {
        let moment = Duration::from_millis(50);
        scope.spawn(move || runtime.block_on(async { tokio::time::sleep(moment).await }));
    });
}

#[test]
fn a_runtime_that_nobody_drives_is_replaced() {
    let server = Server::start(&[]);
    let idle = runtime();
    let store = idle.block_on(bounded(open(&server.url())));
    let epoch = store.data.epoch();
    runtime().block_on(bounded(async {
        // It cannot be told from a busy one before.
        assert!(store.is_ready());
        assert_eq!(
            store.get("a", 1, Duration::from_millis(50)).await,
            Err(StoreError::Late)
        );
        tokio::time::sleep(Duration::from_millis(3_100)).await;
        until(PATIENCE, async || get(&store, "a").await.is_ok()).await;
        // What the first runtime still has ends when it is driven again, and takes nothing along.
        assert_eq!(server.connections("cache-core"), 2);
        idle_for_a_moment(&idle);
        until(PATIENCE, async || server.connections("cache-core") == 1).await;
        assert_eq!(get(&store, "a").await, Ok(None));
    }));
    assert_eq!(store.data.epoch(), epoch + 1);
}

#[test]
fn a_queue_does_not_wait_for_a_runtime_that_ended() {
    let server = Server::start(&[]);
    let store = Arc::new(runtime().block_on(bounded(open(&server.url()))));
    let (reader, other) = (runtime(), runtime());
    other.block_on(bounded(until(SOON, async || store.is_ready())));
    server.stop();
    let within = Duration::from_secs(10);
    reader.block_on(async {
        for _ in 0..PLACES + 3 {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.get("a", 1, within).await });
        }
        tokio::task::yield_now().await;
    });
    other.block_on(bounded(async {
        let mut queued = store.get("a", 1, within);
        assert!(poll_once(&mut queued).await.is_pending());
        // Not here: a runtime must not end within another.
        std::thread::spawn(|| drop(reader)).join().unwrap();
        let answer = timeout(PATIENCE, queued)
            .await
            .expect("it is not forgotten");
        assert_eq!(answer, Err(StoreError::Unavailable));
        server.go_on();
        until(PATIENCE, async || get(&store, "a").await == Ok(None)).await;
    }));
}

#[test]
fn without_a_runtime_nothing_is_available() {
    let server = Server::start(&[]);
    let store = runtime().block_on(bounded(open(&server.url())));
    assert!(!store.is_ready());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let address = Redis::from(&server.url()).address().unwrap();
    let connecting = std::pin::pin!(RedisStore::connect(address, SOON)).poll(&mut context);
    let Poll::Ready(Err(error)) = connecting else {
        panic!("it waits");
    };
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let read = store.get("a", 1, SOON).as_mut().poll(&mut context);
    assert!(matches!(read, Poll::Ready(Err(StoreError::Unavailable))));
    let written = store
        .write(vec![delete("a")], SOON)
        .as_mut()
        .poll(&mut context);
    let Poll::Ready(results) = written else {
        panic!("it waits");
    };
    assert_eq!(results, [Err(StoreError::Unavailable)]);
}

use super::*;
use std::sync::atomic::AtomicU64;

async fn bare(url: &str, limit: Option<usize>) -> redis::aio::MultiplexedConnection {
    let info: redis::ConnectionInfo = url.parse().unwrap();
    let tcp = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp)).unwrap();
    let mut config = redis::AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1024);
    if let Some(limit) = limit {
        config = config.set_concurrency_limit(limit);
    }
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .unwrap()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn single(connection: &redis::aio::MultiplexedConnection, store: &RedisStore) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..31 {
        for which in 0..2 {
            let mut times = Vec::new();
            for n in 0..1000 {
                let key = format!("key:{}", n % 100);
                let begun = Instant::now();
                if which == 0 {
                    let mut c = connection.clone();
                    let v: Option<Vec<u8>> = redis::cmd("GET")
                        .arg(&key)
                        .query_async(&mut c)
                        .await
                        .unwrap();
                    assert_eq!(v.unwrap().len(), 1024);
                } else {
                    let v = store
                        .get(&key, 1024, Duration::from_millis(100))
                        .await
                        .unwrap();
                    assert_eq!(v.unwrap().len(), 1024);
                }
                times.push(begun.elapsed().as_secs_f64() * 1e6);
            }
            let p50 = median(&mut times);
            if which == 0 { a.push(p50) } else { b.push(p50) }
        }
    }
    let (a, b) = (median(&mut a), median(&mut b));
    println!(
        "  one caller p50: bare {a:.1} us, store {b:.1} us, {:.3}",
        b / a
    );
}

async fn many(
    connections: &[redis::aio::MultiplexedConnection],
    store: &Arc<RedisStore>,
    tasks: usize,
    size: usize,
) {
    let mut rates = vec![Vec::new(); connections.len() + 1];
    for _ in 0..9 {
        for which in 0..rates.len() {
            let count = Arc::new(AtomicU64::new(0));
            let until = Instant::now() + Duration::from_millis(200);
            let begun = Instant::now();
            let mut handles = Vec::new();
            for t in 0..tasks {
                let count = Arc::clone(&count);
                let store = Arc::clone(store);
                let connection = connections.get(which).cloned();
                handles.push(tokio::spawn(async move {
                    let mut n = t;
                    let mut done = 0;
                    loop {
                        n = (n + 7) % 100;
                        let key = format!("key:{n}");
                        if let Some(c) = &connection {
                            let mut c = c.clone();
                            let v: Option<Vec<u8>> = redis::cmd("GET")
                                .arg(&key)
                                .query_async(&mut c)
                                .await
                                .unwrap();
                            assert_eq!(v.unwrap().len(), size);
                        } else {
                            let v = store
                                .get(&key, size, Duration::from_millis(500))
                                .await
                                .unwrap();
                            assert_eq!(v.unwrap().len(), size);
                        }
                        done += 1;
                        if done % 16 == 0 && Instant::now() > until {
                            break;
                        }
                    }
                    count.fetch_add(done, Relaxed);
                }));
            }
            for handle in handles {
                handle.await.unwrap();
            }
            rates[which].push(count.load(Relaxed) as f64 / begun.elapsed().as_secs_f64());
        }
    }
    let rates: Vec<f64> = rates.iter_mut().map(|r| median(r)).collect();
    if rates.len() < 3 {
        println!("{:.0} k", rates[0] / 1e3);
        return;
    }
    println!(
        "  {tasks} tasks {size} B: bare(limit) {:.0} k, bare(none) {:.0} k, store {:.0} k: x{:.2} x{:.2}",
        rates[0] / 1e3,
        rates[1] / 1e3,
        rates[2] / 1e3,
        rates[2] / rates[0],
        rates[2] / rates[1]
    );
}

#[test]
#[ignore = "a measurement"]
fn bench() {
    let server = Server::start(&[]);
    for multi in [false, true] {
        let runtime = if multi {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
        } else {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        println!("multi-thread: {multi}");
        runtime.block_on(async {
            tokio::spawn(async move {}).await.unwrap();
            let store = Arc::new(open(&server.url()).await);
            let limited = bare(&server.url(), Some(128)).await;
            let unlimited = bare(&server.url(), None).await;
            let fill = async |size: usize| {
                let writes = (0..100).map(|n| Write::Set {
                    key: format!("key:{n}"),
                    bytes: vec![7; size],
                    milliseconds: 3_600_000,
                });
                assert!(
                    store
                        .write(writes.collect(), SOON)
                        .await
                        .iter()
                        .all(Result::is_ok)
                );
            };
            fill(1024).await;
            let s = Arc::clone(&store);
            let l = limited.clone();
            tokio::spawn(async move { single(&l, &s).await })
                .await
                .unwrap();
            let both = [limited, unlimited];
            for tasks in [1, 2, 8, 32, 256] {
                many(&both, &store, tasks, 1024).await;
            }
            fill(10240).await;
            many(&both, &store, 32, 10240).await;
            many(&both, &store, 256, 10240).await;
        });
    }
}

#[test]
#[ignore = "a measurement"]
fn profile() {
    let server = Server::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(&server.url()).await);
        let limited = bare(&server.url(), Some(128)).await;
        let writes = (0..100).map(|n| Write::Set {
            key: format!("key:{n}"),
            bytes: vec![7; 1024],
            milliseconds: 3_600_000,
        });
        assert!(
            store
                .write(writes.collect(), SOON)
                .await
                .iter()
                .all(Result::is_ok)
        );
        let read = store.get("x", 1024, SOON);
        println!("future: {} bytes", std::mem::size_of_val(&*read));
        drop(read);
        let before = (server.calls("get"), server.calls("mget"));
        if std::env::var_os("ONLY").is_some() {
            for _ in 0..10 {
                many(&[], &store, 256, 1024).await;
            }
        } else {
            for _ in 0..4 {
                many(&[limited.clone(), limited.clone()], &store, 256, 1024).await;
            }
        }
        let after = (server.calls("get"), server.calls("mget"));
        println!("get {} mget {}", after.0 - before.0, after.1 - before.1);
    });
}

#[test]
#[ignore = "a measurement"]
fn places() {
    let server = Server::start(&[]);
    for multi in [false, true] {
        let runtime = if multi {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
        } else {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        println!("multi-thread: {multi}");
        runtime.block_on(async {
            let store = Arc::new(open(&server.url()).await);
            let limited = bare(&server.url(), Some(128)).await;
            for size in [1024, 10240] {
                let writes = (0..100).map(|n| Write::Set { key: format!("key:{n}"), bytes: vec![7; size], milliseconds: 3_600_000 });
                assert!(store.write(writes.collect(), SOON).await.iter().all(Result::is_ok));
                for tasks in [2, 4, 8, 16, 32, 64, 256] {
                    let mut rates = vec![Vec::new(); 6];
                    for _ in 0..9 {
                        rates[0].push(rate(Some(&limited), &store, tasks, size, false).await);
                        rates[1].push(rate(Some(&limited), &store, tasks, size, true).await);
                        for (n, limit) in [2, 3, 4, 8].into_iter().enumerate() {
                            crate::l2::redis::reads::LIMIT.store(limit, Relaxed);
                            rates[n + 2].push(rate(None, &store, tasks, size, false).await);
                        }
                    }
                    let r: Vec<f64> = rates.iter_mut().map(|r| median(r) / 1e3).collect();
                    println!("{size} B {tasks:3} tasks: bare {:.0} k, with timeout {:.0} k ({:.2}); places 2: {:.2} 3: {:.2} 4: {:.2} 8: {:.2}",
                        r[0], r[1], r[1]/r[0], r[2]/r[0], r[3]/r[0], r[4]/r[0], r[5]/r[0]);
                }
            }
        });
    }
}

async fn rate(
    connection: Option<&redis::aio::MultiplexedConnection>,
    store: &Arc<RedisStore>,
    tasks: usize,
    size: usize,
    timed: bool,
) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_millis(120);
    let begun = Instant::now();
    let mut handles = Vec::new();
    for t in 0..tasks {
        let (count, store, connection) =
            (Arc::clone(&count), Arc::clone(store), connection.cloned());
        handles.push(tokio::spawn(async move {
            let mut n = t;
            let mut done = 0;
            loop {
                n = (n + 7) % 100;
                let key = format!("key:{n}");
                if let Some(c) = &connection {
                    let mut c = c.clone();
                    let get = async {
                        redis::cmd("GET")
                            .arg(&key)
                            .query_async::<Option<Vec<u8>>>(&mut c)
                            .await
                            .unwrap()
                    };
                    let v = if timed {
                        timeout(SOON, get).await.unwrap()
                    } else {
                        get.await
                    };
                    assert_eq!(v.unwrap().len(), size);
                } else {
                    let v = store.get(&key, size, SOON).await.unwrap();
                    assert_eq!(v.unwrap().len(), size);
                }
                done += 1;
                if done % 16 == 0 && Instant::now() > until {
                    break;
                }
            }
            count.fetch_add(done, Relaxed);
        }));
    }
    for handle in handles {
        handle.await.unwrap();
    }
    count.load(Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

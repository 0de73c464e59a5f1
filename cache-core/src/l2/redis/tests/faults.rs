use super::*;

async fn refusal(url: &str) -> String {
    let address = Redis::from(url).address().unwrap();
    let error = RedisStore::connect(address, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
    error.to_string()
}

#[tokio::test]
async fn wrong_credentials_and_a_wrong_database_are_refused_without_a_secret() {
    let server = Server::start(&["--requirepass", "open"]);
    let place = format!("127.0.0.1:{}", server.port);
    bounded(async {
        let wrong = refusal(&format!("redis://:hush@{place}")).await;
        assert!(
            wrong.contains("password") && wrong.contains(&place),
            "{wrong}"
        );
        refusal(&format!("redis://hush:hush@{place}")).await;
        let missing = refusal(&format!("redis://{place}/1")).await;
        assert!(missing.contains("asks for a password"), "{missing}");
        let database = refusal(&format!("redis://:open@{place}/9999")).await;
        assert!(database.contains("9999"), "{database}");
        server.command_as("open", &["CONFIG", "SET", "requirepass", ""]);
        let needless = refusal(&format!("redis://:hush@{place}")).await;
        assert!(needless.contains("has no password"), "{needless}");
        server.command(&["CONFIG", "SET", "requirepass", "open"]);
        let store = open(&format!("redis://default:open@{place}")).await;
        put(&store, "a", b"v").await;
        assert!(!format!("{store:?}").contains("open"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let port = pretend(|command| match command[0].as_str() {
        "INFO" => bulk("# Server\r\nredis_version:5.0.14\r\n"),
        _ => recent(command),
    });
    bounded(async {
        let message = refusal(&format!("redis://127.0.0.1:{port}")).await;
        assert!(
            message.contains("5.0") && message.contains("6.2"),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_server_that_hides_its_version_is_taken() {
    let port = pretend(|command| match command[0].as_str() {
        "INFO" | "CLIENT" => "-NOPERM this user has no permissions\r\n".into(),
        _ => recent(command),
    });
    bounded(async { open(&format!("redis://127.0.0.1:{port}")).await }).await;
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_waited_for() {
    let port = pretend(|command| match command[0].as_str() {
        "PING" => "-LOADING Redis is loading the dataset in memory\r\n".into(),
        _ => recent(command),
    });
    bounded(async {
        let address = Redis::server("127.0.0.1", port).address().unwrap();
        let patience = Duration::from_millis(200);
        let (store, reason) = RedisStore::connect(address, patience).await.unwrap();
        assert!(reason.unwrap().contains("LOADING"));
        assert!(!store.is_ready());
        assert_eq!(get(&store, "a").await, Err(StoreError::Unavailable));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_absent_at_first_is_found_when_it_comes() {
    let mut server = Server::absent(&[]);
    bounded(async {
        let address = Redis::from(&server.url()).address().unwrap();
        let begun = Instant::now();
        let patience = Duration::from_millis(300);
        let (store, reason) = RedisStore::connect(address, patience).await.unwrap();
        assert!(begun.elapsed() >= patience && begun.elapsed() < 3 * patience);
        assert!(reason.unwrap().contains(&server.port.to_string()));
        assert_eq!((store.is_ready(), store.time()), (false, None));
        server.run();
        until(Duration::from_secs(3), async || store.is_ready()).await;
        put(&store, "a", b"v").await;
        assert!(store.time().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_password_that_is_asked_for_later_is_an_outage() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.command(&["CONFIG", "SET", "requirepass", "open"]);
        server.command_as("open", &["CLIENT", "KILL", "TYPE", "normal"]);
        until(PATIENCE, async || !store.is_ready()).await;
        assert_eq!(get(&store, "a").await, Err(StoreError::Unavailable));
        server.kill();
        server.run();
        until(Duration::from_secs(3), async || store.is_ready()).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_killed_in_mid_traffic_is_used_again_within_three_seconds() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = Arc::new(open(&server.url()).await);
        let traffic: Vec<_> = (0..32)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let key = format!("k{n}");
                    loop {
                        let written = store.write(vec![set(&key, key.as_bytes())], SOON).await;
                        let read = get(&store, &key).await;
                        if let (Ok(()), Ok(Some(bytes))) = (&written[0], &read) {
                            assert_eq!(bytes, key.as_bytes());
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
        until(SOON, async || !store.is_ready()).await;
        assert_eq!(get(&store, "k1").await, Err(StoreError::Unavailable));
        server.run();
        until(Duration::from_secs(3), async || {
            get(&store, "k1").await.is_ok()
        })
        .await;
        until(PATIENCE, async || {
            matches!(get(&store, "k31").await, Ok(Some(_)))
        })
        .await;
        for task in traffic {
            assert!(!task.is_finished(), "a panic");
            task.abort();
        }
        assert_eq!(server.connections("cache-core"), 1);
    })
    .await;
}

#[tokio::test]
async fn an_outage_that_nobody_sees_ends_by_itself() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.kill();
        tokio::time::sleep(Duration::from_secs(3)).await;
        server.run();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        put(&store, "a", b"v").await;
    })
    .await;
}

#[tokio::test]
async fn every_read_of_a_server_that_hangs_ends_in_time_and_its_connection_is_replaced() {
    let server = Server::start(&[]);
    bounded(async {
        let store = Arc::new(open(&server.url()).await);
        put(&store, "a", b"v").await;
        server.stop();
        // One that is left behind must not keep the socket open.
        let mut left_behind = store.get("a", 1, Duration::from_mins(1));
        assert!(poll_once(&mut left_behind).await.is_pending());
        let reads: Vec<_> = (0..200)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let (begun, within) = (Instant::now(), Duration::from_millis(100));
                    let answer = store.get("a", 1, within).await;
                    assert!(begun.elapsed() < 3 * within, "{:?}", begun.elapsed());
                    answer.unwrap_err()
                })
            })
            .collect();
        for read in reads {
            let error = read.await.unwrap();
            assert!(matches!(error, StoreError::Late | StoreError::Unavailable));
        }
        until(Duration::from_secs(2), async || !store.is_ready()).await;
        assert_eq!(left_behind.await, Err(StoreError::Unavailable));
        server.go_on();
        until(Duration::from_secs(3), async || {
            get(&store, "a").await.is_ok()
        })
        .await;
        until(SOON, async || server.connections("cache-core") == 1).await;
    })
    .await;
}

#[tokio::test]
async fn three_time_outs_in_a_row_replace_the_connection() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.stop();
        let begun = Instant::now();
        for _ in 0..3 {
            let within = Duration::from_millis(30);
            assert_eq!(store.get("a", 1, within).await, Err(StoreError::Late));
        }
        assert!(!store.is_ready());
        // Sooner than by its own checks.
        assert!(begun.elapsed() < Duration::from_millis(400));
        server.go_on();
    })
    .await;
}

#[tokio::test]
async fn when_those_under_way_are_dropped_the_queue_goes_on() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.stop();
        let within = Duration::from_secs(5);
        let mut under_way = Vec::new();
        for _ in 0..PLACES {
            let mut read = store.get("a", 1, within);
            assert!(poll_once(&mut read).await.is_pending());
            under_way.push(read);
        }
        let mut queued = store.get("b", 1, within);
        assert!(poll_once(&mut queued).await.is_pending());
        drop(under_way);
        server.go_on();
        let answer = timeout(PATIENCE, queued)
            .await
            .expect("it is not forgotten");
        assert_eq!(answer, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn readers_that_are_not_polled_lose_their_places() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let mut left_behind = Vec::new();
        for _ in 0..PLACES {
            let mut read = store.get("a", 1, Duration::from_millis(100));
            assert!(poll_once(&mut read).await.is_pending());
            left_behind.push(read);
        }
        assert_eq!(
            store.get("a", 1, Duration::from_millis(20)).await,
            Err(StoreError::Late)
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(get(&store, "a").await, Ok(None));
        for read in left_behind {
            assert!(matches!(read.await, Ok(None) | Err(StoreError::Late)));
        }
        assert_eq!(get(&store, "a").await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_full_server_takes_no_writes_and_all_else() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    bounded(async {
        let store = open(&server.url()).await;
        put(&store, "a", b"v").await;
        put(&store, "b", b"v").await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let writes = vec![set("new", "v"), delete("a"), set("b", "w")];
        let results = store.write(writes, SOON).await;
        let is_full = |result: &Result<(), StoreError>| matches!(result, Err(StoreError::ReadOnly(words)) if words.starts_with("OOM"));
        assert!(is_full(&results[0]) && is_full(&results[2]), "{results:?}");
        assert_eq!(results[1], Ok(()));
        assert_eq!(get(&store, "a").await, Ok(None));
        assert_eq!(get(&store, "b").await, Ok(Some(b"v".to_vec())));
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        put(&store, "new", b"v").await;
        assert_eq!(server.connections("cache-core"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_not_used_until_it_is_promoted() {
    let primary = Server::start(&[]);
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    bounded(async {
        let address = Redis::from(&replica.url()).address().unwrap();
        let (store, reason) = RedisStore::connect(address, PATIENCE).await.unwrap();
        assert!(reason.unwrap().contains("primary"));
        assert_eq!(get(&store, "a").await, Err(StoreError::Unavailable));
        replica.command(&["REPLICAOF", "NO", "ONE"]);
        until(Duration::from_secs(5), async || store.is_ready()).await;
        put(&store, "a", b"v").await;
        replica.command(&["REPLICAOF", "127.0.0.1", &port]);
        until(Duration::from_secs(5), async || !store.is_ready()).await;
    })
    .await;
}

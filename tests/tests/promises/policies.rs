//! Policies in place of attributes.

use super::*;

// Policies in place of attributes.

pub(super) fn policies(text: &str) -> HashMap<String, Policy> {
    serde_json::from_str(text).unwrap()
}

#[cached(ttl = 1h, skip(source), invalidate_on = Changed { id })]
async fn listening(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[test]
fn a_policy_has_one_process_of_a_fleet_load_for_all() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let policy = || policies(r#"{ "listening": { "fleet": true } }"#);
        let source = Source::default();
        source.0.took.store(100, SeqCst);
        let (mut caches, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let builder = Cache::builder().fake_redis(&redis).policies(policy());
            let cache = builder.build().await.unwrap();
            let source = source.clone();
            calls.push(tests::spawn_in(&cache, async move {
                listening(&source, 1).await
            }));
            // One that is dropped sends nothing.
            caches.push(cache);
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(source.loads(), 1);
    });
}

#[test]
fn a_policy_has_what_an_event_made_void_served_for_a_while() {
    on_both_runtimes(|_| async {
        let policy = policies(r#"{ "listening": { "stale_if_invalidated": "1h" } }"#);
        let cache = Cache::builder().policies(policy).build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache.clone(), async {
            let before = listening(&source, 1).await;
            source.0.value.store(7, SeqCst);
            let _ = cache.emit(Changed { id: 1 }).await;
            assert_eq!(listening(&source, 1).await, before);
            tests::until("its successor is loaded", || source.loads() == 2).await;
        })
        .await;
    });
}

#[cached(ttl = |value| Duration::from_secs(*value), skip(runs))]
pub(super) async fn token(runs: &Source, id: u64) -> Result<Option<u64>, Failure> {
    runs.many(&[id]).await?;
    Ok((id > 0).then_some(id * 1000))
}

/// `none_ttl` in place of what the attribute says.
#[test]
fn a_policy_gives_none_a_lifetime_where_the_ttl_is_a_closure() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let builder = Cache::builder().clock(clock.clock());
        let builder = builder.policies(policies(r#"{ "token": { "none_ttl": "20s" } }"#));
        let cache = builder.build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            assert_eq!(token(&source, 0).await, Ok(None));
            clock.advance(10 * SECOND);
            assert_eq!(token(&source, 0).await, Ok(None));
            assert_eq!(source.loads(), 1, "None is kept for 20 s");
        })
        .await;
    });
}

/// `ttl` also where that is a closure: then `None` is a value like any other.
#[test]
fn a_policy_whose_ttl_replaces_a_closure_is_the_ttl_of_none_too() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let builder = Cache::builder().clock(clock.clock());
        let builder = builder.policies(policies(r#"{ "token": { "ttl": "20s" } }"#));
        let cache = builder.build().await.unwrap();
        let source = Source::default();
        Cache::scope(cache, async {
            assert_eq!(token(&source, 0).await, Ok(None));
            clock.advance(10 * SECOND);
            assert_eq!(token(&source, 0).await, Ok(None));
            assert_eq!(source.loads(), 1, "None is kept for 20 s");
        })
        .await;
    });
}

/// Of what another process has loaded a process with a shorter `ttl` takes what is younger.
#[test]
fn a_policy_with_a_shorter_ttl_than_a_closure_holds_for_what_redis_has() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let a = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        let a = a.build().await.unwrap();
        let b = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        let b = b.policies(policies(r#"{ "token": { "ttl": "10s" } }"#));
        let b = b.build().await.unwrap();
        let source = Source::default();
        Cache::scope(a.clone(), token(&source, 1)).await.unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        clock.advance(60 * SECOND);
        Cache::scope(b.clone(), token(&source, 1)).await.unwrap();
        assert_eq!(
            source.loads(),
            2,
            "a value of 60 s is served under a ttl of 10 s"
        );
    });
}

#[cached(ttl = 1000s, skip(runs))]
pub(super) async fn constant(runs: &Source, id: u64) -> Result<Option<u64>, Failure> {
    runs.many(&[id]).await?;
    Ok((id > 0).then_some(id * 1000))
}

/// The same of one whose `ttl` is a constant, for comparison.
#[test]
fn a_policy_with_a_shorter_ttl_than_a_constant_holds_for_what_redis_has() {
    on_both_runtimes(|_| async {
        let clock = ManualClock::new();
        let redis = FakeRedis::on(&clock);
        let a = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        let a = a.build().await.unwrap();
        let b = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        let b = b.policies(policies(r#"{ "constant": { "ttl": "10s" } }"#));
        let b = b.build().await.unwrap();
        let source = Source::default();
        Cache::scope(a.clone(), constant(&source, 1)).await.unwrap();
        redis.until(|redis| redis.writes() >= 1).await;
        clock.advance(60 * SECOND);
        Cache::scope(b.clone(), constant(&source, 1)).await.unwrap();
        assert_eq!(
            source.loads(),
            2,
            "a value of 60 s is served under a ttl of 10 s"
        );
    });
}

// A policy where the attribute would be refused.

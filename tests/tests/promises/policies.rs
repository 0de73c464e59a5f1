//! Policies in place of attributes.

use super::*;

// Policies in place of attributes.

pub(super) fn policies(text: &str) -> HashMap<String, Policy> {
    serde_json::from_str(text).unwrap()
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

//! What the environment says.

use std::{
    env::{self, VarError},
    error::Error,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use cache_core::Cache;

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) database: PathBuf,
    pub(crate) connections: usize,
    pub(crate) latency: Duration,
    redis: Option<String>,
    has_cache: bool,
    bound: Duration,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, Box<dyn Error>> {
        let milliseconds = |name, or| number(name, or).map(Duration::from_millis);
        let database = env::var_os("DATABASE").map(PathBuf::from);
        Ok(Self {
            listen: text("LISTEN")?.unwrap_or_else(|| "127.0.0.1:3000".into()),
            database: database.unwrap_or_else(|| env::temp_dir().join("shop.db")),
            connections: number("CONNECTIONS", 4)?,
            latency: milliseconds("QUERY_LATENCY_MS", 0)?,
            redis: text("REDIS_URL")?,
            has_cache: text("CACHE")?.is_none_or(|is| is != "off"),
            bound: milliseconds("STALENESS_BOUND_MS", 2_000)?,
        })
    }

    /// The cache of this process. Without one, all of the shop is as it is: only slower.
    pub(crate) async fn cache(&self) -> Result<Cache, cache_core::Error> {
        if !self.has_cache {
            return Ok(Cache::disabled());
        }
        let mut cache = Cache::builder()
            .namespace("shop")
            .memory_limit(64 << 20)
            .staleness_bound(self.bound);
        if let Some(redis) = &self.redis {
            cache = cache.redis(redis.as_str());
        }
        cache.build().await
    }
}

fn text(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("`{name}`: {error}").into()),
    }
}

fn number<T: FromStr>(name: &str, or: T) -> Result<T, Box<dyn Error>> {
    let Some(value) = text(name)? else {
        return Ok(or);
    };
    let number = value.parse();
    number.map_err(|_| format!("`{name}` is a number, not `{value}`").into())
}

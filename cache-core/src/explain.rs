//! The answer to "why was this served".

use std::{fmt, time::Duration};

use crate::{
    clock::{Clock, Nanos},
    coherence::{Coherence, Doubt, Emitted},
    event::Tag,
    l1::Entry,
    l2::RedisMiss,
    process,
    stats::Reason,
    strategy::{Trouble, Validity},
};

/// A value, and where it came from.
///
/// [`CachedCall::explain`](crate::CachedCall::explain) returns it; [`Display`](fmt::Display) writes it as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained<T> {
    /// What the call returned.
    pub value: T,
    /// The cached function, as [`Stats`](crate::Stats) names it.
    pub function: String,
    /// The key of the call, readable: `7:Ada`.
    pub key: String,
    /// Who answered.
    pub source: Source,
    /// Why memory did not answer; `None` if it did.
    pub miss: Option<Miss>,
    /// Which event invalidated the entry in memory, who emitted it, where and when. `None` if that is not known: it was
    /// too long ago, or Redis has lost its data.
    pub cause: Option<Cause>,
    /// Why Redis did not answer; `None` if it did, or did not have to be asked.
    pub redis: Option<RedisMiss>,
    /// How long ago the value was loaded.
    pub age: Duration,
    /// How long the entry stays fresh; `None` if the value was not kept.
    pub time_left: Option<Duration>,
    /// Why a value was served that is not fresh.
    pub stale: Option<Stale>,
    /// What the value depends on besides its time, from the events in `invalidate_on`.
    pub stamps: Vec<Stamp>,
    /// How long the call took.
    pub took: Duration,
}

/// One thing that a value depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// `UserChanged:7` stands for a change of the user 7, or of something below it; `UserChanged/` for a change of all
    /// users at once.
    pub tag: String,
    /// The version of the tag when the value was loaded, as Redis holds it under `{namespace}:t:{tag}`: the time of the
    /// last change in microseconds. `None` if Redis was not asked.
    pub version: Option<u64>,
}

/// An event that invalidated an entry; the last one if there were several.
///
/// [`Display`](fmt::Display) writes it as a sentence: "`UserChanged:7` was emitted by `shop::rename` in process
/// `web-7f9c:4711:5be0cd19137e2179` 120ms ago".
///
/// ```
/// use cache_core::{CachedCall, Event, cached, invalidates};
///
/// #[derive(Event)]
/// struct UserChanged {
///     id: u64,
/// }
///
/// #[cached(ttl = 5m, invalidate_on = UserChanged { id })]
/// async fn user(id: u64) -> Option<String> {
///     (id == 7).then(|| "Ada".to_owned())
/// }
///
/// #[invalidates(UserChanged { id })]
/// async fn rename(id: u64) {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// user(7).await;
/// rename(7).await;
/// let cause = user(7).explain().await?.cause.ok_or("it is known")?;
/// assert_eq!(cause.tag, "UserChanged:7");
/// assert!(cause.functions[0].ends_with("rename") && cause.is_own);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// What has changed, in the form of [`Stamp::tag`].
    pub tag: String,
    /// The function under `#[invalidates]` that emitted the event: `shop::rename`,
    /// `<shop::Shop as shop::Names>::rename`. For [`Cache::emit`](crate::Cache::emit) and
    /// [`Cache::hold`](crate::Cache::hold) it is the calling line: `src/orders.rs:42`. If several events were sent at
    /// once, all their functions are listed: one of them emitted this event. The list is empty if the function is not
    /// known: if more than 64 tags were sent at once, an older version of this library sent them, or the name is longer
    /// than 200 bytes.
    pub functions: Vec<String>,
    /// The process that emitted it: its host, its process id there, and a random number.
    pub process: String,
    /// Whether that is this process.
    pub is_own: bool,
    /// How long ago it was emitted; for an event of another process, how long ago this process heard of it.
    pub ago: Duration,
}

impl Cause {
    pub(crate) fn new((tag, emitted): (Tag, Emitted), coherence: &Coherence, now: Nanos) -> Self {
        let is_own = emitted.process.is_none();
        Self {
            tag: tag.as_str().to_owned(),
            functions: emitted.by.iter().map(ToString::to_string).collect(),
            process: match emitted.process {
                Some(process) => process.into(),
                None if coherence.origin().is_empty() => process::name(),
                None => coherence.origin().to_owned(),
            },
            is_own,
            ago: Duration::from_nanos(now.saturating_sub(emitted.at)),
        }
    }
}

/// Why a value was served that is not fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stale {
    /// It is past its `ttl`, and its successor is being loaded: `stale_while_revalidate`.
    Revalidating,
    /// It is past its `ttl`, and the load of its successor failed: `stale_if_error`.
    Failed,
    /// It is past its `ttl`, and the load of its successor takes longer than `soft_timeout` or `timeout`.
    Late,
    /// An event has invalidated it, and its successor is being loaded: `stale_if_invalidated`.
    Invalidated,
    /// The load of its successor failed or is late, and it is not known whether an event has invalidated it:
    /// `stale_if_error(.., unproven)`.
    Unproven,
}

impl Reason for Stale {
    const ALL: &'static [Self] = &[
        Self::Revalidating,
        Self::Failed,
        Self::Late,
        Self::Invalidated,
        Self::Unproven,
    ];

    fn number(self) -> usize {
        self as usize
    }
}

impl Stale {
    /// Of what is served while its successor is loaded, or while none is tried as the last load failed or was late.
    pub(crate) fn of(entry: &Entry, clock: &Clock) -> Option<Self> {
        let now = clock.now();
        match entry.known(clock) {
            Validity::Invalidated { .. } => Some(Self::Invalidated),
            Validity::Unproven => Some(Self::Unproven),
            Validity::Valid if entry.is_fresh(now) => None,
            Validity::Valid => {
                let trouble = entry.terms().and_then(|terms| terms.trouble(now));
                Some(trouble.map_or(Self::Revalidating, Self::from))
            }
        }
    }

    /// The same of what another call was answered with: what happened to it since is not its caller's.
    pub(crate) fn by_age(entry: &Entry, clock: &Clock) -> Option<Self> {
        entry.terms()?;
        Self::of(entry, clock).filter(|stale| !matches!(stale, Self::Invalidated | Self::Unproven))
    }

    /// Counts a call that an entry answers as its terms have it; for this reason, where it is known.
    pub(crate) fn count_served(entry: &Entry, clock: &Clock, stale: Option<Self>) {
        entry.count_hit();
        if let Some(stale) = stale.or_else(|| Self::of(entry, clock)) {
            entry.count_stale(stale);
        }
    }

    /// Of what stands in for a load; nothing where it is as good as new, as what was put meanwhile.
    pub(crate) fn in_place(entry: &Entry, clock: &Clock, trouble: Trouble) -> Option<Self> {
        match Self::of(entry, clock)? {
            Self::Unproven => Some(Self::Unproven),
            _ => Some(trouble.into()),
        }
    }
}

impl From<Trouble> for Stale {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failed => Self::Failed,
            Trouble::Late => Self::Late,
        }
    }
}

/// Who answered a call, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// An entry in the memory of this process.
    Memory,
    /// An entry in Redis.
    Redis,
    /// The body, run for this call.
    Load,
    /// The load, or the read of Redis, of another call, for which this call waited.
    SharedLoad,
    /// The body, without the cache.
    Uncached,
}

/// Why memory did not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Miss {
    /// There is no entry: never loaded, not kept, or evicted long ago.
    Absent,
    /// The entry was evicted a short while ago: there was no room.
    Evicted,
    /// The entry is older than its lifetime.
    Expired,
    /// An event that the entry depends on was emitted since it was loaded.
    Invalidated,
    /// This process has not known for too long whether such an event was emitted in another process.
    Unproven,
    /// The function does not use this tier.
    NotInMemory,
    /// The cache is disabled or closed.
    Off,
    /// The call was made by a load of its own key, or by one that this load waits for.
    Recursion,
}

impl Reason for Miss {
    const ALL: &'static [Self] = &[
        Self::Absent,
        Self::Evicted,
        Self::Expired,
        Self::Invalidated,
        Self::Unproven,
        Self::NotInMemory,
        Self::Off,
        Self::Recursion,
    ];

    fn number(self) -> usize {
        self as usize
    }
}

impl Miss {
    /// What is against an entry that was not served.
    pub(crate) fn of(entry: &Entry, clock: &Clock) -> Self {
        if !entry.is_fresh(clock.now()) {
            Self::Expired
        } else if entry.doubt(clock) == Some(Doubt::Invalidated) {
            Self::Invalidated
        } else {
            Self::Unproven
        }
    }

    /// Whether the shared tier may have the value all the same.
    pub(crate) fn may_be_elsewhere(self) -> bool {
        !matches!(self, Self::Off | Self::Recursion)
    }
}

/// What [`Explained`] says, without the value.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) function: String,
    pub(crate) key: String,
    pub(crate) source: Source,
    pub(crate) miss: Option<Miss>,
    pub(crate) cause: Option<Box<Cause>>,
    pub(crate) redis: Option<RedisMiss>,
    pub(crate) age: Duration,
    pub(crate) time_left: Option<Duration>,
    pub(crate) stale: Option<Stale>,
    /// The value is an error.
    pub(crate) has_failed: bool,
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) took: Duration,
}

impl Trace {
    pub(crate) fn explain<T>(self, value: T) -> Explained<T> {
        Explained {
            value,
            function: self.function,
            key: self.key,
            source: self.source,
            miss: self.miss,
            cause: self.cause.map(|cause| *cause),
            redis: self.redis,
            age: self.age,
            time_left: self.time_left,
            stale: self.stale,
            stamps: self.stamps,
            took: self.took,
        }
    }
}

impl<T> fmt::Display for Explained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` for `{}`: {}", self.function, self.key, self.source)?;
        if let Some(miss) = self.miss {
            write!(f, " because {miss}")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, " ({cause})")?;
        }
        if let Some(miss) = self.redis {
            write!(f, " and Redis {miss}")?;
        }
        if matches!(self.source, Source::Memory | Source::Redis) {
            write!(f, ", {:?} old", in_milliseconds(self.age))?;
        }
        if let Some(stale) = self.stale {
            write!(f, ", stale {stale}")?;
        }
        match self.time_left {
            _ if self.stale.is_some() => {}
            Some(left) => write!(f, ", fresh for {:?}", in_milliseconds(left))?,
            None => f.write_str(", not kept")?,
        }
        for (position, Stamp { tag, version }) in self.stamps.iter().enumerate() {
            f.write_str(if position == 0 { ", until " } else { " or " })?;
            write!(f, "`{tag}`")?;
            if let Some(version) = version {
                write!(f, " (at {version})")?;
            }
        }
        f.write_str(if self.stamps.is_empty() {
            ""
        } else {
            " changes"
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was emitted", self.tag)?;
        for (position, function) in self.functions.iter().enumerate() {
            f.write_str(if position == 0 { " by " } else { " or " })?;
            write!(f, "`{function}`")?;
        }
        if self.is_own {
            f.write_str(" in this process")?;
        } else {
            write!(f, " in process `{}`", self.process)?;
        }
        write!(f, " {:?} ago", in_milliseconds(self.ago))
    }
}

/// The clock is no finer.
fn in_milliseconds(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revalidating => "while it is loaded anew",
            Self::Failed => "as its load failed",
            Self::Late => "as its load takes long",
            Self::Invalidated => "and void, while it is loaded anew",
            Self::Unproven => "and perhaps void, as its load failed or takes long",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "from memory",
            Self::Redis => "from Redis",
            Self::Load => "loaded",
            Self::SharedLoad => "by the load of another call",
            Self::Uncached => "run uncached",
        })
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "there was no entry",
            Self::Evicted => "the entry was evicted, as there was no room",
            Self::Expired => "the entry had expired",
            Self::Invalidated => "what the entry depends on has changed",
            Self::Unproven => {
                "it was not known whether what the entry depends on has changed elsewhere"
            }
            Self::NotInMemory => "the function does not use memory",
            Self::Off => "the cache is off",
            Self::Recursion => "a load waits for this very call",
        })
    }
}

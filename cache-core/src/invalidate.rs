//! An event's way to the entries that depend on it: in this process, in the shared tier, in the others.
//!
//! What is to be sent is decided by `coherence`; here is who sends it, who waits for that, and what a change says
//! of itself when its caller vanishes.

mod courier;
mod ear;
mod ended;
mod mark;
mod mutation;
mod peer_caches;
mod peers;

use std::{fmt, future::Future, sync::Arc};

use tokio::{runtime::Handle, sync::oneshot, time::timeout};

pub(crate) use self::{
    courier::{Carrier, SIGN_EVERY},
    peer_caches::PeerCache,
    peers::{Peers, SharedPlace},
};
pub use self::{
    ended::{CanFail, OkProbe, ProbeAny, ProbeResult, Refusable, assert_can_fail},
    mutation::{Mutation, Refused},
};
use crate::{
    cache::Cache,
    clock::{Nanos, system_now},
    coherence::{Ack, ChangeHold, Coherence, Emitted, Emitter, Outcome},
    context,
    error::{Error, ErrorKind},
    event::{Changes, Events, Tag},
    traced::Recorder,
    watchdog::{self, Watched},
};

impl Cache {
    /// Tells every process that something changed: entries that depend on it are not served again. In this process that
    /// holds once this returns; in others when the message arrives, at the latest the
    /// [bound](crate::CacheBuilder::staleness_bound) after Redis received it.
    ///
    /// Emit after the source was written and its transaction committed. If you emit earlier, callers may load the old
    /// value again: see [`hold`](Self::hold).
    ///
    /// ```
    /// use cache_core::{Cache, Event, cached};
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
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cache_core::Error> {
    /// user(7).await;
    /// Cache::current().emit(UserChanged { id: 7 }).await?;
    /// user(7).await; // loads again
    /// assert_eq!(Cache::current().stats().function("user").map(|user| user.loads), Some(2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreachable`] if Redis did not acknowledge the event within the budget, or refuses it, or if this
    /// is called outside a Tokio runtime, where nobody can wait. Entries of this process are invalid all the same. The
    /// event is sent until it arrives; until then this process does not ask Redis for what depends on it.
    ///
    /// # Panics
    ///
    /// With Redis, on a Tokio runtime without its timer, after the event was emitted.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before its first poll, nothing happens; afterwards the event is on its way.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an event is made for this: to borrow it would be one character more at each call"
    )]
    #[track_caller]
    pub fn emit(&self, events: impl Events) -> impl Future<Output = Result<(), Error>> + Send {
        let by = Emitter::here();
        let mut changes = Changes::default();
        changes.add(&events);
        let cache = self.clone();
        async move {
            if cache
                .emit_tags(&changes.tags(), &by, Outcome::Written, None)
                .await
            {
                return Ok(());
            }
            Err(not_acknowledged())
        }
    }

    /// Announces a change that may happen, such as one in a transaction. Until it is [released](Hold::release), this
    /// process keeps nothing that depends on it.
    ///
    /// [`cancel`](Hold::cancel) it only if you know that nothing was written: a commit that returns an error may have
    /// been made, for instance if its answer was lost. If the hold is dropped, also because its caller is, the change
    /// counts as made; so a hold is safer than [`emit`](Self::emit) after a commit.
    ///
    /// ```
    /// # use cache_core::{Cache, Error, Event};
    /// # #[derive(Event)]
    /// # struct UserChanged { id: u64 }
    /// # async fn is_valid() -> Result<bool, Error> { Ok(true) }
    /// # async fn commit() -> Result<(), Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let cache = Cache::current();
    /// let pending = cache.hold(UserChanged { id: 7 });
    /// if !is_valid().await? {
    ///     pending.cancel(); // nothing was written
    ///     return Ok(());
    /// }
    /// commit().await?; // where it fails, `pending` is dropped, and the event emitted
    /// pending.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "as `emit`")]
    #[track_caller]
    pub fn hold(&self, events: impl Events) -> Hold {
        let by = Emitter::here();
        let mut changes = Changes::default();
        changes.add(&events);
        let tags = changes.tags();
        Hold {
            held: Some(self.coherence().hold(&tags)),
            cache: self.clone(),
            tags,
            by,
        }
    }

    /// Gives whether the shared tier knows it now.
    async fn emit_tags(
        &self,
        tags: &[Tag],
        by: &Emitter,
        outcome: Outcome,
        nonce: Option<Arc<str>>,
    ) -> bool {
        if tags.is_empty() {
            return true;
        }
        let Some(courier) = self.courier() else {
            self.emit_behind(tags, by, outcome, nonce);
            return true;
        };
        self.coherence().count_emitted(tags);
        let recorder = context::recorder();
        let (waiter, acknowledged) = oneshot::channel();
        let ack = Ack {
            nonce,
            waiter: Some(waiter),
        };
        let mut unanswered = Unanswered {
            coherence: self.coherence(),
            courier,
            tags,
            by,
        };
        let emitted = Emitted::here(by.clone(), system_now());
        self.coherence().emit(tags, outcome, ack, emitted);
        courier.begin();
        // Without a runtime nobody knows when the budget is spent.
        if Handle::try_current().is_err() {
            note(recorder.as_ref(), tags, false);
            return false;
        }
        let answer = timeout(self.redis_budget(), acknowledged).await;
        let is_acknowledged = answer.is_ok_and(|answer| answer == Ok(true));
        if is_acknowledged {
            unanswered.tags = &[];
        }
        note(recorder.as_ref(), tags, is_acknowledged);
        is_acknowledged
    }

    /// Emits without waiting, and without I/O: for where a future is dropped.
    fn emit_behind(&self, tags: &[Tag], by: &Emitter, outcome: Outcome, nonce: Option<Arc<str>>) {
        if tags.is_empty() {
            return;
        }
        let (coherence, now) = (self.coherence(), system_now());
        coherence.count_emitted(tags);
        let emitted = || Emitted::here(by.clone(), now);
        let ack = Ack {
            nonce,
            waiter: None,
        };
        coherence.emit(tags, outcome, ack, emitted());
        note(context::recorder().as_ref(), tags, self.courier().is_none());
        if let Some(courier) = self.courier() {
            courier.look_again();
        }
        let is_unknown = outcome == Outcome::Unknown;
        if self.courier().is_none() && is_unknown && coherence.remind(tags, emitted()) {
            let watched: Arc<dyn Watched> = Arc::clone(coherence) as _;
            watchdog::watch(&watched);
        }
    }
}

/// For whoever notes what is done.
fn note(recorder: Option<&Arc<Recorder>>, tags: &[Tag], is_acknowledged: bool) {
    if let Some(recorder) = recorder {
        recorder.emitted(tags, is_acknowledged);
    }
}

/// Where no courier does it: what is to be said once more.
impl Watched for Coherence {
    fn check(&self, now: Nanos) -> bool {
        self.repeat(now)
    }
}

/// A change that happened, as long as it is not acknowledged. Nobody waits for that any more where this is dropped: it
/// is as if it had failed, though it may yet be acknowledged.
struct Unanswered<'a> {
    coherence: &'a Coherence,
    courier: &'a dyn Carrier,
    tags: &'a [Tag],
    by: &'a Emitter,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.tags.is_empty() {
            let now = system_now();
            let emitted = || Some(Emitted::here(self.by.clone(), now));
            self.coherence.invalidate(self.tags, emitted, now);
            self.courier.look_again();
        }
    }
}

/// A change that may happen. If it is dropped, the change counts as made: the transaction may have been committed.
#[must_use = "a hold that is dropped is released at once"]
pub struct Hold {
    cache: Cache,
    tags: Vec<Tag>,
    by: Emitter,
    held: Option<ChangeHold>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.tags).finish()
    }
}

impl Hold {
    /// The change happened.
    ///
    /// # Errors
    ///
    /// As [`Cache::emit`].
    ///
    /// # Panics
    ///
    /// As [`Cache::emit`].
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the change is still sent.
    pub async fn release(mut self) -> Result<(), Error> {
        let held = self.held.take();
        let acknowledged = self
            .cache
            .emit_tags(&self.tags, &self.by, Outcome::Written, None)
            .await;
        drop(held);
        if acknowledged {
            return Ok(());
        }
        Err(not_acknowledged())
    }

    /// The change did not happen.
    pub fn cancel(mut self) {
        self.held = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let (cache, outcome) = (&self.cache, Outcome::Unknown);
            cache.emit_behind(&self.tags, &self.by, outcome, None);
            drop(held);
        }
    }
}

fn not_acknowledged() -> Error {
    Error::new(
        ErrorKind::Unreachable,
        "Redis has not acknowledged the event: entries that depend on it are invalid in this process, and it is sent \
         until Redis accepts it: do not emit it again",
    )
}

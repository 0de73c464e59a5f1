//! One call from its key to its value: the hit, then everything a miss may meet.

mod ask;
mod miss;
mod mode;
pub(crate) mod remote;
mod run;

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

pub use mode::{Detached, Held, HoldProbe, Inline, Mode, ProbeBorrow, ProbeHold};

use self::{
    miss::{Body, Call, Place},
    remote::Text,
};
use crate::{
    cache::Cache,
    context::{self, Ask, Question},
    event::{Interests, Tag},
    flight::Load,
    key::{CacheKey, Key, KeyRef, KeyWriter},
    site::{Instance, Site},
    value::{Answer, Keep, Keeper, Maker, Returned, Shape, Travelling},
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Writes what an expression in a key gives.
#[inline]
pub fn part<T: CacheKey + ?Sized>(key: &mut KeyWriter, value: &T) {
    value.write(key);
}

/// A key is written to its end.
#[derive(Clone, Copy, Debug)]
pub struct Written;

/// Answers a call from memory, or says what is needed to go on.
///
/// `identity` is a closure in the expansion: its type is unique per function and type parameters. `interests`
/// says which events make its entry void; a hit does not ask.
///
/// # Errors
///
/// The call that missed.
#[inline]
#[expect(
    clippy::result_large_err,
    reason = "a box would cost every miss an allocation more"
)]
pub fn begin<I, S: Shape, X>(
    site: &'static Site,
    _identity: &I,
    returned: &Returned<S, X>,
    cache: Option<&Cache>,
    write_key: impl Fn(&mut KeyWriter) -> Written,
    interests: Option<&dyn Fn(&mut Interests)>,
) -> Result<S::Output, Missed> {
    let mut writer = KeyWriter::for_bytes();
    write_key.write(&mut writer);
    let lookup = Lookup {
        site,
        type_name: std::any::type_name::<I>(),
        key: KeyRef::new(typeid::of::<I>(), &writer),
        write_key: &write_key,
        interests,
    };
    look(&lookup, *returned, cache)
}

/// What writes the key of a call. Not `Fn`, whose table would hold each closure three times.
trait WriteKey {
    fn write(&self, key: &mut KeyWriter);
}

impl<F: Fn(&mut KeyWriter) -> Written> WriteKey for F {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        let Written = self(key);
    }
}

/// What one call asks for.
struct Lookup<'a> {
    site: &'static Site,
    type_name: &'static str,
    key: KeyRef<'a>,
    write_key: &'a dyn WriteKey,
    interests: Option<&'a dyn Fn(&mut Interests)>,
}

/// Looks for an entry. Apart from [`begin`], which is compiled for each function, and this for each type.
#[expect(
    clippy::result_large_err,
    reason = "a box would cost every miss an allocation more"
)]
fn look<S: Shape, X>(
    lookup: &Lookup<'_>,
    returned: Returned<S, X>,
    cache: Option<&Cache>,
) -> Result<S::Output, Missed> {
    if !context::is_plain() {
        let cache = lookup.surrounded(cache, TypeId::of::<S::Output>())?;
        let hit = hit(&cache, &lookup.key, returned, context::load().as_ref());
        return hit.ok_or_else(|| lookup.missed(cache));
    }
    let cache = cache.unwrap_or_else(|| Cache::ambient());
    hit(cache, &lookup.key, returned, None).ok_or_else(|| lookup.missed(cache.clone()))
}

impl Lookup<'_> {
    /// The cache of a call in a scope.
    ///
    /// # Errors
    ///
    /// The call, where a handle asks of it what memory alone does not answer.
    #[cold]
    #[inline(never)]
    #[expect(
        clippy::result_large_err,
        reason = "a box would cost every miss an allocation more"
    )]
    fn surrounded(&self, cache: Option<&Cache>, output: TypeId) -> Result<Cache, Missed> {
        let cache = cache.cloned().unwrap_or_else(Cache::current);
        let Some(question) = context::take_question(output) else {
            return Ok(cache);
        };
        question.reply.with(|reply| reply.is_taken = true);
        Err(Missed {
            text: Some(Text {
                text: self.text(),
                is_worth_asking: cache.is_worth_asking(),
            }),
            question: Some(Box::new(question)),
            instance: self.instance(),
            key: self.key.to_key(),
            tags: self.tags(),
            cache,
        })
    }

    #[cold]
    fn missed(&self, cache: Cache) -> Missed {
        let is_worth_asking = self.site.is_shared() && cache.is_worth_asking();
        Missed {
            text: is_worth_asking.then(|| Text {
                text: self.text(),
                is_worth_asking,
            }),
            question: None,
            instance: self.instance(),
            key: self.key.to_key(),
            tags: self.tags(),
            cache,
        }
    }

    fn tags(&self) -> Vec<Tag> {
        let Some(interests) = self.interests else {
            return Vec::new();
        };
        let mut tags = Interests::default();
        interests(&mut tags);
        tags.into_tags()
    }

    fn instance(&self) -> Instance {
        Instance::new(self.site, self.key.function, self.type_name)
    }

    fn text(&self) -> String {
        let mut text = KeyWriter::for_text();
        self.write_key.write(&mut text);
        text.into_text()
    }
}

#[inline]
fn hit<S: Shape, X>(
    cache: &Cache,
    key: &KeyRef<'_>,
    returned: Returned<S, X>,
    outer: Option<&Arc<Load>>,
) -> Option<S::Output> {
    let node = cache.flights().l1.get(key)?;
    let output = returned.hit(&*node, cache.clock())?;
    if outer.is_some_and(|outer| !outer.may_rely_on(node.entry())) {
        return None;
    }
    node.entry().count_hit();
    Some(output)
}

/// A call that memory did not answer.
pub struct Missed {
    cache: Cache,
    instance: Instance,
    key: Key,
    /// What its entry depends on.
    tags: Vec<Tag>,
    /// The readable key, where the shared tier or a handle needs it.
    text: Option<Text>,
    /// What a handle asks.
    question: Option<Box<Question>>,
}

impl fmt::Debug for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Missed")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Missed {
    /// Hands the call to the engine, and says what makes entries of what it loads.
    fn enter(self) -> (Opened, Maker) {
        let Self {
            cache,
            instance,
            key,
            tags,
            text,
            question,
        } = self;
        let site = cache.sites().of(&instance);
        let opened = Opened {
            call: Call {
                cache,
                site,
                key,
                tags,
                remote: None,
            },
            function: instance.site,
            text,
            question,
        };
        let maker = Maker {
            clock: opened.call.cache.clock().clone(),
            counters: Arc::clone(&opened.call.site.counters),
            keeps: opened.call.cache.is_on() && !opened.is_bypass(),
        };
        (opened, maker)
    }

    /// Hands the call to the engine.
    ///
    /// What is generic over the body is compiled for each cached function, what is generic over the value,
    /// as this is, for each type, the rest once: each does as little as it can.
    #[inline(never)]
    fn open<S: Shape, X>(self, keep: &Keep<S, X>) -> (Opened, Keeper<S, X>) {
        let (mut opened, maker) = self.enter();
        let keeper = Keeper { keep: *keep, maker };
        if opened.is_remote()
            // Whoever reads the entry would not know what to ask for with it.
            && !keep.depends_on_value()
            && let Some(travelling) = keeper.travelling()
        {
            opened.connect(travelling);
        }
        if let Some(output) = opened.take_put()
            && let Some(loaded) = keeper.erase_put(output)
        {
            opened.call.put(loaded);
        }
        (opened, keeper)
    }
}

/// The answer of the engine, as the function returns it.
#[must_use = "a future runs when it is awaited"]
pub struct Answering<'a, S: Shape, X> {
    running: BoxFuture<'a, Answer>,
    returned: Returned<S, X>,
}

impl<S: Shape, X> fmt::Debug for Answering<'_, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}

impl<S: Shape, X> Future for Answering<'_, S, X> {
    type Output = S::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let answer = ready!(self.running.as_mut().poll(cx));
        Poll::Ready(self.returned.output(answer))
    }
}

/// A call that memory did not answer, in the engine.
struct Opened {
    call: Call,
    function: &'static Site,
    text: Option<Text>,
    question: Option<Box<Question>>,
}

impl Opened {
    fn is_bypass(&self) -> bool {
        let question = self.question.as_ref();
        question.is_some_and(|question| matches!(question.ask, Ask::Bypass))
    }

    /// Whether the shared tier may have a part in the call.
    fn is_remote(&self) -> bool {
        self.text.is_some() && !self.is_bypass()
    }

    fn connect(&mut self, travelling: Travelling) {
        if let (Some(text), Some(shared)) = (&self.text, self.call.cache.shared()) {
            let shared = Arc::clone(shared);
            self.call.remote = shared.entry(&self.call, self.function, text, travelling);
        }
    }

    /// The output that a handle has to put.
    fn take_put(&mut self) -> Option<Box<dyn Any + Send>> {
        match &mut self.question.as_mut()?.ask {
            Ask::Put(output) => output.take(),
            _ => None,
        }
    }

    /// The answer. Never, where a handle wants none.
    fn answer(self, body: Body<'_>) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            match self.run(body).await {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }

    /// The answer; nothing where a handle wants none.
    async fn run(self, body: Body<'_>) -> Option<Answer> {
        let Some(question) = self.question else {
            return Some(self.call.fly(Place::InAnyFlight, body).await.answer);
        };
        let Question { ask, reply, .. } = *question;
        // In a box, as it is larger than the plain call, which would have to make room for it.
        let text = self.text.map(|text| text.text).unwrap_or_default();
        let asked = Box::pin(self.call.ask(ask, &text, body)).await;
        reply.with(|reply| {
            let Some((answer, trace)) = asked else {
                reply.is_done = true;
                return None;
            };
            reply.trace = Some(trace);
            Some(answer)
        })
    }
}

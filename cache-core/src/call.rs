//! One call from its key to its value: the hit, then everything a miss may meet.

mod ask;
mod miss;
mod mode;
mod remote;
mod run;

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

pub use mode::{Detached, Held, HoldProbe, Inline, Mode, ProbeBorrow, ProbeHold};

use self::{
    miss::{Body, Call, Place},
    remote::{Remote, Text},
};
use crate::{
    cache::Cache,
    context::{self, Ask, Question},
    event::{Interests, Tag},
    flight::Load,
    key::{CacheKey, Key, KeyRef, KeyWriter},
    l2::L2,
    site::{Instance, Site},
    value::{Answer, Keep, Keeper, Maker, Returned, Shape},
};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
    let Written = write_key(&mut writer);
    let lookup = Lookup {
        site,
        type_name: std::any::type_name::<I>(),
        key: KeyRef::new(typeid::of::<I>(), &writer),
        write_key: &write_key,
        interests,
    };
    look(&lookup, *returned, cache)
}

/// What one call asks for.
struct Lookup<'a> {
    site: &'static Site,
    type_name: &'static str,
    key: KeyRef<'a>,
    write_key: &'a dyn Fn(&mut KeyWriter) -> Written,
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
                is_worth_asking: cache.l2().is_some_and(L2::is_worth_asking),
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
        let is_worth_asking = self.site.is_shared() && cache.l2().is_some_and(L2::is_worth_asking);
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
        let Written = (self.write_key)(&mut text);
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
    /// Hands the call to the engine.
    fn open(self) -> (Opened, Maker) {
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
}

/// Answers a call that memory did not answer, with the body that `make` makes.
///
/// What is generic over the body is compiled for each cached function, what is generic over the value for
/// each type, the rest once: each does as little as it can.
#[inline(never)]
fn start<'a, S: Shape, X: 'static>(
    missed: Missed,
    keep: &Keep<S, X>,
    make: &mut dyn FnMut(Keeper<S, X>) -> Option<Body<'a>>,
) -> BoxFuture<'a, S::Output> {
    let (mut opened, maker) = missed.open();
    let keeper = Keeper { keep: *keep, maker };
    if let Some(text) = &opened.text
        && !opened.is_bypass()
        // Whoever reads the entry would not know what to ask for with it.
        && !keep.depends_on_value()
    {
        opened.call.remote = Remote::new(&opened.call, opened.function, text, &keeper);
    }
    if let Some(output) = opened.take_put()
        && let Ok(output) = output.downcast::<S::Output>()
    {
        opened.call.put(keeper.erase(*output));
    }
    let returned = keep.returned();
    let body = make(keeper).expect("a call has a body");
    Box::pin(async move {
        match opened.run(body).await {
            Some(answer) => returned.output(answer),
            None => std::future::pending().await,
        }
    })
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

    /// The output that a handle has to put.
    fn take_put(&mut self) -> Option<Box<dyn Any + Send>> {
        match &mut self.question.as_mut()?.ask {
            Ask::Put(output) => output.take(),
            _ => None,
        }
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

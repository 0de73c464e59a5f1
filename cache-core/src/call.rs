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
    key::{CacheKey, Key, KeyRef, KeyWriter},
    l2::L2,
    site::{Instance, Site},
    value::{Answer, Keep, Maker, Returned, Shape},
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
/// `identity` is a closure in the expansion: its type is unique per function and type parameters.
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
) -> Result<S::Output, Missed> {
    let mut writer = KeyWriter::for_bytes();
    let Written = write_key(&mut writer);
    let key = KeyRef::new(typeid::of::<I>(), &writer);
    if !context::is_plain() {
        return begin_surrounded(
            site,
            returned,
            cache,
            &key,
            std::any::type_name::<I>(),
            &write_key,
        );
    }
    let cache = cache.unwrap_or_else(|| Cache::ambient());
    hit(cache, &key, returned).ok_or_else(|| {
        Missed::new(
            cache.clone(),
            site,
            std::any::type_name::<I>(),
            key,
            &write_key,
        )
    })
}

/// [`begin`] in a scope, or for a handle. Apart from it, so that the plain call is short enough to be
/// compiled in place.
#[cold]
#[inline(never)]
#[expect(
    clippy::result_large_err,
    reason = "a box would cost every miss an allocation more"
)]
fn begin_surrounded<S: Shape, X>(
    site: &'static Site,
    returned: &Returned<S, X>,
    cache: Option<&Cache>,
    key: &KeyRef<'_>,
    type_name: &'static str,
    write_key: &dyn Fn(&mut KeyWriter) -> Written,
) -> Result<S::Output, Missed> {
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    let Some(question) = context::take_question(TypeId::of::<S::Output>()) else {
        return hit(&cache, key, returned)
            .ok_or_else(|| Missed::new(cache, site, type_name, *key, write_key));
    };
    question.reply.with(|reply| reply.is_taken = true);
    Err(Missed {
        instance: Instance::new(site, key.function, type_name),
        key: key.to_key(),
        text: Some(Text {
            text: text_of(write_key),
            is_worth_asking: cache.l2().is_some_and(L2::is_worth_asking),
        }),
        question: Some(Box::new(question)),
        cache,
    })
}

fn text_of(write_key: &dyn Fn(&mut KeyWriter) -> Written) -> String {
    let mut text = KeyWriter::for_text();
    let Written = write_key(&mut text);
    text.into_text()
}

#[inline]
fn hit<S: Shape, X>(
    cache: &Cache,
    key: &KeyRef<'_>,
    returned: &Returned<S, X>,
) -> Option<S::Output> {
    let node = cache.flights().l1.get(key)?;
    let output = returned.hit(&*node, cache.clock().now())?;
    node.entry().count_hit();
    Some(output)
}

/// A call that memory did not answer.
pub struct Missed {
    cache: Cache,
    instance: Instance,
    key: Key,
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
    #[cold]
    fn new(
        cache: Cache,
        site: &'static Site,
        type_name: &'static str,
        key: KeyRef<'_>,
        write_key: &dyn Fn(&mut KeyWriter) -> Written,
    ) -> Self {
        let is_worth_asking = site.is_shared() && cache.l2().is_some_and(L2::is_worth_asking);
        Self {
            text: is_worth_asking.then(|| Text {
                text: text_of(write_key),
                is_worth_asking,
            }),
            instance: Instance::new(site, key.function, type_name),
            key: key.to_key(),
            question: None,
            cache,
        }
    }

    /// Hands the call to the engine.
    fn open(self) -> (Opened, Maker, Option<Text>, &'static Site) {
        let Self {
            cache,
            instance,
            key,
            text,
            question,
        } = self;
        let site = cache.sites().of(&instance);
        let opened = Opened {
            call: Call {
                cache,
                site,
                key,
                remote: None,
            },
            question,
            text: String::new(),
        };
        let maker = Maker {
            clock: opened.call.cache.clock().clone(),
            counters: Arc::clone(&opened.call.site.counters),
            keeps: opened.call.cache.is_on() && !opened.is_bypass(),
        };
        (opened, maker, text, instance.site)
    }
}

/// A call that memory did not answer, in the engine, before its body is there.
///
/// What is generic over the body is compiled for each cached function, what is generic over the value for
/// each type, the rest once: each does as little as it can.
struct Opened {
    call: Call,
    question: Option<Box<Question>>,
    /// The readable key, for a handle.
    text: String,
}

impl Opened {
    /// The call, and what makes an entry of its value.
    fn new<S: Shape, X: 'static>(missed: Missed, keep: Keep<S, X>) -> (Self, Maker) {
        let (mut opened, maker, text, site) = missed.open();
        let Call { cache, key, .. } = &opened.call;
        if let Some(text) = text {
            if !opened.is_bypass() {
                let state = &opened.call.site;
                let remote = Remote::new(cache, site, state, (key, &text), keep, &maker);
                opened.call.remote = remote;
            }
            opened.text = text.text;
        }
        if let Some(output) = opened.take_put()
            && let Ok(output) = output.downcast::<S::Output>()
        {
            opened.call.put(keep.erase(*output, &maker));
        }
        (opened, maker)
    }

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

    /// Answers with what `body` loads, or somebody else has loaded.
    fn answer<'a, S: Shape, X: 'static>(
        self,
        returned: Returned<S, X>,
        body: Body<'a>,
    ) -> BoxFuture<'a, S::Output> {
        Box::pin(async move {
            match self.run(body).await {
                Some(answer) => returned.output(answer),
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
        let asked = Box::pin(self.call.ask(ask, &self.text, body)).await;
        reply.with(|reply| match asked {
            Some((answer, trace)) => {
                reply.trace = Some(trace);
                Some(answer)
            }
            None => {
                reply.is_done = true;
                None
            }
        })
    }
}

//! One call from its key to its value: the hit, then everything a miss may meet.

mod ask;
mod miss;
mod mode;
mod remote;
mod run;

use std::{any::TypeId, fmt, future::Future, pin::Pin, sync::Arc};

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
    value::{Keep, Maker, Returned, Shape},
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
}

/// Answers a call that memory did not answer. The part of it that knows the value's type.
fn answer<'a, S: Shape, X: 'static>(
    missed: Missed,
    keep: Keep<S, X>,
    body: impl FnOnce(Keep<S, X>, Maker) -> Body<'a>,
) -> BoxFuture<'a, S::Output> {
    let Missed {
        cache,
        instance,
        key,
        text,
        question,
    } = missed;
    let site = cache.sites().of(&instance);
    let is_bypass = question
        .as_ref()
        .is_some_and(|question| matches!(question.ask, Ask::Bypass));
    let maker = Maker {
        clock: cache.clock().clone(),
        counters: Arc::clone(&site.counters),
        keeps: cache.is_on() && !is_bypass,
    };
    let remote = text.as_ref().filter(|_| !is_bypass).and_then(|text| {
        let key = (&key, text);
        Remote::new(&cache, instance.site, &site, key, keep, &maker)
    });
    let call = Call {
        cache,
        site,
        key,
        remote,
    };
    let returned = *keep.returned();
    let Some(question) = question else {
        let body = body(keep, maker);
        return Box::pin(async move {
            returned.output(call.fly(Place::InAnyFlight, body).await.answer)
        });
    };
    let Question { ask, reply, .. } = *question;
    let text = text.map(|text| text.text).unwrap_or_default();
    if let Ask::Put(output) = ask {
        if let Ok(output) = output.downcast::<S::Output>() {
            call.put(keep.erase(*output, &maker));
        }
        reply.with(|reply| reply.is_done = true);
        return Box::pin(std::future::pending());
    }
    let body = body(keep, maker);
    Box::pin(async move {
        let Some((answer, trace)) = call.ask(ask, &text, body).await else {
            reply.with(|reply| reply.is_done = true);
            return std::future::pending().await;
        };
        reply.with(|reply| reply.trace = Some(trace));
        returned.output(answer)
    })
}

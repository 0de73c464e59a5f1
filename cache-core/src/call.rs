//! One call from its key to its value: the hit, then everything a miss may meet.

pub(crate) mod aging;
mod ask;
mod batch_read;
mod body;
mod guarding;
pub(crate) mod l2;
mod miss;
mod mode;
mod overdue;
mod run;

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, ready},
};

pub(crate) use ask::act;
pub(crate) use batch_read::{Beginning, Going, HasRead, Readers, read};
pub(crate) use body::{Body, Leavers, Leaving, Running};
pub(crate) use guarding::{ByEvents, Guarding};
pub(crate) use miss::{Call, FlightChoice, Flown};
pub use mode::{Detached, HeldArgument, HoldProbe, Inline, Mode, ProbeBorrow, ProbeHold};
pub(crate) use overdue::deadline_of;

use self::{body::Given, l2::Text};
use crate::{
    cache::Cache,
    clock::Clock,
    coherence::Guard,
    context::{self, Ask, Question, Reply, Setting},
    event::{Interests, Tag},
    explain::{Miss, Stale},
    flight::Load,
    key::{CacheKey, Key, KeyRef, KeyWriter, WriteKey, Written, text_of},
    l1::{Entry, L1, Node},
    site::{Instance, Site, SiteState},
    strategy::Decision,
    value::{Answer, Beyond, Judge, Keep, Loaded, Maker, Returned, Shape, Travelling},
};

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Writes what an expression in a key gives.
#[inline]
pub fn part<T: CacheKey + ?Sized>(key: &mut KeyWriter<'_>, value: &T) {
    value.write(key);
}

/// Answers a call from memory, or says what is needed to go on.
///
/// `interests` says which events make its entry void; a hit does not ask.
///
/// # Errors
///
/// The call that missed.
#[inline]
pub fn begin<S: Shape, X>(
    instance: Instance,
    returned: &Returned<S, X>,
    cache: Option<&Cache>,
    write_key: &impl WriteKey,
    interests: Option<&dyn Fn(&mut Interests)>,
) -> Result<S::Output, Box<Missed>> {
    let key = KeyRef::of(instance.id, write_key);
    let scope = if cache.is_some() { None } else { scope() };
    let cache = cache.or(scope.as_ref());
    if context::setting() != Setting::All {
        let cache = cache.unwrap_or_else(|| Cache::ambient());
        let copy = |node: &Node| returned.copy(node);
        let output = cache
            .flights()
            .l1
            .at_hand(key, write_key, cache.clock(), copy);
        if let Some(output) = output {
            return Ok(output);
        }
    }
    let lookup = Lookup {
        instance,
        output: returned.output_type(),
        key,
        write_key,
        interests,
    };
    let node = lookup.find(cache)?;
    Ok(returned.copy(&node))
}

/// The cache of the scope that a call is in.
#[inline]
fn scope() -> Option<Cache> {
    match context::setting() {
        Setting::Nothing => None,
        Setting::Scope | Setting::All => context::scope(),
    }
}

/// What one call asks for. [`begin`] is compiled for each function, this once.
struct Lookup<'a> {
    instance: Instance,
    output: &'static TypeId,
    key: KeyRef<'a>,
    write_key: &'a dyn WriteKey,
    interests: Option<&'a dyn Fn(&mut Interests)>,
}

impl Lookup<'_> {
    /// Looks for an entry.
    #[inline(never)]
    fn find(&self, cache: Option<&Cache>) -> Result<Arc<Node>, Box<Missed>> {
        let cache = cache.unwrap_or_else(|| Cache::ambient());
        if context::setting() == Setting::All {
            return self.find_in(cache);
        }
        let l1 = &cache.flights().l1;
        // Before the tier is locked: what writes a key is the user's code, which may wait for anything.
        let bytes = self.key.bytes();
        let key = self.key.with_bytes(&bytes);
        let Some(node) = l1.get(&key) else {
            return Err(self.missed(key, cache.clone(), None, Some(Miss::Absent.into())));
        };
        let entry = node.entry();
        if entry.is_quiet(cache.clock()) {
            entry.count_hit();
            l1.bring(key, self.write_key, &node);
            return Ok(node);
        }
        self.obey(key, entry.on_read(cache.clock()), cache, node)
    }

    /// Does with an entry what its terms say.
    #[cold]
    #[inline(never)]
    fn obey(
        &self,
        key: KeyRef<'_>,
        decision: Decision,
        cache: &Cache,
        node: Arc<Node>,
    ) -> Result<Arc<Node>, Box<Missed>> {
        match decision {
            Decision::Serve => {
                Stale::count_served(node.entry(), cache.clock(), None);
                Ok(node)
            }
            Decision::ServeAndRefresh => Err(self.missed(key, cache.clone(), Some(node), None)),
            Decision::Decline => {
                let lack = Lack::of(node.entry(), cache.clock());
                Err(self.missed(key, cache.clone(), None, Some(lack)))
            }
        }
    }

    /// As `find`, for a call inside a load that has to know what it is made of, or with a question.
    ///
    /// # Errors
    ///
    /// The call also where a handle asks of it what memory alone does not answer.
    #[cold]
    #[inline(never)]
    fn find_in(&self, cache: &Cache) -> Result<Arc<Node>, Box<Missed>> {
        let question = context::take_question(*self.output).or_else(|| self.noted());
        let bytes = self.key.bytes();
        let key = self.key.with_bytes(&bytes);
        let Some(mut question) = question else {
            let Some(node) = cache.flights().l1.get(&key) else {
                return Err(self.missed(key, cache.clone(), None, Some(Miss::Absent.into())));
            };
            let (entry, clock) = (node.entry(), cache.clock());
            let decision = if entry.is_quiet(clock) {
                Decision::Serve
            } else {
                entry.on_read(clock)
            };
            let decision = self.unless_void(decision, entry, cache);
            return self.obey(key, decision, cache, node);
        };
        if matches!(question.ask, Ask::Prefetch(_))
            && let Some(node) = cache.flights().l1.get(&key)
            && node.entry().is_usable(cache.clock())
        {
            // There is nothing to do, and the value is nobody's.
            question.reply.with(|reply| reply.is_taken = true);
            return Ok(node);
        }
        if question.ask.is_told() && cache.courier().is_some() {
            question.record = Some(self.record());
        }
        question.reply.with(|reply| reply.is_taken = true);
        let text = Text {
            text: self.text(),
            admit_read: cache.admit_read(),
        };
        Err(Box::new(Missed {
            question: Some(Box::new(question)),
            ..self.to_miss(key, cache.clone(), Some(text), None)
        }))
    }

    /// What somebody wants to know who notes what is done.
    fn noted(&self) -> Option<Question> {
        let recorder = context::recorder()?;
        Some(Question {
            output: *self.output,
            ask: Ask::Explain,
            reply: Reply::default(),
            record: None,
            act: recorder.act,
        })
    }

    /// The decision, but for a call that is part of a load: that is not made of what is void.
    fn unless_void(&self, decision: Decision, entry: &Entry, cache: &Cache) -> Decision {
        let Some(outer) = context::load().filter(|_| decision != Decision::Decline) else {
            return decision;
        };
        let site = cache.sites().of(&self.instance);
        if guarding::may_serve(&site, Some(&outer), entry, cache.clock()) {
            decision
        } else {
            Decision::Decline
        }
    }

    #[cold]
    #[inline(never)]
    fn missed(
        &self,
        key: KeyRef<'_>,
        cache: Cache,
        due: Option<Arc<Node>>,
        lack: Option<Lack>,
    ) -> Box<Missed> {
        let admit_read = self.instance.site.is_shared() && cache.admit_read();
        let text = admit_read.then(|| Text {
            text: self.text(),
            admit_read,
        });
        Box::new(Missed {
            lack,
            ..self.to_miss(key, cache, text, due)
        })
    }

    fn to_miss(
        &self,
        key: KeyRef<'_>,
        cache: Cache,
        text: Option<Text>,
        due: Option<Arc<Node>>,
    ) -> Missed {
        Missed {
            cache,
            instance: self.instance,
            key: key.to_key(),
            tags: self.tags(),
            text,
            due,
            lack: None,
            reading: None,
            question: None,
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

    fn record(&self) -> String {
        let mut record = KeyWriter::for_record();
        self.write_key.write(&mut record);
        record.into_record()
    }

    fn text(&self) -> String {
        text_of(self.write_key)
    }
}

/// Why memory does not answer a call.
#[derive(Debug)]
pub(crate) struct Lack {
    miss: Miss,
    /// What changed, where something did.
    changed: Option<Tag>,
    /// How many percent of the limit there were too few, where it was evicted.
    missing_room: Option<u64>,
}

impl From<Miss> for Lack {
    fn from(miss: Miss) -> Self {
        Self {
            miss,
            changed: None,
            missing_room: None,
        }
    }
}

impl Lack {
    /// What is against an entry.
    fn of(entry: &Entry, clock: &Clock) -> Self {
        let miss = Miss::of(entry, clock);
        let guard = entry.guard().filter(|_| miss == Miss::Invalidated);
        Self {
            miss,
            changed: guard.and_then(Guard::changed_tag).cloned(),
            missing_room: None,
        }
    }

    /// There is no entry, as there was no room for it or as there never was one.
    fn of_nothing(l1: &L1, key: &Key) -> Self {
        let missing_room = l1.missing_room(key);
        let miss = missing_room.map_or(Miss::Absent, |_| Miss::Evicted);
        Self {
            missing_room,
            ..miss.into()
        }
    }
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
    /// What is served while its successor is loaded.
    due: Option<Arc<Node>>,
    /// Why memory does not answer; nothing where it does, or a handle asks.
    lack: Option<Lack>,
    /// How many calls of its batch are reading the shared tier.
    reading: Option<Arc<AtomicUsize>>,
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
    /// Where the key waits to be loaded with others that have this in common.
    pub(crate) fn gathering<T: Any + Send + Sync + Default>(
        &self,
        common: impl Fn(&mut KeyWriter) -> Written,
    ) -> (Arc<SiteState>, Arc<T>) {
        let mut writer = KeyWriter::for_bytes();
        let Written = common(&mut writer);
        let site = self.cache.sites().of(&self.instance);
        let gathering = site.gathering(writer.as_bytes(), T::default);
        (site, gathering)
    }

    /// Whether it runs past the cache.
    pub(crate) fn is_uncached(&self, site: &SiteState) -> bool {
        let question = self.question.as_ref();
        question.is_some_and(|question| matches!(question.ask, Ask::Bypass))
            || !self.cache.is_on()
            || site.is_off()
    }

    /// The cache that it goes to.
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Counts the call while it reads the shared tier.
    pub(crate) fn reads_with(&mut self, reading: &Arc<AtomicUsize>) {
        self.reading = Some(Arc::clone(reading));
    }

    /// Hands the call with its body to the engine.
    #[inline(never)]
    fn answer<'a>(self: Box<Self>, given: Given<'a>, keep: &dyn Judge) -> BoxFuture<'a, Answer> {
        let (opened, maker) = self.open(keep);
        opened.answer(Body::new(given, maker))
    }

    /// The call in the engine, and what makes entries of what it loads.
    ///
    /// What is generic over the body is compiled for each cached function, what is generic over the value for
    /// each type, the rest, as this, once: each does as little as it can.
    fn open(self: Box<Self>, keep: &dyn Judge) -> (OpenCall, Maker) {
        let Self {
            cache,
            instance,
            key,
            tags,
            text,
            due,
            lack,
            reading,
            question,
        } = *self;
        let site = cache.sites().of(&instance);
        let record = question
            .as_ref()
            .and_then(|question| question.record.as_ref());
        let notice = record.and_then(|record| cache.notice(&site.name, record));
        let mut opened = OpenCall {
            call: Call {
                cache,
                site,
                key,
                tags,
                notice,
                l2_entry: None,
                late: None,
                reading,
            },
            function: instance.site,
            text,
            due,
            question,
            put: None,
        };
        if let Some(lack) = lack {
            let call = &opened.call;
            call.count_miss(match lack.miss {
                Miss::Absent => Lack::of_nothing(&call.cache.flights().l1, &call.key),
                _ => lack,
            });
            if opened.text.is_none() {
                opened.call.count_unasked();
            }
        }
        let maker = Maker {
            clock: opened.call.cache.clock().clone(),
            site: Arc::clone(&opened.call.site),
            keeps: opened.call.is_on() && !opened.is_bypass(),
            jitter: opened.call.key.digest(),
            spread: opened.call.key.spread() ^ opened.call.cache.spread(),
        };
        let mut beyond = Beyond::default();
        keep.beyond(&maker, opened.is_remote(), &mut beyond);
        let Beyond { late, travelling } = beyond;
        opened.call.late = late;
        if let Some(travelling) = travelling {
            opened.connect(travelling);
        }
        if let Some(mut output) = opened.take_put() {
            opened.put = keep.load_any(&maker, &mut *output);
        }
        (opened, maker)
    }
}

/// The answer of the engine, as the function returns it.
#[must_use = "a future runs when it is awaited"]
pub struct Answering<'a, S: Shape, X> {
    running: BoxFuture<'a, Answer>,
    returned: Returned<S, X>,
}

impl<'a, S: Shape, X> Answering<'a, S, X> {
    fn of(running: BoxFuture<'a, Answer>, keep: &Keep<S, X>) -> Self {
        Self {
            running,
            returned: keep.returned(),
        }
    }
}

impl<S: Shape, X> fmt::Debug for Answering<'_, S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}

impl<S: Shape, X> Future for Answering<'_, S, X> {
    type Output = S::Output;

    // Compiled for each type, not for each function.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let answer = ready!(self.running.as_mut().poll(cx));
        Poll::Ready(self.returned.output(answer))
    }
}

/// A call within a load, that may be dropped before its value tells what it depends on.
struct Dropped<'a> {
    call: &'a Call,
    outer: Option<Arc<Load>>,
}

impl Dropped<'_> {
    fn disarm(mut self) {
        self.outer = None;
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.call.note_absence(self.outer.as_ref());
    }
}

/// A call that memory did not answer, in the engine.
pub(crate) struct OpenCall {
    call: Call,
    function: &'static Site,
    text: Option<Text>,
    due: Option<Arc<Node>>,
    question: Option<Box<Question>>,
    /// What a handle puts.
    put: Option<Loaded>,
}

impl OpenCall {
    fn is_bypass(&self) -> bool {
        let question = self.question.as_ref();
        question.is_some_and(|question| matches!(question.ask, Ask::Bypass))
    }

    fn is_prefetch(&self) -> bool {
        let question = self.question.as_ref();
        question.is_some_and(|question| matches!(question.ask, Ask::Prefetch(_)))
    }

    /// Whether the shared tier may have a part in the call.
    fn is_remote(&self) -> bool {
        self.text.is_some() && !self.is_bypass()
    }

    fn connect(&mut self, travelling: Travelling) {
        if let (Some(text), Some(shared)) = (&self.text, self.call.cache.shared()) {
            let shared = Arc::clone(shared);
            self.call.l2_entry = shared.entry(&self.call, self.function, text, travelling);
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
        match &self.question {
            None => {
                let (call, due) = (self.call, self.due);
                match context::load().filter(|_| call.site.is_late) {
                    None => {
                        Box::pin(
                            async move { call.answer(due, FlightChoice::Any, body).await.answer },
                        )
                    }
                    Some(outer) => Box::pin(async move {
                        let dropped = Dropped {
                            call: &call,
                            outer: Some(outer),
                        };
                        let flown = call.answer(due, FlightChoice::Any, body).await;
                        dropped.disarm();
                        flown.answer
                    }),
                }
            }
            Some(question) => (question.act)(self, body),
        }
    }
}

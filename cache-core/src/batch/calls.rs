//! The calls of the keys of one batch, until all have their answers: those who can read the shared tier in one go, and
//! those that go on by themselves, each polled when it is woken.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::unconstrained;

use super::{Each, KeyOf, Output, source::Source};
use crate::{
    cache::Cache,
    call::{self, Answering, Beginning, BoxFuture, Going, HasRead, Missed, Readers},
    context::Reply,
    lock::Mutex,
    value::{Answer, Keep, Maker, Shape},
};

/// The calls of one batch.
pub(super) struct Calls<'a, O: Output, S: Shape, X> {
    keep: Keep<S, X>,
    answers: Vec<(KeyOf<O>, Each<O>)>,
    /// What reads in one go, in the order of its keys.
    readers: Readers,
    reading: Vec<(KeyOf<O>, Maker)>,
    read: Option<BoxFuture<'static, Vec<HasRead>>>,
    alone: Vec<Option<Alone<'a, O, S, X>>>,
    woken: Arc<Woken>,
    left: usize,
}

/// A call that goes on by itself.
struct Alone<'a, O: Output, S: Shape, X> {
    key: KeyOf<O>,
    call: Answering<'a, S, X>,
    waker: Waker,
    /// Where it says that there is to be no answer, as a handle wants none.
    reply: Option<Reply>,
}

impl<O, S, X> Calls<'_, O, S, X>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
    S: Shape<Output = Each<O>>,
    X: 'static,
{
    pub(super) fn new(keep: &Keep<S, X>) -> Self {
        Self {
            keep: *keep,
            answers: Vec::new(),
            readers: Vec::new(),
            reading: Vec::new(),
            read: None,
            alone: Vec::new(),
            woken: Arc::default(),
            left: 0,
        }
    }

    pub(super) fn answer(&mut self, key: KeyOf<O>, output: S::Output) {
        self.answers.push((key, output));
    }

    /// Begins the call of a key that memory did not answer.
    pub(super) fn begin(
        &mut self,
        key: KeyOf<O>,
        mut missed: Box<Missed>,
        source: &mut Source<'_, O>,
        reply: Option<Reply>,
    ) {
        missed.reads_with(&source.reading);
        let (maker, beginning) = missed.begin(&self.keep);
        match beginning {
            Beginning::Answered(answer) => self.end(key, answer),
            Beginning::Reads(reader) => {
                self.readers.push(reader);
                self.reading.push((key, maker));
            }
            Beginning::Goes(going) => self.go(key, (maker, going), source, reply),
        }
    }

    fn end(&mut self, key: KeyOf<O>, answer: Answer) {
        let returned = self.keep.returned();
        self.answer(key, returned.output(answer));
    }

    /// Has a call go on by itself. Its body waits where others wait to be loaded.
    fn go(
        &mut self,
        key: KeyOf<O>,
        (maker, going): (Maker, Going),
        source: &mut Source<'_, O>,
        reply: Option<Reply>,
    ) {
        let (body, leaving) = source.load(key.clone(), going.may_leave());
        let call = going.launch(maker, &self.keep, Box::pin(body), leaving);
        let waker = self.woken.wake_first(self.alone.len());
        self.alone.push(Some(Alone {
            key,
            call,
            waker,
            reply,
        }));
        self.left += 1;
    }

    /// Begins to read for those who can in one go.
    pub(super) fn read_together(&mut self, source: &mut Source<'_, O>) {
        let readers = std::mem::take(&mut self.readers);
        // One is better off among the reads of others.
        if readers.len() > 1 {
            self.read = Some(call::read(&source.cache, readers));
            return;
        }
        let reading = std::mem::take(&mut self.reading);
        for (reader, (key, maker)) in readers.into_iter().zip(reading) {
            self.go(key, (maker, reader.go()), source, None);
        }
    }

    /// Polls what was woken.
    pub(super) fn poll(&mut self, source: &mut Source<'_, O>, cx: &mut Context<'_>) {
        self.woken.listen(cx.waker());
        if let Some(read) = &mut self.read
            && let Poll::Ready(read) = read.as_mut().poll(cx)
        {
            self.read = None;
            let reading = std::mem::take(&mut self.reading);
            for ((key, maker), (reader, node)) in reading.into_iter().zip(read) {
                let ended = match node {
                    Some(node) => reader.end(node),
                    None => Err(reader.go()),
                };
                match ended {
                    Ok(answer) => self.end(key, answer),
                    Err(going) => self.go(key, (maker, going), source, None),
                }
            }
        }
        let places = self.woken.take();
        let _hold = source.hold();
        in_one_go(&source.cache, places.len(), || {
            for place in places {
                self.poll_alone(place);
            }
        });
    }

    fn poll_alone(&mut self, place: usize) {
        let Some(Alone {
            call, waker, reply, ..
        }) = &mut self.alone[place]
        else {
            return;
        };
        let polled = Pin::new(call).poll(&mut Context::from_waker(waker));
        let is_done = |reply: &Reply| reply.with(|reply| reply.is_done);
        if polled.is_pending() && !reply.as_ref().is_some_and(is_done) {
            return;
        }
        self.left -= 1;
        if let (Some(Alone { key, .. }), Poll::Ready(answered)) = (self.alone[place].take(), polled)
        {
            self.answer(key, answered);
        }
    }

    pub(super) fn have_ended(&self) -> bool {
        self.left == 0 && self.read.is_none()
    }

    /// Whether nothing is left to do but to load, or to wait.
    pub(super) fn have_all_been_polled(&self) -> bool {
        self.read.is_none() && self.woken.is_empty()
    }

    pub(super) fn into_answers(self) -> Vec<(KeyOf<O>, Each<O>)> {
        self.answers
    }
}

/// Polls so many calls, of which those that read the shared tier do so together.
fn in_one_go(cache: &Cache, number: usize, poll: impl FnOnce()) {
    let _held_back = (number > 1)
        .then(|| cache.shared()?.store().hold_back())
        .flatten();
    let mut poll = Some(poll);
    let polled = std::pin::pin!(unconstrained(poll_fn(|_| {
        if let Some(poll) = poll.take() {
            poll();
        }
        Poll::Ready(())
    })));
    // Else a runtime that thinks they have had enough of its time would have each be polled again, to no end.
    let _ = polled.poll(&mut Context::from_waker(Waker::noop()));
}

/// Which of many futures are to be polled.
#[derive(Default)]
struct Woken {
    places: Mutex<Vec<usize>>,
    parent: Mutex<Option<Waker>>,
}

impl Woken {
    fn listen(&self, waker: &Waker) {
        let mut parent = self.parent.lock();
        let is_known = parent.as_ref().is_some_and(|known| known.will_wake(waker));
        let before = (!is_known).then(|| parent.replace(waker.clone()));
        drop(parent);
        drop(before);
    }

    /// The waker of one more, which is to be polled when the others are next.
    fn wake_first(self: &Arc<Self>, place: usize) -> Waker {
        self.places.lock().push(place);
        self.waker(place)
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.places.lock())
    }

    fn is_empty(&self) -> bool {
        self.places.lock().is_empty()
    }

    fn waker(self: &Arc<Self>, place: usize) -> Waker {
        Waker::from(Arc::new(FutureWaker {
            place,
            woken: Arc::clone(self),
        }))
    }
}

/// One of many futures.
struct FutureWaker {
    place: usize,
    woken: Arc<Woken>,
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut places = self.woken.places.lock();
        let is_first = places.is_empty();
        places.push(self.place);
        drop(places);
        // Who wakes it for the first wakes it for all until it takes them.
        if is_first {
            let parent = self.woken.parent.lock().clone();
            if let Some(parent) = parent {
                parent.wake();
            }
        }
    }
}

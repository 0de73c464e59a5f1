//! Calls of functions with a strategy: what an old value is good for, and what becomes of a load that takes long.

use std::{
    future::{Future, poll_fn},
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    BoxFuture,
    body::{Body, Running},
    guarding,
    miss::{Call, FlightChoice, Flown, Rider},
    overdue::deadline_of,
    run::joined,
};
use crate::{
    cache::Cache,
    clock::{Clock, Nanos, after, system_now},
    context::{self, Around},
    explain::Stale,
    flight::{Load, Member, Underway},
    l1::Node,
    site::SiteState,
    stats::Counters,
    strategy::{Decision, Strategy, THROTTLE, Trouble, Validity},
    tasks::{self, Awaited},
    value::Answer,
};

/// How often a value is looked at whose successor could not be loaded as too many loads ran in the background.
const LATER: Duration = Duration::from_millis(100);

/// Answers a call of a function with a strategy. `due` was found to be served while its successor is loaded.
pub(crate) fn fly<'a>(
    call: &'a Call,
    due: Option<Arc<Node>>,
    place: FlightChoice,
    body: Body<'a>,
) -> BoxFuture<'a, Flown> {
    Box::pin(async move {
        let Some(aging) = &call.site.aging else {
            return call.fly(place, body).await;
        };
        let aged = Aged {
            call,
            strategy: aging.strategy,
            // Whoever asks for a new value does not want an old one.
            may_be_old: !matches!(place, FlightChoice::New),
            outer: context::load(),
        };
        aged.answer(due, place, body).await
    })
}

/// Begins to load the successor of an entry that is served, unless that is under way, or cannot be.
pub(crate) fn refresh(call: &Call, node: &Arc<Node>, body: Body<'_>) {
    let Some(terms) = node.entry().terms() else {
        return;
    };
    let Some(runtime) = body.background() else {
        return;
    };
    let cache = &call.cache;
    let deadline = deadline_of(&call.site, terms.life().load_time);
    if !call.is_on() {
        return;
    }
    let Some(claim) = Claim::of(node, cache.clock(), deadline) else {
        return;
    };
    let Some(background) = cache.tasks().enter_background(cache.background_limit()) else {
        Counters::add(&call.site.counters.skipped);
        return;
    };
    let running = cache.tasks().enter();
    let member = cache
        .flights()
        .succeed(&call.key, &call.site, &call.capture());
    let Some(mut member) = member else {
        return;
    };
    let Ok(body) = body.behind() else {
        return;
    };
    member.stand_in();
    Counters::add(&call.site.counters.refreshes);
    let ride = call.clone().ride_apart_from_here(member, None, None, body);
    let site = Arc::clone(&call.site);
    tasks::spawn(&runtime, async move {
        let _running = (running, background, claim);
        while_waited_for(&site, (ride, deadline), None).await
    });
}

/// That somebody loads the successor of an entry. It is over when this is dropped, be that with a runtime that ends.
struct Claim {
    node: Weak<Node>,
    clock: Clock,
    known: Validity,
    until: Nanos,
}

impl Claim {
    /// None where somebody has it, or it is put off.
    fn of(node: &Arc<Node>, clock: &Clock, deadline: Duration) -> Option<Self> {
        let (entry, now) = (node.entry(), clock.now());
        let (known, until) = (entry.known(clock), after(now, deadline));
        entry.terms()?.claim(known, now, until).then(|| Self {
            node: Arc::downgrade(node),
            clock: clock.clone(),
            known,
            until,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let node = self.node.upgrade();
        if let Some(terms) = node.as_ref().and_then(|node| node.entry().terms()) {
            terms.release(self.known, self.until, after(self.clock.now(), LATER));
        }
    }
}

/// What is served since a load has failed that the call waited for; not to the load in the `background` of a successor.
pub(crate) fn stand_in(call: &Call, underway: &Underway, in_background: bool) -> Option<Arc<Node>> {
    let is_wanted =
        |load: &Arc<Load>| !(load.is_renewal() || in_background && load.is_succession());
    underway.load().filter(|load| is_wanted(load))?;
    let node = call.cache.flights().l1.get(&call.key.as_ref())?;
    let (entry, clock) = (node.entry(), call.cache.clock());
    // Not what is void, though it were served for a while: this may be a part of what is newer.
    let is_good = entry.is_usable(clock) || entry.stands_in(clock);
    (is_good && entry.on_read(clock) == Decision::Serve).then_some(node)
}

/// What was to be replaced by a load that failed is not tried to be at once again; what is there may stand in until
/// then. Not where an event came behind it, or what is there did: the next load is of something else.
pub(crate) fn put_off(cache: &Cache, load: &Load, may_stand_in: bool) {
    if load.is_overruled() || !load.snapshot().is_current() {
        return;
    }
    if let Some(node) = cache.flights().l1.get(&load.key().as_ref()) {
        put_off_entry(&node, cache.clock(), Trouble::Failed, may_stand_in);
    }
}

fn put_off_entry(node: &Node, clock: &Clock, trouble: Trouble, may_stand_in: bool) {
    let entry = node.entry();
    if let Some(terms) = entry.terms() {
        let until = after(clock.now(), THROTTLE);
        terms.put_off(entry.known(clock), until, trouble, may_stand_in);
    }
}

/// Loads in a task of its own, for a caller who may not wait for it to the end.
///
/// # Panics
///
/// With the panic of the body, and when the runtime was shut down under it.
pub(crate) fn lead(
    call: &Call,
    (member, underway): (Member, Underway),
    outer: Option<Arc<Load>>,
    body: Running<'static>,
    runtime: &Handle,
) -> BoxFuture<'static, Flown> {
    let running = call.cache.tasks().enter();
    let most = call.cache.background_limit();
    let (waiting, awaited) = call.cache.tasks().unless_abandoned(most);
    let load = underway.load().cloned();
    let ride = call
        .clone()
        .ride_apart_from_here(member, Some(underway), outer, body);
    let site = Arc::clone(&call.site);
    let task = tasks::spawn(runtime, async move {
        let _running = running;
        let deadline = deadline_of(&site, Duration::ZERO);
        let ride = while_there_is_room(ride, load, &awaited);
        let ended = while_waited_for(&site, (ride, deadline), Some(&awaited)).await;
        if matches!(ended, Some(None)) {
            Counters::add(&site.counters.skipped);
        }
        ended.flatten()
    });
    Box::pin(async move {
        let led = joined(task).await;
        drop(waiting);
        led.expect("it is not given up while this waits for it")
    })
}

/// Gives up what still waits for its slot when its caller has gone, where as many loads as may run in the background do
/// already.
async fn while_there_is_room<F: Future>(
    ride: F,
    load: Option<Arc<Load>>,
    awaited: &Awaited,
) -> Option<F::Output> {
    let mut ride = std::pin::pin!(ride);
    poll_fn(|cx| {
        awaited.listen(cx.waker());
        let polled = ride.as_mut().poll(cx);
        let is_queued = || load.as_ref().is_some_and(|load| load.is_queued());
        if polled.is_pending() && awaited.has_no_room() && is_queued() {
            return Poll::Ready(None);
        }
        polled.map(Some)
    })
    .await
}

/// Gives up what takes longer than the deadline, once nobody waits for it.
async fn while_waited_for<F: Future>(
    site: &SiteState,
    (load, deadline): (F, Duration),
    awaited: Option<&Awaited>,
) -> Option<F::Output> {
    let mut load = std::pin::pin!(load);
    loop {
        if let Ok(output) = timeout(deadline, &mut load).await {
            return Some(output);
        }
        if !awaited.is_some_and(Awaited::is_waited_for) {
            site.give_up(deadline);
            return None;
        }
    }
}

/// What nobody lives to see.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

fn at_latest(began: Instant, limit: Duration) -> Instant {
    began + limit.min(FAR)
}

impl Call {
    /// The ride in a task of its own, as what was called here.
    fn ride_apart_from_here(
        mut self,
        member: Member,
        first: Option<Underway>,
        outer: Option<Arc<Load>>,
        body: Running<'static>,
    ) -> impl Future<Output = Flown> + Send + 'static {
        let rider = Rider {
            outer,
            wait: None,
            around: Some(Around::here()),
        };
        // Nobody of its batch waits for it to have read.
        self.reading = None;
        async move { self.ride(member, first, rider, Body::here(body)).await }
    }
}

/// A call of a function with a strategy.
struct Aged<'a> {
    call: &'a Call,
    strategy: Strategy,
    may_be_old: bool,
    outer: Option<Arc<Load>>,
}

impl Aged<'_> {
    async fn answer(&self, due: Option<Arc<Node>>, place: FlightChoice, body: Body<'_>) -> Flown {
        let call = self.call;
        // Whoever cannot have it loaded in the background waits for its load once it is no longer fresh.
        let has_background = body.background().is_some();
        let is_left =
            |node: &Arc<Node>| has_background || node.entry().is_usable(call.cache.clock());
        let due = due.map(|node| (node, Decision::ServeAndRefresh));
        let served = due.or_else(|| self.served());
        if let Some((node, decision)) = served.filter(|(node, _)| is_left(node)) {
            // Before its successor is loaded: that may fail at once.
            let stale = Stale::of(node.entry(), call.cache.clock());
            if decision == Decision::ServeAndRefresh {
                refresh(call, &node, body);
            }
            return call.served(node, stale);
        }
        let flown = if has_background && self.strategy.has_limit() {
            self.fly_within(place, body).await
        } else {
            call.fly(place, body).await
        };
        if flown.is_replaceable {
            self.stand_in(Trouble::Failed).unwrap_or(flown)
        } else {
            flown
        }
    }

    /// The entry in memory, whatever there is against it.
    fn found(&self) -> Option<Arc<Node>> {
        let l1 = &self.call.cache.flights().l1;
        l1.get(&self.call.key.as_ref())
            .filter(|_| self.may_be_old && self.call.is_on())
    }

    /// The entry in memory, where it is still to be served, and how.
    fn served(&self) -> Option<(Arc<Node>, Decision)> {
        let clock = self.call.cache.clock();
        let node = self.found()?;
        let entry = node.entry();
        let decision = if entry.is_quiet(clock) {
            Decision::Serve
        } else {
            entry.on_read(clock)
        };
        let is_served = decision != Decision::Decline;
        let (site, outer) = (&self.call.site, self.outer.as_ref());
        let is_served = is_served && guarding::may_serve(site, outer, entry, clock);
        is_served.then_some((node, decision))
    }

    /// The stale value that answers in place of a load.
    fn stand_in(&self, trouble: Trouble) -> Option<Flown> {
        let clock = self.call.cache.clock();
        let (site, outer) = (&self.call.site, self.outer.as_ref());
        let node = self.found().filter(|node| {
            let entry = node.entry();
            entry.stands_in(clock) && guarding::may_serve(site, outer, entry, clock)
        })?;
        let stale = Stale::in_place(node.entry(), clock, trouble);
        Some(self.call.served(node, stale))
    }

    /// Waits for no longer than the function says. The load goes on.
    async fn fly_within(&self, place: FlightChoice, body: Body<'_>) -> Flown {
        let (call, asked) = (self.call, system_now());
        let began = match &place {
            FlightChoice::This(.., since) => *since,
            FlightChoice::Any | FlightChoice::New => Instant::now(),
        };
        let mut flight = std::pin::pin!(call.fly(place, body));
        let is_sooner = |soft: &Duration| self.strategy.timeout.is_none_or(|hard| *soft < hard);
        if let Some(soft) = self.strategy.soft_timeout.filter(is_sooner) {
            if let Ok(flown) = timeout_at(at_latest(began, soft), &mut flight).await {
                return flown;
            }
            if let Some(flown) = self.give_up() {
                return flown;
            }
        }
        let Some(hard) = self.strategy.timeout else {
            return flight.await;
        };
        if let Ok(flown) = timeout_at(at_latest(began, hard), &mut flight).await {
            return flown;
        }
        if let Some(flown) = self.give_up() {
            return flown;
        }
        match call.late.as_ref().map(|late| late(hard)) {
            Some(late) => {
                Counters::add(&call.site.counters.timeouts);
                call.hand_up(self.outer.as_ref(), &late, asked);
                Flown::loaded(late)
            }
            None => flight.await,
        }
    }

    /// The stale value that answers in place of a load that takes long, also those who call before it has ended.
    fn give_up(&self) -> Option<Flown> {
        let flown = self.stand_in(Trouble::Late)?;
        Counters::add(&self.call.site.counters.timeouts);
        if let Answer::Hit(node) = &flown.answer {
            put_off_entry(node, self.call.cache.clock(), Trouble::Late, true);
        }
        Some(flown)
    }
}

//! Everything at once: functions of all kinds made of each other, handles, puts, mutations that end in all ways, in two processes
//! on one stand-in for Redis. No call is served less than what had returned in its process when it began, nor than what was
//! acknowledged a bound before. `FUZZ_SEED`, `FUZZ_ROUNDS`.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{
    Cache, CachedCall, Event, Refused, TimedOut, cached, invalidates, testing::FakeRedis,
};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use tests::{Random, rows::Noted, spawn_in};
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

const ROWS: usize = 4;
const BOUND: Duration = Duration::from_millis(600);

#[derive(Event)]
#[event(used_elsewhere)]
struct RowChanged {
    id: usize,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    id: usize,
}

#[derive(Clone, Debug)]
enum Failed {
    Once,
    Late,
    Refused,
}

impl From<TimedOut> for Failed {
    fn from(_: TimedOut) -> Self {
        Self::Late
    }
}

impl From<Refused> for Failed {
    fn from(_: Refused) -> Self {
        Self::Refused
    }
}

#[derive(Default)]
struct Row {
    written: AtomicU64,
    /// In each process.
    returned: [AtomicU64; 2],
    acknowledged: Mutex<Vec<(Instant, u64)>>,
    writing: tokio::sync::Mutex<()>,
}

struct World {
    random: Random,
    rows: [Row; ROWS],
    faults: Mutex<Vec<String>>,
    checked: AtomicU64,
    fails: usize,
    alone: bool,
    is_real: bool,
    is_final: std::sync::atomic::AtomicBool,
    log: Mutex<Vec<(Instant, String)>>,
}

type At = Arc<World>;
type Got = Result<u64, Failed>;

impl World {
    async fn nap(&self) {
        match self.random.below(8) {
            0..3 => {}
            3..5 => yield_now().await,
            n => sleep(Duration::from_micros(400) * n as u32).await,
        }
    }

    async fn read(self: &Arc<Self>, id: usize) -> Got {
        self.nap().await;
        if self.random.below(12) == 0 {
            put_inside(self, id);
        }
        let seen = self.rows[id].written.load(SeqCst);
        self.nap().await;
        let dice = self.random.below(100);
        if dice < self.fails / 5 {
            resume_unwind(Box::new("a body panics"));
        }
        if dice < self.fails {
            return Err(Failed::Once);
        }
        Ok(seen)
    }
}

/// Puts what there is, from inside of a load, where nobody changes it at this moment.
fn put_inside(at: &At, id: usize) {
    let Ok(_writing) = at.rows[id].writing.try_lock() else {
        return;
    };
    let (it, value) = (Arc::clone(at), at.rows[id].written.load(SeqCst));
    let call: BoxFuture<'static, ()> = match at.random.below(9) {
        0 => row(it, id).put(Ok(value)).map(drop).boxed(),
        1 => row_here(it, id).put(Ok(value)).map(drop).boxed(),
        2 => noted(it, id)
            .put(Ok(Noted {
                id: id as u64,
                value,
            }))
            .map(drop)
            .boxed(),
        3 => rows(it, vec![id])
            .put(Ok(HashMap::from([(id, value)])))
            .map(drop)
            .boxed(),
        4 => noteds(it, vec![id])
            .put(Ok(HashMap::from([(
                id,
                Noted {
                    id: id as u64,
                    value,
                },
            )])))
            .map(drop)
            .boxed(),
        5 => listed(it, id).put(Ok(value)).map(drop).boxed(),
        6 => aged(it, id).put(Ok(value)).map(drop).boxed(),
        7 => ahead(it, id).put(Ok(value)).map(drop).boxed(),
        _ => page(it, id).put(Ok(value)).map(drop).boxed(),
    };
    let _ = call.now_or_never();
}

#[cached(ttl = 1h, skip(at), invalidate_on = RowChanged { id })]
async fn row(at: At, id: usize) -> Got {
    at.read(id).await
}

#[cached(ttl = 1h, skip(at), tiers = memory, invalidate_on = RowChanged { id })]
async fn row_here(at: At, id: usize) -> Got {
    at.read(id).await
}

#[cached(ttl = 1h, skip(at), tiers = memory, invalidate_on = |noted| RowChanged { id: noted.id as usize })]
async fn noted(at: At, id: usize) -> Result<Noted, Failed> {
    let value = at.read(id).await?;
    Ok(Noted {
        id: id as u64,
        value,
    })
}

#[cached(ttl = 1h, none_ttl = 1ms, skip(at), batch(id in ids), invalidate_on = RowChanged { id })]
async fn rows(at: At, ids: Vec<usize>) -> Result<HashMap<usize, u64>, Failed> {
    let mut found = HashMap::new();
    for id in ids {
        found.insert(id, at.read(id).await?);
    }
    Ok(found)
}

#[cached(ttl = 1h, none_ttl = 1ms, skip(at), tiers = memory, batch(id in ids), invalidate_on = |noted| RowChanged { id: noted.id as usize })]
async fn noteds(at: At, ids: Vec<usize>) -> Result<HashMap<usize, Noted>, Failed> {
    let mut found = HashMap::new();
    for id in ids {
        let value = at.read(id).await?;
        found.insert(
            id,
            Noted {
                id: id as u64,
                value,
            },
        );
    }
    Ok(found)
}

/// Any of those above, in any way.
async fn any(at: &At, id: usize, late: bool) -> Got {
    at.nap().await;
    let other = (id + 1) % ROWS;
    let got = match at.random.below(if late { 8 } else { 5 }) {
        0 => row(Arc::clone(at), id).await,
        1 => row_here(Arc::clone(at), id).await,
        2 => Ok(rows(Arc::clone(at), vec![id, other]).await?[&id]),
        3 => match row(Arc::clone(at), id).peek().await {
            Some(got) => got,
            None => row(Arc::clone(at), id).await,
        },
        4 => row(Arc::clone(at), id).refresh().await.unwrap(),
        5 => noted(Arc::clone(at), id).await.map(|it| it.value),
        6 => Ok(noteds(Arc::clone(at), vec![id, other]).await?[&id].value),
        _ => aged(Arc::clone(at), id).await,
    };
    at.nap().await;
    got
}

#[cached(ttl = 1h, skip(at), inherits)]
async fn page(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

#[cached(ttl = 1h, skip(at), inherits)]
async fn page_of_page(at: At, id: usize) -> Got {
    let one = page(Arc::clone(&at), id).await?;
    Ok(one.min(any(&at, id, true).await?))
}

#[cached(ttl = 1h, skip(at), invalidate_on = RowChanged { id })]
async fn listed(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

/// Both events are of each mutation.
#[cached(ttl = 1h, skip(at), invalidate_on = OrderChanged { id })]
async fn order(at: At, id: usize) -> Got {
    any(&at, id, false).await
}

#[cached(ttl = 1h, skip(at), invalidate_on = [OrderChanged { .. }, RowChanged { .. }])]
async fn report(at: At) -> Result<Vec<u64>, Failed> {
    let mut all = Vec::new();
    for id in 0..ROWS {
        all.push(any(&at, id, true).await?);
    }
    Ok(all)
}

#[cached(ttl = 30ms, skip(at), strategy = [refresh_ahead(0.3), stale_while_revalidate(50ms)], invalidate_on = RowChanged { id })]
async fn ahead(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

#[cached(ttl = 20ms, skip(at), strategy = stale_if_error(1h), invalidate_on = RowChanged { id })]
async fn aged(at: At, id: usize) -> Got {
    at.read(id).await
}

#[cached(ttl = 20ms, skip(at), timeout = 8ms, soft_timeout = 3ms, strategy = stale_if_error(1h), invalidate_on = RowChanged { id })]
async fn limited(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

#[cached(ttl = 1h, skip(at), fleet, invalidate_on = RowChanged { id })]
async fn of_fleet(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

#[cached(ttl = 1h, skip(at), inline, max_concurrent_loads = 1, invalidate_on = RowChanged { id })]
async fn narrow(at: At, id: usize) -> Got {
    any(&at, id, true).await
}

#[cached(ttl = 20ms, none_ttl = 1ms, skip(at), timeout = 8ms, strategy = stale_if_error(1h), batch(id in ids), invalidate_on = RowChanged { id })]
async fn limited_rows(at: At, ids: Vec<usize>) -> Result<HashMap<usize, u64>, Failed> {
    let mut found = HashMap::new();
    for id in ids {
        found.insert(id, any(&at, id, true).await?);
    }
    Ok(found)
}

const KINDS: usize = 16;

async fn handled<F>(at: &At, call: F, current: impl Fn() -> Option<F::Output>) -> Option<F::Output>
where
    F: Future<Output: Send + Clone + 'static> + Send,
{
    let _ = current;
    match at.random.below(14) {
        0 => call.peek().await,
        1 => call.refresh().await.ok(),
        2 => {
            let _ = call.evict().await;
            None
        }
        3 => {
            let _ = call.prefetch().await;
            None
        }
        4 => call.bypass().await.ok(),
        5 => call.explain().await.ok().map(|it| it.value),
        _ => Some(call.await),
    }
}

fn ask(at: At, kind: usize, id: usize) -> BoxFuture<'static, Option<Vec<(usize, u64)>>> {
    let other = (id + 1) % ROWS;
    async move {
        macro_rules! one {
            ($call:expr) => {
                handled(&at, $call, || None)
                    .await?
                    .ok()
                    .map(|it| vec![(id, it)])
            };
        }
        let at1 = Arc::clone(&at);
        match kind {
            0 => one!(row(at1, id)),
            1 => one!(row_here(at1, id)),
            2 => handled(&at, noted(at1, id), || None)
                .await?
                .ok()
                .map(|it| vec![(id, it.value)]),
            3 => handled(&at, rows(at1, vec![id, other]), || None)
                .await?
                .ok()
                .map(|it| it.into_iter().collect()),
            4 => handled(&at, noteds(at1, vec![id, other]), || None)
                .await?
                .ok()
                .map(|it| it.into_iter().map(|(id, it)| (id, it.value)).collect()),
            5 => one!(page(at1, id)),
            6 => one!(page_of_page(at1, id)),
            7 => one!(listed(at1, id)),
            8 => one!(order(at1, id)),
            9 => handled(&at, report(at1), || None)
                .await?
                .ok()
                .map(|it| it.into_iter().enumerate().collect()),
            10 => one!(ahead(at1, id)),
            11 if number("FUZZ_KIND", 0) == 11 => {
                let explained = aged(at1, id).explain().await.ok()?;
                let text = explained.to_string();
                let value = explained.value.ok()?;
                at.log
                    .lock()
                    .unwrap()
                    .push((Instant::now(), format!("{value}: {text}")));
                Some(vec![(id, value)])
            }
            11 => one!(aged(at1, id)),
            12 => one!(limited(at1, id)),
            13 => one!(of_fleet(at1, id)),
            14 => one!(narrow(at1, id)),
            _ => handled(&at, limited_rows(at1, vec![id, other]), || None)
                .await?
                .ok()
                .map(|it| it.into_iter().collect()),
        }
    }
    .boxed()
}

/// Calls, and notes what must not be.
async fn check(at: At, process: usize, kind: usize, id: usize, gives_up: bool) {
    let start = Instant::now();
    let least: Vec<u64> = at
        .rows
        .iter()
        .map(|row| {
            let own = row.returned[process].load(SeqCst);
            let acknowledged = row.acknowledged.lock().unwrap();
            let known = acknowledged
                .iter()
                .filter(|(then, _)| *then + if at.is_real { BOUND * 3 / 2 } else { BOUND } < start);
            own.max(known.map(|(_, version)| *version).max().unwrap_or(0))
        })
        .collect();
    let asked = AssertUnwindSafe(ask(Arc::clone(&at), kind, id)).catch_unwind();
    let got = if gives_up {
        timeout(Duration::from_millis(1), asked).await.ok()
    } else {
        match timeout(Duration::from_secs(20), asked).await {
            Ok(got) => Some(got),
            Err(_) => {
                at.faults.lock().unwrap().push(format!("kind {kind} hangs"));
                None
            }
        }
    };
    let Some(Ok(Some(seen))) = got else { return };
    at.checked.fetch_add(1, SeqCst);
    for (id, version) in seen {
        if version < least[id] {
            let log = at.log.lock().unwrap();
            let lines: Vec<_> = log
                .iter()
                .filter(|(_, line)| {
                    line.contains(&format!("`{id}`")) || line.contains(&format!("row {id} "))
                })
                .collect();
            for (then, line) in &lines[lines.len().saturating_sub(14)..] {
                eprintln!("{:?} before: {line}", then.elapsed());
            }
            drop(log);
            eprintln!(
                "call began {:?} ago, final {:?}",
                start.elapsed(),
                at.is_final
            );
            at.faults.lock().unwrap().push(format!(
                "kind {kind}, process {process}: row {id} was {version} after {} ({} written)",
                least[id],
                at.rows[id].written.load(SeqCst)
            ));
        }
    }
}

#[invalidates([RowChanged { id }, OrderChanged { id }])]
async fn write(at: &World, id: usize, fails: bool) -> Result<u64, Failed> {
    at.nap().await;
    let version = at.rows[id].written.fetch_add(1, SeqCst) + 1;
    at.nap().await;
    if fails {
        Err(Failed::Once)
    } else {
        Ok(version)
    }
}

#[invalidates([RowChanged { id }, OrderChanged { id }], guarded)]
async fn write_guarded(at: &World, id: usize) -> Result<u64, Failed> {
    at.nap().await;
    let version = at.rows[id].written.fetch_add(1, SeqCst) + 1;
    at.nap().await;
    Ok(version)
}

#[invalidates([RowChanged { .. }, OrderChanged { .. }])]
async fn write_all(at: &World, id: usize) -> Result<u64, Failed> {
    let version = at.rows[id].written.fetch_add(1, SeqCst) + 1;
    at.nap().await;
    Ok(version)
}

async fn mutate(at: At, process: usize, cache: Cache, id: usize) {
    let row_ = &at.rows[id];
    let _writing = row_.writing.lock().await;
    // On a real server only where somebody says so.
    let mut is_acknowledged = !at.is_real;
    let before = row_.written.load(SeqCst);
    let style = at.random.below(9);
    match style {
        0..3 => drop(write(&at, id, false).await),
        3 => drop(write(&at, id, true).await),
        4 => {
            is_acknowledged = false;
            let micros = at.random.below(4_000) as u64;
            let _ = timeout(Duration::from_micros(micros), write(&at, id, false)).await;
        }
        5 => drop(write_all(&at, id).await),
        6 => drop(write_guarded(&at, id).await),
        7 => {
            let hold = cache.hold((RowChanged { id }, OrderChanged { id }));
            at.nap().await;
            row_.written.fetch_add(1, SeqCst);
            at.nap().await;
            if at.random.below(3) > 0 {
                is_acknowledged = hold.release().await.is_ok();
            } else {
                drop(hold);
                is_acknowledged = false;
            }
        }
        _ => {
            row_.written.fetch_add(1, SeqCst);
            let emitted = cache.emit([event_of_row(id)]).await;
            is_acknowledged = cache.emit(OrderChanged { id }).await.is_ok() && emitted.is_ok();
        }
    }
    let version = row_.written.load(SeqCst);
    if version == before {
        // Refused, or given up before it wrote: what others wrote is for them to tell.
        return;
    }
    at.log.lock().unwrap().push((Instant::now(), format!("row {id} is {version} by process {process}, style {style}, acknowledged {is_acknowledged}")));
    row_.returned[process].fetch_max(version, SeqCst);
    if is_acknowledged || at.alone {
        row_.acknowledged
            .lock()
            .unwrap()
            .push((Instant::now(), version));
    }
    // What is put is what there is.
    if at.random.below(4) == 0 {
        let at1 = Arc::clone(&at);
        let _ = match at.random.below(6) {
            0 => row(at1, id).put(Ok(version)).await,
            1 => row_here(at1, id).put(Ok(version)).await,
            2 => {
                noted(at1, id)
                    .put(Ok(Noted {
                        id: id as u64,
                        value: version,
                    }))
                    .await
            }
            3 => {
                rows(at1, vec![id])
                    .put(Ok(HashMap::from([(id, version)])))
                    .await
            }
            4 => listed(at1, id).put(Ok(version)).await,
            _ => page(at1, id).put(Ok(version)).await,
        };
    }
}

fn event_of_row(id: usize) -> RowChanged {
    RowChanged { id }
}

type Place = Arc<tokio::sync::RwLock<Option<Cache>>>;

async fn act(at: At, process: usize, place: Place, steps: usize) {
    for _ in 0..steps {
        let held = place.read().await;
        let cache = held.clone().unwrap();
        let step = step(Arc::clone(&at), process, cache.clone());
        Cache::scope(cache, step).await;
        drop(held);
    }
}

async fn step(at: At, process: usize, cache: Cache) {
    {
        let (mut kind, id) = (at.random.below(KINDS), at.random.below(ROWS));
        if number("FUZZ_KIND", 0) > 0 && at.random.below(3) > 0 {
            kind = number("FUZZ_KIND", 0) as usize;
        }
        match at.random.below(20) {
            0..3 => mutate(Arc::clone(&at), process, cache.clone(), id).await,
            3 => check(Arc::clone(&at), process, kind, id, true).await,
            4 => {
                let task = spawn_in(&cache, check(Arc::clone(&at), process, kind, id, false));
                at.nap().await;
                task.abort();
            }
            5 if at.random.below(6) == 0 => cache.clear(),
            _ => check(Arc::clone(&at), process, kind, id, false).await,
        }
        if at.random.below(3) == 0 {
            at.nap().await;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Alone,
    Fake,
    /// Two caches in one process, and one that is another process, on a server to which things happen.
    Real,
    /// One cache in each process, dropped and built again under load.
    Rebuilt,
    /// Two servers that take turns, and lose what was acknowledged in between.
    Flips,
}

async fn round(seed: u64, mode: Mode) -> u64 {
    let random = Random::of_seed(seed);
    let redis = FakeRedis::new();
    let alone = mode == Mode::Alone;
    let server = matches!(mode, Mode::Real | Mode::Rebuilt).then(tests::server::Server::start);
    let pair = (mode == Mode::Flips).then(|| {
        (
            tests::server::Server::replicable(),
            tests::server::Server::replicable(),
        )
    });
    let mut proxies = Vec::new();
    if let Some((a, b)) = &pair {
        b.follow(a);
        b.is_synced().await;
        proxies = vec![tests::proxy::Proxy::to(a), tests::proxy::Proxy::to(a)];
    }
    let build = |n: usize| {
        let builder = Cache::builder()
            .staleness_bound(BOUND)
            .unknown_outcome(Duration::from_millis(300));
        match &server {
            _ if alone => builder,
            None if pair.is_some() => builder.namespace("test").redis(proxies[n].url()),
            None => builder.fake_redis(&redis),
            Some(server) if n == 1 => builder.redis(server.other_url()),
            Some(server) => builder.redis(server.url()),
        }
    };
    let mut caches = vec![
        build(0).build().await.unwrap(),
        build(1).build().await.unwrap(),
    ];
    if mode == Mode::Real {
        caches.push(build(2).build().await.unwrap());
    }
    let at = Arc::new(World {
        fails: random.one_of(&[0, 0, 10]),
        random,
        rows: Default::default(),
        faults: Mutex::default(),
        checked: AtomicU64::new(0),
        alone,
        is_real: server.is_some() || pair.is_some(),
        is_final: Default::default(),
        log: Mutex::default(),
    });
    let processes = if alone { 1 } else { caches.len() };
    let places: Vec<Place> = caches
        .iter()
        .map(|cache| Arc::new(tokio::sync::RwLock::new(Some(cache.clone()))))
        .collect();
    if mode == Mode::Rebuilt {
        caches.clear();
    }
    let actors = (0..24).map(|n| {
        let process = n % processes;
        spawn_in(
            &Cache::disabled(),
            act(
                Arc::clone(&at),
                process % 2,
                Arc::clone(&places[process]),
                if mode == Mode::Flips { 300 } else { 60 },
            ),
        )
    });
    let flipping = async {
        let Some((a, b)) = &pair else {
            return std::future::pending().await;
        };
        let (mut primary, mut other) = (a, b);
        loop {
            sleep(Duration::from_millis(300 + at.random.below(500) as u64)).await;
            other.lead();
            sleep(Duration::from_millis(at.random.below(80) as u64)).await;
            primary.follow(other);
            for proxy in &proxies {
                proxy.lead_to(other);
                if at.random.below(2) == 0 {
                    proxy.close_all();
                }
            }
            primary.is_synced().await;
            std::mem::swap(&mut primary, &mut other);
        }
    };
    let rebuilding = async {
        loop {
            sleep(Duration::from_millis(30 + at.random.below(200) as u64)).await;
            let nth = at.random.below(2);
            let mut place = places[nth].write().await;
            *place = None;
            if at.random.below(2) == 0 {
                at.nap().await;
            }
            *place = Some(build(nth).build().await.unwrap());
        }
    };
    let chaos = async {
        let Some(server) = &server else { return };
        loop {
            sleep(Duration::from_millis(20 + at.random.below(120) as u64)).await;
            match at.random.below(6) {
                0 => drop(server.command(&["FLUSHALL"])),
                1 => drop(server.command(&["SCRIPT", "FLUSH"])),
                2 => drop(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"])),
                3 => drop(server.command(&["CLIENT", "KILL", "TYPE", "normal"])),
                4 => {
                    let tag = server.command(&["RANDOMKEY"]);
                    server.command(&["DEL", &tag]);
                }
                _ => {
                    server.pause();
                    sleep(Duration::from_millis(at.random.below(300) as u64)).await;
                    server.resume();
                }
            }
        }
    };
    let acting = join_all(actors.collect::<Vec<_>>());
    let acted = tokio::select! {
        acted = acting => acted,
        () = async { if server.is_some() { chaos.await } else { std::future::pending().await } } => unreachable!(),
        () = flipping => unreachable!(),
        () = async { if mode == Mode::Rebuilt { rebuilding.await } else { std::future::pending().await } } => unreachable!(),
    };
    for ended in acted {
        ended.unwrap();
    }
    for (nth, place) in places.iter().enumerate() {
        let mut place = place.write().await;
        if place.is_none() {
            *place = Some(build(nth).build().await.unwrap());
        }
    }
    // Then all agree.
    at.is_final.store(true, SeqCst);
    sleep(BOUND + Duration::from_millis(if at.is_real { 4_000 } else { 400 })).await;
    for nth in 0..processes {
        let process = nth % 2;
        for kind in 0..KINDS {
            for id in 0..ROWS {
                for row in &at.rows {
                    row.returned[process].store(row.written.load(SeqCst), SeqCst);
                }
                let asked = check(Arc::clone(&at), process, kind, id, false);
                let cache = places[nth].read().await.clone().unwrap();
                Cache::scope(cache, asked).await;
            }
        }
    }
    let faults = at.faults.lock().unwrap();
    assert!(
        faults.is_empty(),
        "seed {seed}, {mode:?}: {} of {}: {:#?}",
        faults.len(),
        at.checked.load(SeqCst),
        &faults[..faults.len().min(12)]
    );
    at.checked.load(SeqCst)
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(or, |it| it.parse().unwrap())
}

fn rounds(mode: Mode) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("a body panics") {
            eprintln!("{text}");
        }
    }));
    let first = number("FUZZ_SEED", 1);
    let mut all = 0;
    for seed in first..first + number("FUZZ_ROUNDS", 10) {
        all += runtime.block_on(round(seed, mode));
    }
    eprintln!("{all} calls checked, {mode:?}");
}

#[test]
fn alone() {
    rounds(Mode::Alone);
}

#[test]
fn with_another_process() {
    rounds(Mode::Fake);
}

#[test]
fn on_a_server_to_which_things_happen() {
    rounds(Mode::Real);
}

#[test]
fn where_caches_are_built_again() {
    rounds(Mode::Rebuilt);
}

#[test]
fn where_servers_take_turns() {
    rounds(Mode::Flips);
}

//! Calls of cached functions, each written down with what it was served.

use std::{future::Future, time::Duration};

use cache_core::{CachedCall, Source};

use super::{
    super::{
        ITEMS, Nanos, Place, RATES, Release, SHELVES, journal::Line, now, verdict::SHORT_LIVED,
    },
    functions::{
        Named, brief, everything, item, items, label, lively, named, next_label, noted, page,
        shelf, stored, tag,
    },
    out::Out,
    zipf::Zipf,
};
use crate::Random;

/// Between two calls of one reader.
const PAUSE: Duration = Duration::from_millis(2);

/// Calls for ever.
pub(super) async fn read(out: Out, release: Release, seed: u64) {
    let (random, zipf) = (Random::of_seed(seed), Zipf::new());
    let reader = Reader {
        out,
        release,
        random,
    };
    loop {
        // Half of them are of what is written seldom: what is missed there stays missed.
        let place = if reader.random.below(2) == 0 {
            zipf.draw(&reader.random)
        } else {
            Place::of_number(reader.random.below(RATES))
        };
        reader.call(place).await;
        tokio::time::sleep(PAUSE).await;
    }
}

struct Reader {
    out: Out,
    release: Release,
    random: Random,
}

impl Reader {
    async fn call(&self, place: Place) {
        let (of_shelf, id, fact) = (place.shelf, place.id, place.fact());
        let one = |value| vec![(fact, 1, vec![value])];
        let both = |(item, rates)| vec![(fact, 1, vec![item]), (RATES, 1, vec![rates])];
        let all = |values| vec![(fact - id as usize, ITEMS, values)];
        match self.random.below(100) {
            0..24 => self.serve("item", item(of_shelf, id), one).await,
            24..36 => self.serve(SHORT_LIVED, brief(of_shelf, id), one).await,
            36..44 => self.serve("noted", noted(of_shelf, id), one).await,
            44..52 => self.serve("stored", stored(of_shelf, id), one).await,
            52..66 => match self.release {
                Release::Before => self.serve("label", label(of_shelf, id), both).await,
                Release::After => {
                    let both = |(rates, item): (i64, i64)| {
                        both((item.cast_unsigned(), rates.cast_unsigned()))
                    };
                    self.serve("label", next_label(of_shelf, id), both).await;
                }
            },
            66..76 => self.serve("shelf", shelf(of_shelf), all).await,
            76..82 => self.serve("page", page(of_shelf), all).await,
            82..88 => self.serve("tag", tag(of_shelf, id), both).await,
            88..93 => self.serve("lively", lively(of_shelf, id), one).await,
            93..97 => {
                let one = |it: Named| one(it.value);
                self.serve("named", named(of_shelf, id), one).await;
            }
            97..99 => {
                let ids = [id, (id + 1) % ITEMS, (id + 2) % ITEMS];
                let began = now();
                let items = items(of_shelf, &ids).await;
                let place = |id| Place {
                    shelf: of_shelf,
                    id,
                };
                let facts = items
                    .into_iter()
                    .map(|(id, value)| (place(id).fact(), 1, vec![value]));
                self.note("items", None, began, facts.collect());
            }
            _ => {
                let all = |values| vec![(0, SHELVES * ITEMS, values)];
                self.serve("everything", everything(), all).await;
            }
        }
    }

    /// Makes one call, some of them with a question for the source of the value.
    async fn serve<T: 'static>(
        &self,
        function: &str,
        call: impl Future<Output = T>,
        facts: impl FnOnce(T) -> Vec<(usize, u32, Vec<u64>)>,
    ) {
        let began = now();
        // As often as not: how long nothing is read from Redis is to show.
        let (value, source) = if self.random.below(2) == 0 {
            let explained = call.explain().await.expect("it is cached");
            (explained.value, Some(explained.source))
        } else {
            (call.await, None)
        };
        self.note(function, source, began, facts(value));
    }

    fn note(
        &self,
        function: &str,
        source: Option<Source>,
        began: Nanos,
        facts: Vec<(usize, u32, Vec<u64>)>,
    ) {
        let ended = now();
        for (first, count, values) in facts {
            self.out.say(|| Line::Served {
                function: function.to_owned(),
                source: word(source).to_owned(),
                began,
                ended,
                first,
                count: count as usize,
                values,
            });
        }
    }
}

fn word(source: Option<Source>) -> &'static str {
    match source {
        None => "not-asked",
        Some(Source::Memory) => "memory",
        Some(Source::Redis) => "redis",
        Some(Source::Load) => "load",
        Some(Source::SharedLoad) => "shared-load",
        Some(_) => "uncached",
    }
}

//! Calls of cached functions, each written down with what it was served.

use std::{future::Future, time::Duration};

use cache_core::{CachedCall, Source};

use super::{
    super::{ITEMS, Place, RATES, Release, SHELVES, journal::Line, now, verdict::SHORT_LIVED},
    functions::{brief, everything, item, label, next_label, noted, shelf, stored},
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
        match self.random.below(100) {
            0..30 => self.serve("item", item(of_shelf, id), one).await,
            30..45 => self.serve(SHORT_LIVED, brief(of_shelf, id), one).await,
            45..55 => self.serve("noted", noted(of_shelf, id), one).await,
            55..65 => self.serve("stored", stored(of_shelf, id), one).await,
            65..85 => {
                let both = |(item, rates)| vec![(fact, 1, vec![item]), (RATES, 1, vec![rates])];
                match self.release {
                    Release::Before => self.serve("label", label(of_shelf, id), both).await,
                    Release::After => {
                        let both = |(rates, item): (i64, i64)| {
                            both((item.cast_unsigned(), rates.cast_unsigned()))
                        };
                        self.serve("label", next_label(of_shelf, id), both).await;
                    }
                }
            }
            85..99 => {
                let all = |values| vec![(fact - id as usize, ITEMS, values)];
                self.serve("shelf", shelf(of_shelf), all).await;
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
        let ended = now();
        for (first, count, values) in facts(value) {
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

//! Visitors who use the shop at the same time, and how long each of their calls took.

use std::{
    collections::HashSet,
    error::Error,
    iter::repeat_with,
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Source};

use crate::{
    catalog::{CATEGORIES, MATERIALS, PRODUCTS, Popularity, STYLES},
    chance::{Chance, Zipf},
    shop::{Search, Shop, product_page},
};

pub(crate) const VISITORS: u32 = 200;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// As many as there are pairs of a style and a material.
const SEARCHES: u32 = 144;

/// One call of a visitor.
#[derive(Debug)]
enum Call {
    Page(u32),
    TopList(u32),
    Search(Search),
}

/// One answered call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) source: Source,
    pub(crate) latency: Duration,
}

/// All calls of all visitors.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) samples: Vec<Sample>,
    pub(crate) elapsed: Duration,
    /// How many of the calls reached the database.
    pub(crate) queries: usize,
}

/// What visitors want.
#[derive(Debug)]
pub(crate) struct Interests {
    products: Popularity,
    categories: Zipf,
    searches: Zipf,
}

impl Interests {
    pub(crate) fn new() -> Self {
        Self {
            products: Popularity::new(),
            categories: Zipf::new(CATEGORIES),
            searches: Zipf::new(SEARCHES),
        }
    }

    /// The first `count` calls of one visitor, the same in every run.
    fn calls(&self, visitor: u32, count: usize) -> Vec<Call> {
        let mut chance = Chance::seeded(visitor);
        repeat_with(|| self.call(&mut chance)).take(count).collect()
    }

    fn call(&self, chance: &mut Chance) -> Call {
        match chance.below(100) {
            0 => Call::Page(PRODUCTS + chance.below(100)),
            1..75 => Call::Page(self.products.product(chance)),
            75..95 => Call::TopList(self.categories.draw(chance)),
            _ => Call::Search(self.search(chance)),
        }
    }

    /// How many different pages all visitors together ask for in `count` calls each.
    pub(crate) fn pages(&self, count: usize) -> usize {
        let calls = (0..VISITORS).flat_map(|visitor| self.calls(visitor, count));
        let pages = calls.filter_map(|call| match call {
            Call::Page(id) => Some(id),
            Call::TopList(_) | Call::Search(_) => None,
        });
        pages.collect::<HashSet<_>>().len()
    }

    fn search(&self, chance: &mut Chance) -> Search {
        let rank = self.searches.draw(chance) as usize;
        let (style, material) = (STYLES[rank % STYLES.len()], MATERIALS[rank / STYLES.len()]);
        Search {
            words: format!("{style} {material}").to_lowercase(),
            max_cents: [None, Some(20_000)][rank % 2],
        }
    }
}

/// Lets every visitor make `calls` calls, one after the other.
pub(crate) async fn run(shop: &Shop, interests: &Interests, calls: usize) -> Result<Run, Failure> {
    let queries_before = shop.db.queries();
    let start = Instant::now();
    let visits: Vec<_> = (0..VISITORS)
        .map(|visitor| {
            let visit = visit(shop.clone(), interests.calls(visitor, calls));
            // A spawned task leaves the scope it was spawned in, unless it takes the cache along.
            tokio::spawn(Cache::scope(Cache::current(), visit))
        })
        .collect();
    let mut samples = Vec::new();
    for visit in visits {
        samples.extend(visit.await??);
    }
    Ok(Run {
        samples,
        elapsed: start.elapsed(),
        queries: shop.db.queries() - queries_before,
    })
}

async fn visit(shop: Shop, calls: Vec<Call>) -> Result<Vec<Sample>, Failure> {
    let mut samples = Vec::with_capacity(calls.len());
    for call in calls {
        let start = Instant::now();
        let source = source_of(&shop, &call).await?;
        samples.push(Sample {
            source,
            latency: start.elapsed(),
        });
    }
    Ok(samples)
}

/// Makes the call; tells where its answer came from.
async fn source_of(shop: &Shop, call: &Call) -> Result<Source, Failure> {
    Ok(match call {
        Call::Page(id) => {
            let page = product_page(&shop.db, *id).explain().await?;
            assert_eq!(page.value?.is_some(), *id < PRODUCTS, "product {id}");
            page.source
        }
        Call::TopList(category) => {
            let list = shop.top_list(*category).explain().await?;
            assert!(!list.value?.is_empty(), "category {category}");
            list.source
        }
        Call::Search(search) => {
            let found = shop.search(search).explain().await?;
            assert!(!found.value?.is_empty(), "{search:?}");
            found.source
        }
    })
}

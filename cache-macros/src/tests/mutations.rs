//! Whatever is typed: tokens of working functions, some of them lost, doubled, moved or taken from elsewhere.

use proc_macro2::{Group, TokenStream, TokenTree};

use super::tokens;
use crate::{cached, features::Features, invalidates, literal::by_hand};

const OPTIONS: &[&str] = &[
    "ttl = 5m, skip(db, self), none_ttl = 10s, err_ttl = 500ms",
    "ttl = |value| value.left(), key = (self.tenant, id), tiers = memory, weight = |value| value.len()",
    "ttl = CONFIG.ttl, key = \"u:{id}\", strategy = read_through, tiers = redis, keep_if = |user| user.is_active",
    "max_concurrent_loads = 4, version = 2, name = \"user\", codec = json, compress = 4KiB, inline, crate = a::b",
    "ttl = 1h30m, cache = self.cache, detached, codec = codecs::Sealed::<4>",
    "ttl = 5m, key = (a, id), invalidate_on = [A { id }, B { a, b: c.d, .. }, |v| C { id: v.id }], inherits, settle = 2s",
];

const EVENTS: &[&str] = &[
    "UserChanged { id }, OrderChanged { tenant: self.tenant, .. }, on_ok",
    "(A { id: result.id, b }, [B { .. }], Settings), result, guarded, crate = a::b",
    "ids.iter().map(|id| A { id: *id }).collect::<Vec<_>>(), cache = self.cache, a::Unit",
];

const ITEMS: &[&str] = &[
    "/// Finds.\n#[must_use] pub(crate) async fn user(db: &Db, id: u64) -> Result<Option<User>, E> { db.fetch(id).await }",
    "async fn user<'a, T: Ord, const N: usize>(&'a self, [x, ..]: &'a [T; N], mut _y: u8) -> [T; N] where T: Clone { self.x(\"{self}\") }",
    "fn user(self: Arc<Self>, (a, _): (u8, u8)) -> Pin<Box<dyn Future<Output = u8> + Send + '_>> { Box::pin(async move { self.a(a) }) }",
    "async fn user(#[cfg(test)] id: u64, f: impl Fn(&str) -> u8 + 'static) { #![allow(unused)] use self::x; impl A { fn f(self) {} } }",
];

/// Numbers that look random, from a seed (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).expect("less than a `usize`")
    }
}

fn mutated(stream: TokenStream, spare: &[TokenTree], random: &mut Random) -> TokenStream {
    let mut trees: Vec<TokenTree> = stream.into_iter().collect();
    for tree in &mut trees {
        if let TokenTree::Group(group) = tree
            && random.below(2) == 0
        {
            let inner = mutated(group.stream(), spare, random);
            *tree = TokenTree::Group(Group::new(group.delimiter(), inner));
        }
    }
    if trees.is_empty() || random.below(3) == 0 {
        return trees.into_iter().collect();
    }
    let at = random.below(trees.len());
    let other = random.below(trees.len());
    match random.below(5) {
        0 => drop(trees.remove(at)),
        1 => trees.insert(at, trees[other].clone()),
        2 => trees.swap(at, other),
        3 => trees.truncate(at),
        _ => trees.insert(at, spare[random.below(spare.len())].clone()),
    }
    trees.into_iter().collect()
}

#[test]
fn whatever_is_typed_the_item_stays_and_nothing_panics() {
    let all = OPTIONS.iter().chain(ITEMS).flat_map(|text| tokens(text));
    let spare: Vec<TokenTree> = all.collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut expanded, mut refused) = (0, 0);
    for round in 0..8_000 {
        let options = tokens(OPTIONS[round % OPTIONS.len()]);
        let item = tokens(ITEMS[random.below(ITEMS.len())]);
        let options = mutated(options, &spare, &mut random);
        let item = match random.below(2) {
            0 => item,
            _ => mutated(item, &spare, &mut random),
        };
        let expansion = cached::expand(options, item.clone()).to_string();
        if expansion.contains("compile_error") {
            assert!(expansion.ends_with(&item.to_string()), "{expansion}");
            refused += 1;
        } else {
            expanded += 1;
        }
    }
    assert!(expanded > 200 && refused > 2_000, "{expanded} {refused}");
}

#[test]
fn whatever_is_typed_of_events_the_item_stays_and_nothing_panics() {
    let all = EVENTS.iter().chain(ITEMS).flat_map(|text| tokens(text));
    let spare: Vec<TokenTree> = all.collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut expanded, mut refused) = (0, 0);
    for round in 0..4_000 {
        let events = mutated(tokens(EVENTS[round % EVENTS.len()]), &spare, &mut random);
        let item = tokens(ITEMS[random.below(ITEMS.len())]);
        let _ = by_hand::expand(events.clone(), Features::ALL);
        let expansion = invalidates::expand(events, item.clone()).to_string();
        if expansion.contains("compile_error") {
            assert!(expansion.ends_with(&item.to_string()), "{expansion}");
            refused += 1;
        } else {
            expanded += 1;
        }
    }
    assert!(expanded > 100 && refused > 1_000, "{expanded} {refused}");
}

//! Who comes when, and wants what. Arrivals know nothing of answers: the next one comes whether the last one was served or
//! not, as customers do.

use std::time::Duration;

use crate::{
    chance::{Chance, Zipf},
    fleet::REPLICAS,
    visit::Visit,
};

/// What the shop has for sale, less those products that nobody asks for before the stampede.
const CATEGORIES: u32 = 20;
const PRODUCTS: u32 = 90;
const PAGES: u32 = 5;

/// The first one that nobody asks for.
pub(crate) const COLD: u32 = PRODUCTS;

const USERS: u32 = 1_000;

/// In per mille: reads first, then writes.
const PRODUCT: u32 = 560;
const PAGE: u32 = 150;
const BESTSELLERS: u32 = 40;
const CART: u32 = 130;
const ORDERS: u32 = 70;
const CHANGE_CART: u32 = 30;
const CHECKOUT: u32 = 10;

/// One request and when it is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    pub(crate) after: Duration,
    pub(crate) replica: usize,
    pub(crate) visit: Visit,
}

/// The arrivals of one act, without end.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    chance: Chance,
    products: Zipf,
    users: Zipf,
    per_second: f64,
    after: Duration,
}

impl Schedule {
    pub(crate) fn new(per_second: u32, seed: u64) -> Self {
        Self {
            chance: Chance::seeded(seed),
            products: Zipf::new(CATEGORIES * PRODUCTS),
            users: Zipf::new(USERS),
            per_second: per_second.into(),
            after: Duration::ZERO,
        }
    }

    fn visit(&mut self) -> Visit {
        let (category, product) = product(self.products.draw(&mut self.chance));
        let user = self.users.draw(&mut self.chance);
        let mut kind = self.chance.below(1_000);
        let mut is = |share: u32| {
            let is_in = kind < share;
            kind = kind.wrapping_sub(share);
            is_in
        };
        if is(PRODUCT) {
            Visit::Product { category, product }
        } else if is(PAGE) {
            let number = product % PAGES;
            Visit::Page { category, number }
        } else if is(BESTSELLERS) {
            Visit::Bestsellers { category }
        } else if is(CART) {
            Visit::Cart { user }
        } else if is(ORDERS) {
            Visit::Orders { user }
        } else if is(CHANGE_CART) {
            Visit::ChangeCart {
                user,
                category,
                product,
            }
        } else if is(CHECKOUT) {
            Visit::Checkout { user }
        } else {
            let cents = 100 + self.chance.below(9_900);
            Visit::ChangePrice {
                category,
                product,
                cents,
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.after += self.chance.gap(self.per_second);
        let replicas = u32::try_from(REPLICAS).expect("there are few");
        Some(Arrival {
            after: self.after,
            replica: self.chance.below(replicas) as usize,
            visit: self.visit(),
        })
    }
}

/// The product of a rank. Those that are asked for often are of all categories.
pub(crate) fn product(rank: u32) -> (u32, u32) {
    (rank % CATEGORIES, rank / CATEGORIES)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn as_many_come_as_the_rate_says() {
        let ten_seconds = Duration::from_secs(10);
        let schedule = Schedule::new(1_000, 1);
        let came = schedule.take_while(|arrival| arrival.after < ten_seconds);
        let came = came.count();
        // Four times the standard deviation.
        assert!((9_600..10_400).contains(&came), "{came}");
    }

    #[test]
    fn arrivals_are_in_order_and_the_same_in_every_run() {
        let arrivals = |seed| Schedule::new(100, seed).take(1_000).collect::<Vec<_>>();
        assert!(arrivals(1).is_sorted_by_key(|arrival| arrival.after));
        assert_eq!(arrivals(1), arrivals(1));
        assert_ne!(arrivals(1), arrivals(2));
    }

    #[test]
    fn one_in_twenty_writes() {
        let arrivals = Schedule::new(100, 3).take(100_000);
        let writes = arrivals.filter(|arrival| arrival.visit.is_write()).count();
        assert!((4_700..5_300).contains(&writes), "{writes}");
    }

    #[test]
    fn ranks_are_all_products() {
        let products: HashSet<_> = (0..CATEGORIES * PRODUCTS).map(product).collect();
        assert_eq!(products.len(), 1_800);
        let is_for_sale =
            |&(category, product): &(u32, u32)| category < CATEGORIES && product < PRODUCTS;
        assert!(products.iter().all(is_for_sale));
    }
}

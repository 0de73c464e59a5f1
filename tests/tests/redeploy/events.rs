//! The new program knows events that the old one did not: what that left in Redis, they may have made void.

use cache_core::testing::FakeRedis;
use tests::{
    process,
    rows::{Table, explained, within, write},
};

mod before {
    use cache_core::cached;
    use tests::rows::{RowChanged, Table};

    #[cached(ttl = 1h, skip(table), name = "thing", invalidate_on = RowChanged { id })]
    pub(super) async fn thing(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "loose")]
    pub(super) async fn loose(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "tied")]
    pub(super) async fn tied(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "listed")]
    pub(super) async fn listed(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "heir", inherits)]
    pub(super) async fn heir(table: &Table, id: u64) -> u64 {
        table.value()
    }
}

mod after {
    use cache_core::cached;
    use tests::rows::{RowChanged, Table, row};

    #[cached(ttl = 1h, skip(table), name = "thing", inherits)]
    pub(super) async fn thing(table: &Table, id: u64) -> u64 {
        row(table, id).await
    }

    #[cached(ttl = 1h, skip(table), name = "loose", invalidate_on = |_| RowChanged { id: 1 })]
    pub(super) async fn loose(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "tied", inherits)]
    pub(super) async fn tied(table: &Table, id: u64) -> u64 {
        row(table, id).await
    }

    #[cached(ttl = 1h, skip(table), name = "listed", invalidate_on = RowChanged { id })]
    pub(super) async fn listed(table: &Table, id: u64) -> u64 {
        table.value()
    }

    #[cached(ttl = 1h, skip(table), name = "heir", inherits)]
    pub(super) async fn heir(table: &Table, id: u64) -> u64 {
        row(table, id).await
    }
}

/// Calls a function of the old program, changes the row in the new one, and gives what that serves.
macro_rules! served_after_a_change {
    ($function:ident) => {{
        let redis = FakeRedis::new();
        let (old, new) = (process(&redis).await, process(&redis).await);
        let table = Table::default();
        within(&old, before::$function(&table, 1)).await;
        let _ = old.close(tests::SOON).await;
        within(&new, write(&table, 1)).await;
        explained(&new, after::$function(&table, 1)).await
    }};
}

#[tokio::test]
async fn an_entry_that_was_made_void_is_not_taken_by_a_program_that_inherits_its_event() {
    let read = served_after_a_change!(thing);
    assert_eq!(read.value, 1, "in the process that mutated: {read}");
}

#[tokio::test]
async fn an_entry_of_a_program_that_knew_no_events_is_not_taken_by_one_that_lists_them() {
    let read = served_after_a_change!(listed);
    assert_eq!(read.value, 1, "in the process that mutated: {read}");
}

#[tokio::test]
async fn an_entry_of_a_program_that_knew_no_events_is_not_taken_by_one_that_finds_them_in_values() {
    let read = served_after_a_change!(loose);
    assert_eq!(read.value, 1, "in the process that mutated: {read}");
}

#[tokio::test]
async fn an_entry_of_a_program_that_knew_no_events_is_not_taken_by_one_that_inherits_them() {
    let read = served_after_a_change!(tied);
    assert_eq!(read.value, 1, "in the process that mutated: {read}");
}

#[tokio::test]
async fn an_entry_that_inherited_nothing_is_not_taken_by_a_program_in_which_it_inherits_something()
{
    let read = served_after_a_change!(heir);
    assert_eq!(read.value, 1, "in the process that mutated: {read}");
}

//! What `batch` takes, and what it refuses.

use super::refused;

const ITEM: &str = "async fn users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {}";

#[test]
fn every_form_is_taken() {
    for options in [
        "ttl = 5m, skip(db), batch(id in ids)",
        "ttl = 5m, skip(db), batch(id in ids,)",
        "ttl = 5m, skip(db), batch(id in ids, max = 100)",
        "ttl = 5m, key = (db.tenant, id), batch(id in ids, max = 1,)",
        "ttl = 5m, key = \"{id}\", batch(id in ids)",
        "ttl = 5m, skip(db), batch(id in ids), invalidate_on = UserChanged { id }, none_ttl = 10s",
        "ttl = 5m, skip(db), batch(id in ids), strategy = read_through, max_concurrent_loads = 4",
        "ttl = 5m, skip(db), batch(id in ids), strategy = [refresh_ahead(0.8), stale_if_error(1h)], soft_timeout = 1s",
        "ttl = 5m, skip(db), batch(id in ids), strategy = stale_while_revalidate(1m), timeout = 2s",
        "ttl = 5m, skip(db), batch(id in ids), strategy = early_expiration",
    ] {
        let refused = refused(options, ITEM);
        assert!(refused.is_empty(), "{options}: {refused:?}");
    }
}

#[test]
fn another_form_is_refused_with_those_that_are_taken() {
    const FORMS: &str = "`batch(id in ids)` or `batch(id in ids, max = 100)`";
    for (options, refusal) in [
        (
            "batch",
            format!("batch: `batch` names the keys: write {FORMS}"),
        ),
        (
            "batch = ids",
            format!("batch: `batch` names the keys: write {FORMS}"),
        ),
        ("batch()", format!("(): `batch` is written {FORMS}")),
        ("batch(ids)", format!("(ids): `batch` is written {FORMS}")),
        (
            "batch(id in ids, 100)",
            format!("(id in ids, 100): `batch` is written {FORMS}"),
        ),
        (
            "batch(id in ids, max = 0)",
            "0: a load of no key loads nothing: `max` is at least 1".to_owned(),
        ),
        (
            "batch(id in idz)",
            "idz: no argument is called `idz`, did you mean `ids`?".to_owned(),
        ),
        (
            "batch(db in ids)",
            "db: `db` is an argument: give one of the keys another name, as in `batch(id in ids)`"
                .to_owned(),
        ),
    ] {
        let refused = refused(&format!("ttl = 5m, skip(db), {options}"), ITEM);
        assert_eq!(refused.first(), Some(&refusal), "{options}: {refused:?}");
    }
}

#[test]
fn what_is_about_one_load_for_one_key_is_refused_beside_it() {
    for option in ["fleet", "prefetch = users(db, &[])", "inline"] {
        let refused = refused(
            &format!("ttl = 5m, skip(db), batch(id in ids), {option}"),
            ITEM,
        );
        assert_eq!(refused.len(), 1, "{option}: {refused:?}");
    }
}

#[test]
fn a_part_of_the_key_that_names_one_key_and_something_else_is_refused() {
    for key in [
        "format!(\"{}/{}\", db.tenant, id)",
        "format!(\"{db}/{id}\")",
        "(db.tenant, id)",
    ] {
        let options = format!("ttl = 5m, key = ({key},), batch(id in ids)");
        let refused = refused(&options, ITEM);
        assert_eq!(refused.len(), 1, "{key}: {refused:?}");
        assert!(
            refused[0].contains("as in `key = (tenant, id)`"),
            "{refused:?}"
        );
    }
}

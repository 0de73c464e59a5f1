use cache_core::cached;

struct Db;

struct Context<'a> {
    db: &'a Db,
    tenant: u64,
}

#[cached(ttl = 5m, skip(db))]
async fn total(Context { db, tenant }: Context<'_>, id: u64) -> u64 {
    let Db = db;
    tenant + id
}

fn main() {}

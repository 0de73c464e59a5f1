use cache_core::invalidates;

#[invalidates(on_ok)]
async fn change(id: u64) -> Result<u64, ()> {
    Ok(id)
}

fn main() {}
